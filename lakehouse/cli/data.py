"""`lakehouse generate`."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from lakehouse.cli.data_display import CtrlC, SendingDisplay, print_outcome
from lakehouse.cli.options import INTERRUPTED, JSON
from lakehouse.errors import UsageError
from sources.follow import DEFAULT_RATE, follow
from sources.generate import DEFAULT_DEFECTS, Outcome, Run, run
from sources.mix import DEFAULT_MIX, apportion, parse_sources
from sources.publish import Publisher
from sources.sinks import FileSink, Sink

# sends a run to a sink; asked to stop by the function it is given
_Send = Callable[[Sink, Callable[[], bool]], Outcome]


@click.command("generate")
@click.option(
    "--events", type=click.IntRange(1), help=f"Messages in all.  [default: {Run.events}; of --follow: no end]"
)
@click.option(
    "--sources",
    default=", ".join(f"{name}={share}" for name, share in DEFAULT_MIX.items()),
    show_default=True,
    metavar="SPEC",
    help="Which events: names joined by commas, each with its weight (1 if it has none), such as calls,sms or "
    "payment=1,support=3.",
)
@click.option("--seed", type=click.IntRange(0), default=Run.seed, show_default=True, help="Draws people and events.")
@click.option("--run-id", help="Part of every event's id. Default: made from the time, so that runs never share ids.")
@click.option(
    "--days", type=click.IntRange(1, 366), default=Run.days, show_default=True, help="Events lie in the past DAYS."
)
@click.option(
    "--follow",
    "is_live",
    is_flag=True,
    help="Go on: events of now, --rate a second, until --events were sent or Ctrl-C.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    help=f"Messages a second.  [default: as fast as possible; of --follow: {DEFAULT_RATE:g}]",
)
@click.option(
    "--defects",
    default=DEFAULT_DEFECTS,
    show_default=True,
    metavar="SPEC",
    help="Share of each source's messages with a defect (copies are 0.02 more), `none`, or pairs by kind or group, such "
    "as malformed=0.01,range:amount=0.02,duplicates=0.05. Groups: malformed, missing, type, invalid, domain, range, "
    "several, warning, spelling, duplicates.",
)
@click.option("--users", type=click.IntRange(2, 1_000_000), default=Run.users, show_default=True, help="Subscribers.")
@click.option(
    "--reference/--no-reference",
    default=True,
    help="Publish users, devices, cell sites and agents first.  [default: yes]",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Publish nothing; write NDJSON, one file a source: FILE-sms.ndjson, … (events of a single source: FILE itself).",
)
@JSON
def generate_command(
    events: int | None,
    sources: str,
    seed: int,
    run_id: str | None,
    days: int,
    is_live: bool,
    rate: float | None,
    defects: str,
    users: int,
    reference: bool,
    output: Path | None,
    as_json: bool,
) -> None:
    """Publish generated events of five sources, and the reference data that they refer to.

    Calls, text messages, recharges, payments and support cases as an operator has them: busy evenings, heavy users,
    balances that add up, support cases after payments that failed. They lie in the past days, or with --follow in the
    present. Every class of defect that the contracts name is put in on purpose and counted: the printed numbers are
    what `lakehouse audit` must find, also after Ctrl-C. The same seed, run id and moment give the same bytes.

    \b
    lakehouse generate --events 200000
    lakehouse generate --sources calls,sms=2 --defects none --no-reference
    lakehouse generate --follow --rate 500
    lakehouse generate --defects malformed=0.1,duplicates=0.05
    lakehouse generate --events 5000 --sources calls --output calls.ndjson
    """
    if run_id is not None and not re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", run_id):
        raise UsageError(f"--run-id {run_id!r}: up to 40 letters, digits, points, hyphens and underscores.")
    plan = Run(
        *(events or Run.events, seed, run_id, days, defects, users, reference),
        one_line=output is not None,
        sources=parse_sources(sources),
        burst=_burst(rate),
    )

    def send(sink: Sink, stop_asked: Callable[[], bool]) -> Outcome:
        return follow(plan, sink, rate or DEFAULT_RATE, events, stop_asked) if is_live else run(plan, sink)

    endless = is_live and events is None
    totals = {} if endless else apportion(plan.events, plan.sources)
    with SendingDisplay(totals, quiet=as_json) as display, CtrlC() as ctrl_c:
        # a stream keeps to its rate by itself
        paced = None if is_live else rate
        outcome, sent = (
            _written(plan, output, display, ctrl_c, send) if output else _published(paced, display, ctrl_c, send)
        )
    _report(outcome, sent, as_json)
    if outcome.interrupted and not endless:
        sys.exit(INTERRUPTED)


def _burst(rate: float | None) -> int:
    """A second's messages, so that a slow run has all sources from its first seconds on."""
    return Run.burst if rate is None else max(20, min(Run.burst, int(rate)))


def _published(
    rate: float | None, display: SendingDisplay, ctrl_c: CtrlC, send: _Send
) -> tuple[Outcome, dict[str, Any]]:
    publisher = Publisher(rate, display.advance, ctrl_c.asked)
    try:
        with publisher:
            outcome = send(publisher, ctrl_c.asked)
    except KeyboardInterrupt:
        # a second Ctrl-C: what was delivered of the rest is not known by source
        click.echo(f"left after {publisher.delivered:,} messages, reference records included", err=True)
        sys.exit(INTERRUPTED)
    return outcome, {"published": publisher.delivered, "seconds": round(publisher.seconds, 3)}


def _written(
    plan: Run, output: Path, display: SendingDisplay, ctrl_c: CtrlC, send: _Send
) -> tuple[Outcome, dict[str, Any]]:
    with FileSink(output, list(plan.sources), display.advance, ctrl_c.asked) as sink:
        outcome = send(sink, ctrl_c.asked)
    return outcome, {"files": [str(path) for path in sink.files.values()]}


def _report(outcome: Outcome, sent: dict[str, Any], as_json: bool) -> None:
    if as_json:
        sources = {name: expected.to_json() for name, expected in outcome.sources.items()}
        result = {"run_id": outcome.run_id, "records": outcome.records, "expected": sources} | sent
        click.echo(json.dumps(result | ({"interrupted": True} if outcome.interrupted else {})))
        return
    print_outcome(outcome)
    if "files" in sent:
        click.echo(f"written: {', '.join(sent['files'])}")
    else:
        rate = sent["published"] / sent["seconds"] if sent["seconds"] else 0
        click.echo(f"published {sent['published']:,} messages in {sent['seconds']:.1f} s ({rate:,.0f}/s)")
        click.echo("next: `lakehouse audit --wait 60`")
