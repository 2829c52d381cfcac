"""The fence's decisions without a server: what may land on a table, and what an odd failure must not do."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.schema import Schema
from pyiceberg.table.metadata import new_table_metadata
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER

from catalog.commit import POSITIONS, POSITIONS_AT, PartitionBatch, _fit, positions
from catalog.offsets import PartitionId, Positions
from catalog.snapshots import StateReader
from lakehouse.deadline import Deadline
from lakehouse.errors import LakehouseError
from tests.unit.fenced_table import MemoryTable
from tests.unit.line_inputs import P0, SOON, batch, line

P = PartitionId("topic", 0)


def part(first: int, following: int, start: int | None = None) -> PartitionBatch:
    rows = pa.table({"kafka_offset": pa.array(range(first, following), pa.int64())})
    return PartitionBatch(P, first, following, rows, (), start)


def test_an_unknown_partition_begins_at_its_beginning_or_not_at_all() -> None:
    assert _fit(part(0, 5, start=0), Positions()) == part(0, 5, start=0)
    assert _fit(part(5, 9, start=0), Positions()) is None


def test_a_table_that_forgot_a_partition_takes_nothing_more_of_it() -> None:
    assert _fit(part(5000, 5100), Positions()) is None


def test_a_batch_lands_only_where_the_table_stands() -> None:
    stands = Positions(next={P: 7})
    assert _fit(part(9, 12), stands) is None
    assert _fit(part(0, 7), stands) is None
    cut = _fit(part(5, 10), stands)
    assert cut is not None
    assert cut.rows["kafka_offset"].to_pylist() == [7, 8, 9]


class OddTable(MemoryTable):
    """Fails once in a way that nobody foresaw."""

    name = "silver.calls"
    odd = True

    def append(self, batches: Any, deadline: Deadline) -> Any:
        if self.odd:
            self.odd = False
            raise ValueError("a garbled answer")
        return super().append(batches, deadline)


def test_after_an_unforeseen_failure_the_partition_is_read_again_from_its_beginning() -> None:
    silver = OddTable()
    source = line(silver)
    source.assign({P0: 0})
    source.add(batch(range(3)))
    assert source.flush(SOON).dropped == {P0}
    source.add(batch(range(3, 6)))
    source.flush(SOON)
    assert silver.offsets() == []
    assert source.assign({P0: 0}) == {P0: 0}
    source.add(batch(range(6)))
    source.flush(SOON)
    assert silver.offsets() == [0, 1, 2, 3, 4, 5]


def test_a_flush_whose_time_is_up_touches_nothing() -> None:
    silver = MemoryTable()
    source = line(silver)
    source.assign({P0: 0})
    source.add(batch(range(3)))
    assert source.flush(Deadline.after(0)).dropped == frozenset()
    source.flush(SOON)
    assert silver.offsets() == [0, 1, 2]


def test_a_batch_of_markers_alone_moves_the_table_on() -> None:
    silver = MemoryTable()
    source = line(silver)
    source.assign({P0: 0})
    source.add(batch(range(3)))
    nothing = batch([3]).since(4)
    source.add(type(nothing)(**{**vars(nothing), "first": 3, "end": 5, "log_start": 0}))
    source.flush(SOON)
    assert silver.positions().next == {P0: 5}
    assert [(g.first, g.next, g.lost) for g in silver.positions().gaps[P0]] == [(3, 5, False)]


def test_a_table_without_a_snapshot_that_tells_of_commits_is_not_believed() -> None:
    told = {POSITIONS: Positions(next={P: 10}).dumps(), POSITIONS_AT: "3"}
    metadata = new_table_metadata(Schema(), UNPARTITIONED_PARTITION_SPEC, UNSORTED_SORT_ORDER, "s3://lake/calls", told)
    table: Any = SimpleNamespace(metadata=metadata, name=lambda: ("silver", "calls"))
    with pytest.raises(LakehouseError, match="rolled back to before its first snapshot"):
        positions(table)


def test_a_history_tells_since_when_rows_beyond_some_offsets_came_until_it_is_expired() -> None:
    partition = PartitionId("t" * 22, 0)

    def snapshot(number: int, parent: int | None) -> Any:
        said = {
            "lakehouse.ingested-at": str(number * 1_000_000),
            "lakehouse.positions": Positions(next={partition: number * 10}).dumps(),
        }
        return SimpleNamespace(
            snapshot_id=number,
            sequence_number=number,
            parent_snapshot_id=parent,
            summary=SimpleNamespace(additional_properties=said),
        )

    class Table:
        def __init__(self, kept: dict[int, Any]) -> None:
            self.kept = kept

        def current_snapshot(self) -> Any:
            return self.kept[max(self.kept)]

        def snapshot_by_id(self, number: int) -> Any:
            return self.kept.get(number)

    whole = {1: snapshot(1, None), 2: snapshot(2, 1), 3: snapshot(3, 2)}
    expired = {number: whole[number] for number in (2, 3)}

    def since(kept: dict[int, Any], offset: int) -> datetime | None:
        client: Any = SimpleNamespace(load_table=lambda name: Table(kept))
        return StateReader(client).ingested_since("silver.calls", {partition: offset} if offset else {})

    def second(number: int) -> datetime:
        return datetime(1970, 1, 1, 0, 0, number, tzinfo=UTC)

    assert since(whole, 0) == second(1)
    assert since(whole, 20) == second(3)
    assert since(whole, 15) == second(2)  # a build that took half of what the second commit brought
    assert since(whole, 30) is None
    assert since(expired, 20) == second(3)
    assert since(expired, 15) is None
    assert since(expired, 0) is None
    without_a_trace = {2: snapshot(2, None), 3: whole[3]}
    assert since(without_a_trace, 20) == second(3)
    assert since(without_a_trace, 15) is None
