"""Drills on topics: made again under a running line, overtaken by retention, full of rubbish, on a disk that is full."""

import json
import random
import signal
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from drills.field import DrillFailed, Field, Outcome
from lakehouse import kafka_access
from lakehouse.settings import settings
from streams.contract import contracts
from streams.topics import Topics

_DEEP, _LONG = 3000, 900_000


def poison(field: Field, rng: random.Random, short: bool, outcome: Outcome) -> None:
    """Rubbish: random bytes, cut or deeply nested JSON, 900 kB messages, wrong types, huge numbers, null keys and values."""
    before, content_before = field.account(420), _bronze_content(field)
    restarts = field.restarts()
    count = 3_000 if short else 1_000_000
    sent, content = dict.fromkeys(contracts(), 0), dict.fromkeys(contracts(), 0)
    producer = Producer(_client() | {"linger.ms": 20, "enable.idempotence": True})
    seeds = _seeds()
    for number in range(count):
        source = rng.choice(list(sent))
        key = None if rng.random() < 0.3 else rng.randbytes(8)
        # a large message in a thousand: a gigabyte in all
        value = rng.randbytes(_LONG) if number % 1000 == 0 else _rubbish(rng, seeds)
        while True:
            try:
                producer.produce(settings().topic(source), value, key)
                break
            except BufferError:
                producer.poll(0.1)
        sent[source] += 1
        content[source] += _digest(key, value)
        producer.poll(0)
    if producer.flush(300):
        raise DrillFailed("Kafka did not take all messages")
    began = time.monotonic()
    after = field.account(420 if short else 1800)
    outcome.healed_s = time.monotonic() - began
    outcome.events = count
    outcome.count("messages of rubbish", count)
    for kind in ("sources", "references"):
        for source, account in after[kind].items():
            arrived, kept = (account[what] - before[kind][source][what] for what in ("produced", "bronze"))
            if not arrived == kept == sent[source]:
                raise DrillFailed(f"{source}: {sent[source]} were sent, {arrived} arrived, bronze has {kept} of them")
    for source, digests in _bronze_content(field).items():
        if digests - content_before[source] != content[source]:
            raise DrillFailed(f"{source}: bronze has other keys or values than were sent")
    for source in contracts():
        rows = field.trino(f"select count(*) as n from silver.{source} where is_rejected and rejection_reason is null")
        if rows[0]["n"]:
            raise DrillFailed(f"{source}: {rows[0]['n']} were rejected without a reason")
    if (now := field.restarts()) != restarts:
        raise DrillFailed(f"something was started again: {now} after {restarts}")
    field.verify()


def _client() -> dict[str, Any]:
    """Settings of a client that says nothing when its Kafka ends."""
    return kafka_access.librdkafka(settings())


def _digest(key: bytes | None, value: bytes | None) -> int:
    """A number of one message, to be added up: who has the same sum has the same messages, whatever their order."""
    return zlib.crc32(b"".join(b"\0" if part is None else b"\1" + part for part in (key, value)))


def _bronze_content(field: Field) -> dict[str, int]:
    """The sum of all messages' digests, by source, of what bronze has."""
    part = "if({0} is null, x'00', concat(x'01', {0}))"
    digest = f"crc32(concat({part.format('key')}, {part.format('value')}))"
    return {
        source: int(field.trino(f"select coalesce(sum({digest}), 0) as n from iceberg.bronze.{source}")[0]["n"])
        for source in contracts()
    }


def _seeds() -> list[bytes]:
    """Good messages to spoil: the contracts' own examples."""
    from lakehouse.paths import data_folder

    found = []
    for path in sorted(data_folder("streams/contracts").glob("*.examples.ndjson")):
        for line in path.read_text().splitlines():
            value = json.loads(line).get("value")
            if isinstance(value, str) and value:
                found.append(value.encode())
    return found


def _rubbish(rng: random.Random, seeds: list[bytes]) -> bytes | None:
    """One message that no producer should send, or a good one that was spoilt."""
    kind = rng.randrange(8)
    if kind == 0:
        return None
    if kind == 1:
        return rng.randbytes(rng.randrange(200))
    if kind == 2:
        return (b"[" if rng.random() < 0.5 else b'{"a":') * rng.randrange(1, _DEEP)
    if kind == 3:
        number = rng.choice((b"1e400", b"-1e-400", b"9" * 400, b"0.1" + b"0" * 300, b"NaN", b"-0"))
        return b'{"sid": "x", "amount": ' + number + b', "billing_info": {"amount": ' + number + b"}}"
    value = bytearray(rng.choice(seeds))
    if kind == 4:
        return bytes(value[: rng.randrange(len(value) + 1)])
    if kind == 5:
        for _ in range(rng.randrange(1, 6)):
            value[rng.randrange(len(value))] = rng.randrange(256)
        return bytes(value)
    if kind == 6:
        return bytes(value) * rng.randrange(2, 5)
    spoilt = bytes(value).replace(b'"', rng.choice((b"", b"'", b'""', b'\\"')), rng.randrange(1, 4))
    return spoilt.replace(b":", rng.choice((b":[", b":{", b": null, ", b":")), 1)


