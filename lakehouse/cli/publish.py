"""Commands that send files: `publish` and `reference`."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import click

from lakehouse.cli.data_display import CtrlC, SendingDisplay
from lakehouse.cli.options import INTERRUPTED, JSON, RATE
from lakehouse.settings import settings
from sources.files import MessageFile, open_messages
from sources.publish import Interrupted, Publisher
from sources.records import key_of_bytes, read_records
from sources.topics import find_source


@click.command("publish")
@click.argument("source")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--key-field",
    metavar="NAME",
    help="Member whose text is the Kafka key. Default: `customer` of events, the key of reference records.",
)
@click.option("--force", is_flag=True, help="Send every line as a message, even if the file does not look like JSON.")
@RATE
@JSON
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
        sys.exit(INTERRUPTED)


@click.command("reference")
@click.argument("kind")
@click.argument("file")
@RATE
@JSON
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
