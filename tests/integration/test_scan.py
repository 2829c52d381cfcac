"""What a worker reads back of its table when it starts, from files that others wrote, changed and deleted from."""

from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
import pytest

from catalog import client, scan
from catalog.offsets import PartitionId
from lakehouse.settings import settings

pytestmark = pytest.mark.stack
NAME = "iceberg.silver.test_scan"
MINE = PartitionId("a topic", 1)
ROWS = """
insert into {name} (kafka_topic_id, kafka_partition, kafka_offset, is_rejected, event_id, kafka_timestamp)
select 'a topic', n % 2, n, n % 10 = 1, 'event ' || cast(n as varchar),
  timestamp '2026-03-01 00:00:00 UTC' + n * interval '1' second
from unnest(sequence({first}, {first} + 99)) as t (n)
"""


@pytest.fixture
def table(trino: Any) -> Iterator[Callable[[str], Any]]:
    """A table with a hundred rows; gives a way to change it."""
    change: Callable[[str], Any] = trino
    change(
        f"create table {NAME} (kafka_topic_id varchar, kafka_partition integer, kafka_offset bigint, is_rejected boolean,"
        " event_id varchar, kafka_timestamp timestamp(6) with time zone)"
    )
    change(ROWS.format(name=NAME, first=0))
    yield change
    change(f"drop table {NAME}")


def numbers(found: pl.DataFrame) -> list[int]:
    """The numbers of events, which their times must fit."""
    of_ids = [int(text.removeprefix("event ")) for text in found["event_id"]]
    assert [(at.minute * 60 + at.second) for at in found["kafka_timestamp"]] == of_ids
    return of_ids


def read_all(ranges: dict[PartitionId, scan.Range], count: int) -> dict[PartitionId, tuple[int, list[int]]]:
    table = client.connect(settings()).load_table("silver.test_scan")
    return {partition: (first, numbers(found)) for partition, first, found in scan.last_accepted(table, ranges, count)}


def read(before: int, count: int) -> list[int]:
    return read_all({MINE: (0, before)}, count)[MINE][1]


def accepted(first: int, before: int) -> list[int]:
    return [n for n in range(first, before) if n % 2 == 1 and n % 10 != 1]


def test_the_last_accepted_events_are_found_in_order_whoever_wrote_them(
    table: Callable[[str], Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    table(f"alter table {NAME} add column a_later_one varchar")
    table(ROWS.format(name=NAME, first=100))
    assert read(200, 1000) == accepted(0, 200)
    assert read(151, 1000) == accepted(0, 151)
    assert read(151, 30) == accepted(0, 151)[-30:]
    table(f"alter table {NAME} execute optimize")
    assert read(200, 30) == accepted(0, 200)[-30:]
    assert "read by PyIceberg" not in caplog.text


def test_partitions_are_read_together_each_to_its_own_end(
    table: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    other, empty, known = PartitionId("a topic", 0), PartitionId("another topic", 1), PartitionId("a topic", 2)
    ranges = {MINE: (40, 90), other: (0, 51), empty: (0, 70), known: (33, 33)}
    even = list(range(0, 51, 2))
    wanted = {MINE: (40, accepted(40, 90)), other: (0, even), empty: (0, []), known: (33, [])}
    assert read_all(ranges, 30) == wanted
    # 11 offsets back there are too few, 44 back there are enough
    last = {MINE: (46, accepted(0, 90)[-10:]), other: (7, even[-10:])}
    assert read_all(ranges, 10) == {**wanted, **last}
    monkeypatch.setattr(scan, "_ROWS_AT_ONCE", 60)
    assert read_all(ranges, 30) == wanted


def test_rows_that_an_operator_deleted_are_not_found(table: Callable[[str], Any]) -> None:
    table(f"delete from {NAME} where kafka_offset between 10 and 20")
    assert read(100, 1000) == [n for n in accepted(0, 100) if not 10 <= n <= 20]
    table(f"delete from {NAME}")
    assert read(100, 1000) == []
