"""Batches of calls, and a line over tables in memory, for the tests of the line."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fakeredis
import numpy as np
import pyarrow as pa

from catalog.offsets import PartitionId
from lakehouse.deadline import Deadline
from lakehouse.settings import Settings
from streams.batch import RawBatch
from streams.contract import contracts
from streams.line import Confirm, Line
from streams.references import References
from streams.window_store import WindowStore
from tests.unit.fenced_table import MemoryTable

P0, P1 = PartitionId("a-topic-id", 0), PartitionId("a-topic-id", 1)
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SOON = Deadline.after(3600)


def call(sid: Any, **changes: Any) -> bytes:
    good = {
        "event_type": "call", "sid": sid, "timestamp": "2026-11-24 10:00:00", "status": "completed", "currency": "EGP",
        "from_phone_number": "01012345678", "to_phone_number": "01112345678", "call_duration_seconds": 61, "amount": 1,
        "call_type": "Local",
    }  # fmt: skip
    return json.dumps(good | changes).encode()


def batch(
    offsets: Any, partition: PartitionId = P0, first: int | None = None, log_start: int | None = None
) -> RawBatch:
    """Calls at the given offsets, each with its offset as id."""
    return raw({offset: call(offset) for offset in offsets}, partition, first, log_start)


def raw(
    messages: dict[int, bytes | None],
    partition: PartitionId = P0,
    first: int | None = None,
    log_start: int | None = None,
    keys: list[bytes | None] | None = None,
) -> RawBatch:
    offsets = list(messages)
    return RawBatch(
        "calls",
        partition,
        offsets[0] if first is None else first,
        np.array(offsets, np.int64),
        np.full(len(offsets), int(NOW.timestamp()) * 1_000_000),
        pa.array(keys or [b"k"] * len(offsets), pa.large_binary()),
        pa.array(list(messages.values()), pa.large_binary()),
        log_start=log_start,
    )


def line(
    silver: MemoryTable,
    bronze: MemoryTable | None = None,
    source: str = "calls",
    references: References | None = None,
    confirm: Confirm = lambda partitions, deadline: None,
    windows: Path | None = None,
) -> Line:
    configured = Settings(_env_file=None, bronze_interval_s=3600)  # type: ignore[call-arg]
    shared = references or References(contracts(), fakeredis.FakeRedis())
    tables: Any = (silver, bronze)
    store = None if windows is None else WindowStore(windows, contracts()[source], configured)
    return Line(contracts()[source], *tables, shared, configured, lambda: NOW, confirm, store)
