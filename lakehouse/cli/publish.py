"""Commands that send files: `publish` and `reference`."""

import json
import sys
from typing import Any

import click

from lakehouse.cli.data_display import CtrlC, SendingDisplay
from lakehouse.cli.options import INTERRUPTED, JSON, RATE
from lakehouse.settings import settings
from sources.files import MessageFile, expand, open_messages
from sources.publish import Interrupted, Publisher
from sources.records import read_records
from sources.resume import Marks, ResumedMessages, topic_id
from sources.topics import ensure_topic, find_source


@click.command("publish")
@click.argument("source")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--key-field",
    metavar="NAME",
    help="Member whose text is the Kafka key. Default: `customer` of events, the key of reference records.",
)
@click.option("--force", is_flag=True, help="Send every line as a message, even if the file does not look like JSON.")
@click.option("--from-start", is_flag=True, help="Send everything, also what an interrupted run has sent already.")
@RATE
@JSON
def publish_command(
    source: str,
    files: tuple[str, ...],
    key_field: str | None,
    force: bool,
    from_start: bool,
    rate: float | None,
    as_json: bool,
) -> None:
    """Publish events from files to the topic of SOURCE (calls, sms, payment, recharge, support).

    FILE holds one JSON object a line, or is one JSON array; `-` is standard input, and .gz is unpacked. Every line is
    sent byte for byte as it stands. A line that is no good event is sent too: it arrives in silver as a rejected row
    that says why. Blank lines are left out.

    FILE can be in the S3 of the settings: s3://bucket/key, s3://bucket/prefix/ for all below it, or with `*` for any
    characters but `/`. SOURCE can be reference data too; `lakehouse reference` checks the records first.

    \b
    lakehouse publish calls monday.ndjson tuesday.ndjson.gz
    lakehouse publish payment 's3://incoming/payments/2026-11-*.ndjson.gz'
    zcat export.gz | lakehouse publish calls - --rate 500

    After Ctrl-C or a crash the same command goes on where it stopped: it remembers, in the data folder, how many
    messages of each file Kafka has acknowledged. Some may be sent twice, none is left out; the line finds the copies.
    A command that came to its end starts from the beginning when it is run again, as does a file that has changed.
    """
    known = find_source(source)
    opened = [open_messages(name, force) for name in expand(files)]
    topic = settings().topic(source)
    ensure_topic(topic)
    marks = Marks(settings().data_dir / "publish", topic, topic_id(topic), (source, *files))
    messages = ResumedMessages(opened, (key_field,) if key_field else known.keys, marks, from_start)
    for name, count in messages.left_out:
        click.echo(f"{name}: goes on after {count:,} messages sent before (--from-start sends them again)", err=True)
    sizes = [file.size for file in opened]
    totals = {} if None in sizes else {source: sum(size or 0 for size in sizes)}
    with SendingDisplay(totals, quiet=as_json) as display, CtrlC(at_once="-" in files) as ctrl_c:
        publisher = Publisher(
            rate,
            lambda name, count: display.advance(name, count, messages.bytes_read if totals else None),
            ctrl_c.asked,
        )
        interrupted = _finish(publisher, source, messages.sent_by(publisher))
    if not interrupted:
        messages.forget()
    elif publisher.delivered == publisher.handed:
        messages.mark()
    result = {
        "topic": topic,
        "published": publisher.delivered,
        "published_before": sum(count for _, count in messages.left_out),
        "seconds": round(publisher.seconds, 3),
    }
    _report(result, interrupted, as_json, _notes(opened, messages, key_field, interrupted))


def _notes(files: list[MessageFile], messages: ResumedMessages, key_field: str | None, interrupted: bool) -> list[str]:
    """What was left out, or is worth a look."""
    notes = [f"{f.name}: {f.blank_lines:,} blank lines left out" for f in files if f.blank_lines]
    notes += [f"{f.name}: the byte-order mark at its start was left out" for f in files if f.had_mark]
    if not messages.count and not messages.left_out and not interrupted:
        notes.append(f"{', '.join(f.name for f in files)}: there is no message in it, so nothing was sent")
    if messages.count and messages.without_key == messages.count:
        member = key_field or "that the key is taken from; --key-field names one"
        notes.append(
            f"no message has a member {member}: all were sent without a key, into any partition, where a copy of an event is"
            " not found to be one"
        )
    if interrupted and any(f.version is not None for f in files):
        notes.append("the same command goes on from here")
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
        count = f"{result['published']:,} message{'' if result['published'] == 1 else 's'}"
        click.echo(f"{verb} {count} to {result['topic']} in {result['seconds']:.1f} s ({rate:,.0f}/s)")
    if interrupted:
        sys.exit(INTERRUPTED)


@click.command("reference")
@click.argument("kind")
@click.argument("file")
@RATE
@JSON
def reference_command(kind: str, file: str, rate: float | None, as_json: bool) -> None:
    """Publish reference records of KIND (users, devices, cell_sites, agents) from a file.

    FILE is a JSON array of objects, or holds one object a line; `-` is standard input, .gz is unpacked, and s3://
    addresses are read as `lakehouse publish` reads them. Each record is the whole state of its key: phone_number or
    msisdn of users, tac of devices, cell_id of cell sites, agent_id of agents. The whole file is checked first: if it
    is not JSON, or a record has no key, nothing is published.

    Exports of older systems are taken as they are: other members (customer_type, os, imei, user_sk, effective_to,
    is_current ...) are sent too, untouched, and the contract says which of them count.

    \b
    lakehouse reference users users.json
    lakehouse reference devices s3://exports/devices.ndjson.gz
    """
    known = find_source(kind, reference=True)
    records = [record for name in expand([file]) for record in read_records(name, known)]
    with SendingDisplay({kind: len(records)}, quiet=as_json) as display, CtrlC() as ctrl_c:
        publisher = Publisher(rate, display.advance, ctrl_c.asked)
        interrupted = _finish(publisher, kind, records)
    result = {"topic": settings().topic(kind), "published": publisher.delivered, "seconds": round(publisher.seconds, 3)}
    _report(result, interrupted, as_json, [] if records else [f"{file}: there is no record in it, so nothing was sent"])
