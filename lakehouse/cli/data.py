"""Commands that send data: `publish`, `reference`, `generate`."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from lakehouse.cli.data_display import CtrlC, SendingDisplay, print_outcome
from lakehouse.errors import UsageError
from lakehouse.settings import settings
from sources.files import MessageFile, open_messages
from sources.generate import DEFAULT_DEFECTS, EVENT_SOURCES, FileSink, Outcome, Run, run
from sources.publish import Interrupted, Publisher
from sources.records import key_of_bytes, read_records
from sources.topics import find_source

_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, for scripts.")
_RATE = click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="At most so many messages a second.")
# the convention of shells for a program that Ctrl-C ended
_INTERRUPTED = 130


@click.command("publish")
@click.argument("source")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--key-field",
    metavar="NAME",
    help="Member whose text is the Kafka key. Default: `customer` of events, the key of reference records.",
)
@click.option("--force", is_flag=True, help="Send every line as a message, even if the file does not look like JSON.")
@_RATE
@_JSON
def publish_command(
    source: str, files: tuple[str, ...], key_field: str | None, force: bool, rate: float | None, as_json: bool
) -> None:
    """Publish events from files to the topic of SOURCE (calls, …).

    FILE holds one JSON object a line, or is one JSON array; `-` is standard input, and .gz is unpacked. Every line is
    sent byte for byte as it stands. A line that is no good event is sent too: it arrives in silver as a rejected row
    that says why. Blank lines are left out.

    \b
    lakehouse publish calls monday.ndjson tuesday.ndjson.gz
    zcat export.gz | lakehouse publish calls - --rate 500
    """
    known = find_source(source)
    members = (key_field,) if key_field else known.keys
    opened = [open_messages(name, force) for name in files]
    reader = _Reader(opened, members)
    sizes = [file.size for file in opened]
    totals = {} if None in sizes else {source: sum(size or 0 for size in sizes)}
    with SendingDisplay(totals, quiet=as_json) as display, CtrlC(at_once="-" in files) as ctrl_c:
        publisher = Publisher(
            rate, lambda name, count: display.advance(name, count, reader.bytes_read if totals else None), ctrl_c.asked
        )
        interrupted = _finish(publisher, source, reader)
    result = {
        "topic": settings().topic(source),
        "published": publisher.delivered,
        "seconds": round(publisher.seconds, 3),
    }
    _report(result, interrupted, as_json, reader.notes(key_field))


class _Reader:
    """The messages of all files with their keys, counting what a person should hear about."""

    def __init__(self, files: list[MessageFile], members: tuple[str, ...]) -> None:
        self._files = files
        self._members = members
        self.bytes_read = 0
        self.count = 0
        self.without_key = 0

    def __iter__(self) -> Iterator[tuple[str | None, bytes]]:
        for file in self._files:
            for message in file:
                key = key_of_bytes(message, self._members)
                self.bytes_read += len(message) + 1
                self.count += 1
                self.without_key += key is None
                yield key, message

    def notes(self, key_field: str | None) -> list[str]:
        """What was left out, or is worth a look."""
        notes = [f"{f.name}: {f.blank_lines:,} blank lines left out" for f in self._files if f.blank_lines]
        notes += [f"{f.name}: the byte-order mark at its start was left out" for f in self._files if f.had_mark]
        if key_field and self.count and self.without_key == self.count:
            notes.append(f"no message has a member {key_field}: all were sent without a key")
        return notes


def _finish(publisher: Publisher, source: str, messages: Any) -> bool:
    """Send everything and wait for it; true if Ctrl-C ended it early."""
    try:
        with publisher:
            publisher.send(source, messages)
    except (Interrupted, KeyboardInterrupt):
        return True
    return False


def _report(result: dict[str, Any], interrupted: bool, as_json: bool, notes: list[str]) -> None:
    for note in notes:
        click.echo(note, err=True)
    if as_json:
        click.echo(json.dumps(result | ({"interrupted": True} if interrupted else {})))
    else:
        rate = result["published"] / result["seconds"] if result["seconds"] else 0
        verb = "stopped after" if interrupted else "published"
        click.echo(
            f"{verb} {result['published']:,} messages to {result['topic']} in {result['seconds']:.1f} s ({rate:,.0f}/s)"
        )
    if interrupted:
        sys.exit(_INTERRUPTED)


@click.command("reference")
@click.argument("kind")
@click.argument("file")
@_RATE
@_JSON
def reference_command(kind: str, file: str, rate: float | None, as_json: bool) -> None:
    """Publish reference records of KIND (users, devices, cell_sites) from a file.

    FILE is a JSON array of objects, or holds one object a line; `-` is standard input. Each record is the whole state
    of its key: phone_number or msisdn of users, tac of devices, cell_id of cell sites. The whole file is checked
    first: if it is not JSON, or a record has no key, nothing is published.

    \b
    lakehouse reference users users.json
    """
    records = read_records(file, find_source(kind, reference=True))
    with SendingDisplay({kind: len(records)}, quiet=as_json) as display, CtrlC() as ctrl_c:
        publisher = Publisher(rate, display.advance, ctrl_c.asked)
        interrupted = _finish(publisher, kind, records)
    result = {"topic": settings().topic(kind), "published": publisher.delivered, "seconds": round(publisher.seconds, 3)}
    _report(result, interrupted, as_json, [])


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
@_RATE
@_JSON
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
            sys.exit(_INTERRUPTED)
    return outcome, {"published": publisher.delivered, "seconds": round(publisher.seconds, 3)}


def _write(plan: Run, output: Path, display: SendingDisplay) -> tuple[Outcome, dict[str, Any]]:
    with FileSink(output, display.advance) as sink:
        outcome = run(plan, sink)
    return outcome, {"files": [str(path) for path in sink.files.values()]}
