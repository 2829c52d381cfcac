"""The engine as tests drive it: messages of one partition in, silver rows out as dictionaries."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from catalog.offsets import PartitionId
from lakehouse.settings import Settings
from streams.batch import RawBatch
from streams.contract import contracts
from streams.duplicates import DuplicateWindow
from streams.enrich import attributes_of
from streams.kernel.history import History, Version
from streams.silver import SilverWriter

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
KAFKA_TIME = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ZONE = "Africa/Cairo"
_DAY_S = 86_400
Message = tuple[bytes | None, bytes | None]  # key and value


@cache
def writer(source: str) -> SilverWriter:
    """One writer a source, with the default settings and no `.env`."""
    return SilverWriter(contracts()[source], Settings(_env_file=None, time_zone=ZONE))  # type: ignore[call-arg]


def histories(**rows: list[dict[str, Any]]) -> dict[str, History]:
    """What is known by reference source, one record a row; without `effective_from` it holds since long ago."""
    made = {}
    for name, attributes in attributes_of(contracts()).items():
        made[name], key = History(attributes), contracts()[name].key.column
        versions: dict[str, list[Version]] = {}
        for row in sorted(rows.get(name, []), key=lambda row: row.get("effective_from", LONG_AGO), reverse=True):
            since = int(row.get("effective_from", LONG_AGO).timestamp() * 1e6)
            versions.setdefault(row[key], []).append((since, [row.get(attribute) for attribute in attributes]))
        made[name].replace(versions.items())
    return made


def raw_batch(messages: Sequence[Message], first: int = 0, at: datetime = KAFKA_TIME, topic: str = "calls") -> RawBatch:
    """Messages at consecutive offsets of one partition, all at one Kafka time."""
    count = len(messages)
    return RawBatch(
        topic,
        PartitionId("a-topic-id", 0),
        first,
        np.arange(first, first + count),
        np.full(count, int(at.timestamp()) * 1_000_000),
        pa.array([key for key, _ in messages], pa.large_binary()),
        pa.array([value for _, value in messages], pa.large_binary()),
    )


def silver_rows(
    source: str, messages: Sequence[Message], known: dict[str, History] | None = None
) -> list[dict[str, Any]]:
    """The silver rows of one partition's messages, from its first offset on."""
    window = DuplicateWindow(2_000_000, _DAY_S)
    made = writer(source).rows(raw_batch(messages, topic=source), window, histories() if known is None else known)
    rows: list[dict[str, Any]] = made.rows.to_pylist()
    return rows
