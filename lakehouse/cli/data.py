"""`lakehouse generate`."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import click

from lakehouse.cli.data_display import CtrlC, SendingDisplay, print_outcome
from lakehouse.cli.options import INTERRUPTED, JSON, RATE
from lakehouse.errors import UsageError
from sources.generate import DEFAULT_DEFECTS, EVENT_SOURCES, FileSink, Outcome, Run, run
from sources.publish import Interrupted, Publisher


@click.command("generate")
@click.option("--events", type=click.IntRange(1), default=Run.events, show_default=True, help="Messages in all.")
@click.option("--seed", type=click.IntRange(0), default=Run.seed, show_default=True, help="Draws people and events.")
@click.option("--run-id", help="Part of every event's id. Default: made from the time, so that runs never share ids.")
@click.option(
    "--days", type=click.IntRange(1, 366), default=Run.days, show_default=True, help="Events lie in the past DAYS."
)
@click.option(
    "--defects",
    default=DEFAULT_DEFECTS,
    show_default=True,
    metavar="SPEC",
    help="Share of messages with a defect (copies are 0.02 more), `none`, or pairs by kind or group, such as "
    "malformed=0.01,range:amount=0.02,duplicates=0.05.",
)
@click.option("--users", type=click.IntRange(2, 1_000_000), default=Run.users, show_default=True, help="Subscribers.")
@click.option(
    "--reference/--no-reference", default=True, help="Publish users, devices and cell sites first.  [default: yes]"
)
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write NDJSON files and publish nothing."
)
@RATE
@JSON
def generate_command(
    events: int,
    seed: int,
    run_id: str | None,
    days: int,
    defects: str,
    users: int,
    reference: bool,
    output: Path | None,
    rate: float | None,
    as_json: bool,
) -> None:
    """Publish generated calls, and the reference data that they refer to.

    Realistic calls of the past days, with every class of defect put in on purpose and counted: the printed numbers
    are what `lakehouse audit` must find. The same seed, run id and moment give the same bytes.

    \b
    lakehouse generate --events 200000
    lakehouse generate --events 1000 --defects none --no-reference
    lakehouse generate --defects malformed=0.1,duplicates=0.05
    lakehouse generate --events 5000 --output calls.ndjson
    """
    if run_id is not None and not re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", run_id):
        raise UsageError(f"--run-id {run_id!r}: up to 40 letters, digits, points, hyphens and underscores.")
    plan = Run(events, seed, run_id, days, defects, users, reference, one_line=output is not None)
    with SendingDisplay(dict.fromkeys(EVENT_SOURCES, events), quiet=as_json) as display:
        outcome, sent = _write(plan, output, display) if output else _send(plan, rate, display)
    if as_json:
        sources = {name: expected.to_json() for name, expected in outcome.sources.items()}
        click.echo(json.dumps({"run_id": outcome.run_id, "records": outcome.records, "expected": sources} | sent))
    else:
        print_outcome(outcome)
        click.echo("next: `lakehouse audit --wait 60`" if output is None else f"written: {', '.join(sent['files'])}")


def _send(plan: Run, rate: float | None, display: SendingDisplay) -> tuple[Outcome, dict[str, Any]]:
    with CtrlC() as ctrl_c:
        publisher = Publisher(rate, display.advance, ctrl_c.asked)
        try:
            with publisher:
                outcome = run(plan, publisher)
        except (Interrupted, KeyboardInterrupt):
            click.echo(f"stopped after {publisher.delivered:,} messages, reference records included", err=True)
            sys.exit(INTERRUPTED)
    return outcome, {"published": publisher.delivered, "seconds": round(publisher.seconds, 3)}


def _write(plan: Run, output: Path, display: SendingDisplay) -> tuple[Outcome, dict[str, Any]]:
    with FileSink(output, display.advance) as sink:
        outcome = run(plan, sink)
    return outcome, {"files": [str(path) for path in sink.files.values()]}
