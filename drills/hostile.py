"""A drill of ill will: messages that decompress to a thousand times their size, texts without an end, a poisoned Redis."""

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil
import redis
from confluent_kafka import Producer

from catalog import client
from catalog.offer import Offer, Span
from catalog.offsets import PartitionId
from drills.field import DrillFailed, Field, Outcome
from lakehouse import kafka_access, redis_access
from lakehouse.clock import now
from lakehouse.settings import settings
from streams import reference_keys
from streams.contract import contracts

_MB = 1_000_000
# Of a worker, beside twice what it may hold: Python, Arrow, Polars and Numba with nothing to do are 330 MB of it.
_BESIDE_BYTES = 500 * _MB
_SAMPLES_S = 0.2
_EVENTS = ("calls", "sms", "payment", "recharge", "support")


def hostile(field: Field, rng: random.Random, short: bool, outcome: Outcome) -> None:
    """Messages that fill memories and texts that stop builds, mixed into the load, while Redis is poisoned."""
    restarts = field.restarts()
    rounds = 3 if short else 40
    with _memory(field) as peaks, _poisoned(rng, outcome):
        for _ in range(rounds):
            _bombs(rng, 8 if short else 120, outcome)
            _flood(rng, 2_000 if short else 50_000, outcome)
            _without_end(rng, outcome)
            _larger_than_any(rng, outcome)
            time.sleep(1 if short else 5)
        time.sleep(5)
    if (after := field.restarts()) != restarts:
        raise DrillFailed(f"something was started again: {after} after {restarts}")
    most = 2 * settings().buffer_bytes + _BESIDE_BYTES
    outcome.notes.append(f"workers took at most {max(peaks.values()) / _MB:,.0f} MB of {most / _MB:,.0f}")
    if max(peaks.values()) > most:
        raise DrillFailed(f"a worker took {max(peaks.values()) / _MB:,.0f} MB, more than {most / _MB:,.0f}")


# -- messages --------------------------------------------------------------------------------------------------------------


def _producer(**more: Any) -> Producer:
    # one batch, whatever it holds; the broker bounds what it is compressed
    whole = {"compression.type": "zstd", "linger.ms": 500, "batch.size": 400 * _MB, "message.max.bytes": 400 * _MB}
    return Producer({**kafka_access.librdkafka(settings()), **whole, "queue.buffering.max.kbytes": 1 << 20, **more})


def _send(
    messages: list[tuple[str, bytes, dict[str, bytes]]], reason: str, outcome: Outcome, kind: str, partitions: int = 1
) -> None:
    """Send messages, each of which must be rejected for one reason, to some partitions in turn."""
    producer = _producer()
    for number, (source, value, headers) in enumerate(messages):
        producer.produce(settings().topic(source), value, partition=number % partitions, headers=list(headers.items()))
        outcome.expect_rejected(source, reason)
    if producer.flush(120):
        raise DrillFailed("Kafka did not take all messages")
    outcome.count(kind, len(messages))


def _bombs(rng: random.Random, count: int, outcome: Outcome) -> None:
    """990 kB a message of next to nothing, all of a partition in one batch, in one or all partitions; some with headers as
    large."""
    source = rng.choice(_EVENTS)
    fill = rng.choice([b" ", b"[", b'{"a":', b"\x00"])
    value = (fill * 990_000)[:990_000]
    headers = {"h": b"\x00" * 500_000} if rng.random() < 0.3 else {}
    partitions = rng.choice([1, settings().kafka_partitions])
    _send([(source, value, headers)] * count, "malformed:json", outcome, "bombs", partitions)


def _flood(rng: random.Random, count: int, outcome: Outcome) -> None:
    """Messages of two bytes, whose rows are two hundred times as large."""
    sent = [(rng.choice(_EVENTS), b"[]", {})] * count
    _send(sent, "malformed:json", outcome, "messages of two bytes", settings().kafka_partitions)


def _without_end(rng: random.Random, outcome: Outcome) -> None:
    """Good events but for one text of megabytes."""
    at = f"{now():%Y-%m-%d %H:%M:%S}Z"
    case = {
        "event_type": "support", "sid": f"hostile-{rng.getrandbits(64)}", "timestamp": at, "customer": "01012345678",
        "phone_number": "01012345678", "channel": "phone", "reason": "x" * 3 * _MB, "wait_time_seconds": 1,
        "resolution_time_seconds": 2, "agent_id": "AG1",
    }  # fmt: skip
    call = {
        "event_type": "call", "sid": "S" * 7 * _MB, "timestamp": at, "status": "completed", "from_phone_number": "01012345678",
        "to_phone_number": "01112345678", "call_duration_seconds": 1, "amount": 1, "currency": "EGP", "call_type": "Local",
    }  # fmt: skip
    _send([("support", json.dumps(case).encode(), {})], "length:reason", outcome, "texts without an end")
    _send([("calls", json.dumps(call).encode(), {})], "length:sid", outcome, "texts without an end")