@contextmanager
def _halted(field: Field) -> Iterator[None]:
    """Workers that do not read."""
    halted = [field.process(name) for name in field.workers()]
    for one in halted:
        one.send(signal.SIGSTOP)
    try:
        yield
    finally:
        for one in halted:
            one.send(signal.SIGCONT)


def topics(field: Field, rng: random.Random, short: bool, outcome: Outcome) -> None:
    """A topic deleted and made again while workers run; retention that overtakes workers that stand still."""
    _made_again(field, "support", outcome)
    _overtaken(field, "sms", rng, outcome)


def _made_again(field: Field, source: str, outcome: Outcome) -> None:
    """The new topic grows past the old offsets at once: the moment at which it could be taken for the old one."""
    before = field.account(420)["sources"][source]
    admin, name = AdminClient(_client()), settings().topic(source)
    admin.delete_topics([name])[name].result()
    field.until(lambda: not Topics(settings()).partitions([name]), f"{name} deleted", 30)
    Topics(settings()).ensure([name])
    outcome.count("topic made again")
    count = max(3000, 2 * int(before["produced"]))
    words = ("generate", "--sources", source, "--events", str(count), "--no-reference", "--json")
    expected = json.loads(field.command(*words))["expected"][source]
    outcome.events += expected["produced"]
    after = field.account(420)["sources"][source]
    for what in ("produced", "accepted", "rejected"):
        if after[what] - before[what] != expected[what]:
            raise DrillFailed(f"{source}: {expected[what]} {what} were sent, {after[what] - before[what]} are there")
    field.verify()


def _overtaken(field: Field, source: str, rng: random.Random, outcome: Outcome) -> None:
    """Records are deleted before they were read: each must be reported as lost, by its offset."""
    before = field.account(420)["sources"][source]
    began = time.monotonic()
    with _halted(field):
        words = ("generate", "--sources", source, "--events", "4000", "--no-reference", "--json")
        sent = json.loads(field.command(*words))["expected"][source]["produced"]
        partition = rng.randrange(settings().kafka_partitions)
        place = TopicPartition(settings().topic(source), partition)
        ids = {p.partition: p for p in Topics(settings()).partitions([place.topic])[place.topic]}
        ends = Topics(settings()).log_ranges(place.topic, [ids[partition]])[ids[partition]]
        stands = next(
            (
                r["next"]
                for r in _stands(field, source)
                if r["topic_id"] == ids[partition].topic_id and r["n"] == partition
            ),
            0,
        )
        place.offset = stands + (ends.end - stands) // 2
        admin = AdminClient(_client())
        next(iter(admin.delete_records([place]).values())).result()
        outcome.count("partition overtaken by retention")
        time.sleep(9)  # their sessions have ended: each is a zombie now
    lost = place.offset - stands
    limit = time.monotonic() + 300
    while True:
        account = field.account()["sources"][source]
        if account["in_flight"] == 0 and account["clickhouse"] == account["accepted"] and account["lost"]:
            break
        if time.monotonic() > limit:
            raise DrillFailed(f"{source}: the line did not go on after retention: {account}")
        time.sleep(2)
    outcome.healed_s = time.monotonic() - began
    outcome.events += sent
    told = f"{source}[{partition}] {stands}..{place.offset - 1}"
    if account["lost"] - before["lost"] != lost or told not in account["lost_ranges"]:
        raise DrillFailed(f"{lost} events were deleted unread ({told}); the audit tells of {account['lost_ranges']}")
    if account["accepted"] + account["rejected"] - before["accepted"] - before["rejected"] != sent - lost:
        raise DrillFailed(f"{source}: {sent} sent and {lost} lost, but {account}")
    outcome.notes.append(f"reported: {told}, {lost} events")
    field.verify()
    field.command("topics", "--acknowledge", source, "--because", "a drill deleted them")
    field.account(420)


def _stands(field: Field, source: str) -> list[dict[str, Any]]:
    """Silver's next offsets, from its rows."""
    return field.trino(
        "select kafka_topic_id as topic_id, kafka_partition as n, max(kafka_offset) + 1 as next"
        f" from silver.{source} group by 1, 2"
    )