def _larger_than_any(rng: random.Random, outcome: Outcome) -> None:
    """One message beyond what is read whole, among small ones in one batch."""
    large = b'{"sid": "' + b"y" * (settings().message_bytes + rng.randrange(8 * _MB))
    source = rng.choice(_EVENTS)
    _send([(source, value, {}) for value in (b"{", large, b"}")], "malformed:json", outcome, "larger than any")


# -- Redis -----------------------------------------------------------------------------------------------------------------


@contextmanager
def _poisoned(rng: random.Random, outcome: Outcome) -> Iterator[None]:
    """Every half a second something is put into Redis that does not belong there, with a worker's own password."""
    ends = threading.Event()
    lake = client.connect(settings())
    tables = [str(lake.load_table(f"silver.{source}").metadata.table_uuid) for source in _EVENTS]

    def poison() -> None:
        with redis_access.client(settings()) as server:
            while not ends.wait(0.5):
                what, do = rng.choice(_poisons(server, rng, rng.choice(tables)))
                with suppress(redis.ResponseError):  # what an earlier one left there is of another kind
                    do()
                    outcome.count(f"Redis: {what}")

    thread = threading.Thread(target=poison, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join(10)


def _poisons(server: Any, rng: random.Random, table: str) -> list[tuple[str, Any]]:
    turn, offers, last = (f"lakehouse:{name}:{table}" for name in ("turn", "offers", "last"))
    source = rng.choice([name for name, contract in contracts().items() if not contract.is_event])
    forged = Offer("forged", {PartitionId("t" * 22, 0): Span(0, 10**9, (), 0)}).dumps()
    rubbish = rng.choice([b"{", b"\xff" * 50, b"[" * 50_000, forged.encode(), b"x" * 2 * _MB])
    record, changes = reference_keys.record(source, str(rng.randrange(50))), reference_keys.changes(source)

    def replaced(key: str, put: Any) -> Any:
        def do() -> None:
            server.unlink(key)
            put(key)

        return do

    return [
        ("offers", lambda: server.hset(offers, str(rng.random()), rubbish)),
        ("offers of another kind", replaced(offers, lambda key: server.set(key, "x"))),
        ("a turn for ever", replaced(turn, lambda key: server.set(key, "x"))),
        ("a turn of another kind", replaced(turn, lambda key: server.rpush(key, "x"))),
        ("the last one of another kind", replaced(last, lambda key: server.rpush(key, "x"))),
        ("answers", lambda: [server.rpush(f"lakehouse:answer:{name.decode()}", "landed") for name in _keys(server, offers)]),
        ("records", lambda: (server.set(record, rubbish), _changed(server, source, record))),
        ("changes", lambda: server.zadd(changes, {rubbish[:90]: rng.choice([1.5, 1e300, float("inf")])})),
        ("a version that is none", lambda: server.set(reference_keys.version(source), rubbish[:90])),
        ("a form of another kind", replaced(reference_keys.form(source), lambda key: server.rpush(key, "x"))),
        ("a log of another kind", replaced(changes, lambda key: server.set(key, "x"))),
    ]  # fmt: skip


def _keys(server: Any, name: str) -> list[bytes]:
    return list(server.hkeys(name)) if server.type(name) == b"hash" else []


def _changed(server: Any, source: str, record: str) -> None:
    if server.type(reference_keys.changes(source)) == b"zset":
        server.zadd(reference_keys.changes(source), {record: server.zcard(reference_keys.changes(source))})


# -- memory ----------------------------------------------------------------------------------------------------------------


@contextmanager
def _memory(field: Field) -> Iterator[dict[str, int]]:
    """The most that each worker's process took, in bytes of resident memory."""
    peaks: dict[str, int] = {}
    ends = threading.Event()
    processes = {name: psutil.Process(field.process(name).pid) for name in field.workers()}

    def look() -> None:
        while not ends.wait(_SAMPLES_S):
            for name, process in processes.items():
                try:
                    peaks[name] = max(peaks.get(name, 0), process.memory_info().rss)
                except psutil.Error:  # it was started again, which is told
                    continue

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        ends.set()
        thread.join(10)
