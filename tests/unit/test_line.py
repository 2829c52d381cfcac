"""The line from bytes to tables: every offset lands once, in order, whatever the batches."""

import itertools

import fakeredis
import numpy as np
import polars as pl
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.offsets import Gap, PartitionId
from streams.contract import contracts
from streams.references import References
from tests.unit.fenced_table import MemoryTable
from tests.unit.line_inputs import NOW, P0, P1, SOON, batch, call, line, raw


def test_rows_are_held_until_a_flush_lands_them() -> None:
    silver = MemoryTable()
    one = line(silver)
    assert one.assign({P0: 0}) == {P0: 0}
    assert one.add(batch([0, 1, 2]))
    assert silver.offsets() == []
    assert one.waits
    assert one.buffered_bytes > 0
    flushed = one.flush(SOON)
    assert (flushed.safe, flushed.dropped, flushed.rows) == ({P0: 3}, frozenset(), 3)
    assert silver.offsets() == [0, 1, 2]
    assert silver.column("event_id") == ["0", "1", "2"]
    assert silver.positions().next == {P0: 3}
    assert not one.waits
    assert one.buffered_bytes == 0


def test_partitions_land_together_with_one_time_of_writing() -> None:
    silver = MemoryTable()
    one = line(silver)
    one.assign({P0: 0, P1: 7})
    one.add(batch([0]))
    one.add(batch([7, 8], P1))
    one.flush(SOON)
    assert len(silver.commits) == 1
    assert (silver.offsets(0), silver.offsets(1)) == ([0], [7, 8])
    assert set(silver.column("ingested_at")) == {NOW}


def test_a_flush_of_nothing_commits_nothing() -> None:
    silver = MemoryTable()
    one = line(silver)
    one.assign({P0: 0})
    assert one.flush(SOON).safe == {P0: 0}
    assert silver.commits == []


def test_a_batch_that_does_not_follow_on_is_refused_and_the_reader_sent_back() -> None:
    silver = MemoryTable()
    one = line(silver)
    one.assign({P0: 0})
    one.add(batch([0, 1]))
    assert not one.add(batch([5, 6]))
    assert one.wanted(P0) == 2
    one.flush(SOON)
    assert silver.offsets() == [0, 1]
    assert silver.positions().gaps == {}


def test_a_batch_of_a_partition_that_is_not_ours_is_ignored() -> None:
    silver = MemoryTable()
    one = line(silver)
    one.assign({P0: 0})
    assert one.add(batch([0], P1))
    assert one.wanted(P1) is None
    one.flush(SOON)
    assert silver.commits == []


def test_what_was_fetched_twice_is_cut_off() -> None:
    silver = MemoryTable()
    one = line(silver)
    one.assign({P0: 0})
    for offsets in ([0, 1, 2], [0, 1, 2], [1, 2, 3, 4], [2]):
        assert one.add(batch(offsets))
    one.flush(SOON)
    one.add(batch([3, 4, 5]))
    one.flush(SOON)
    assert silver.offsets() == [0, 1, 2, 3, 4, 5]


def test_a_hole_in_the_log_is_an_honest_gap_and_lands_with_the_commit_that_passes_it() -> None:
    silver = MemoryTable()
    one = line(silver)
    one.assign({P0: 0})
    one.add(batch([0, 1, 4, 5, 9], log_start=0))
    one.flush(SOON)
    assert silver.offsets() == [0, 1, 4, 5, 9]
    assert silver.positions().gaps == {P0: (Gap(2, 4, False), Gap(6, 9, False))}
    assert silver.positions().next == {P0: 10}


def test_offsets_that_retention_removed_are_lost() -> None:
    silver = MemoryTable()
    one = line(silver)
    one.assign({P0: 0})
    one.add(batch([0, 1]))
    assert one.add(batch([7, 8], first=2, log_start=7))
    one.flush(SOON)
    assert silver.positions().gaps == {P0: (Gap(2, 7, True),)}


def test_a_hole_that_retention_made_in_part_is_lost_in_part() -> None:
    silver = MemoryTable()
    one = line(silver)
    one.assign({P0: 0})
    assert one.add(batch([7, 8, 10], first=0, log_start=5))
    one.flush(SOON)
    assert silver.positions().gaps == {P0: (Gap(0, 5, True), Gap(5, 7, False), Gap(9, 10, False))}


def test_a_gap_between_two_batches_is_noted_though_each_is_whole() -> None:
    silver = MemoryTable()
    one = line(silver)
    one.assign({P0: 0})
    one.add(batch([0, 1]))
    assert one.add(batch([4], first=2, log_start=0))
    one.flush(SOON)
    assert silver.positions().gaps == {P0: (Gap(2, 4, False),)}


def test_bronze_lands_later_and_what_is_safe_is_what_both_hold() -> None:
    silver, bronze = MemoryTable(), MemoryTable()
    one = line(silver, bronze)
    one.assign({P0: 0})
    one.add(batch([0, 1]))
    assert one.flush(SOON).safe == {P0: 0}
    assert (silver.offsets(), bronze.offsets()) == ([0, 1], [])
    assert one.bronze_waits
    assert one.flush(SOON, bronze_too=True).safe == {P0: 2}
    assert bronze.offsets() == [0, 1]
    assert bronze.column("value") == [call(0), call(1)]
    assert not one.bronze_waits


def test_tables_at_different_offsets_are_filled_from_the_lower_one_without_doubles() -> None:
    silver, bronze = MemoryTable(), MemoryTable()
    former, new = line(silver, bronze), line(silver, bronze)
    former.assign({P0: 0})
    former.add(batch([0, 1, 2]))
    former.flush(SOON)
    assert new.assign({P0: 0}) == {P0: 0}
    assert new.add(batch([0, 1]))
    assert new.add(batch([2, 3]))
    assert new.flush(SOON, bronze_too=True).safe == {P0: 4}
    assert silver.offsets() == bronze.offsets() == [0, 1, 2, 3]
    assert not any(silver.column("is_rejected"))


def test_the_same_id_in_another_partition_is_no_duplicate() -> None:
    silver = MemoryTable()
    one = line(silver)
    one.assign({P0: 0, P1: 0})
    one.add(raw({0: call("A")}))
    one.add(raw({0: call("A")}, P1))
    one.flush(SOON)
    assert silver.column("rejection_reason") == [None, None]


def _brand(references: References, tac: str) -> str | None:
    keys, now = pa.array([tac], pa.large_string()), np.array([int(NOW.timestamp()) * 1_000_000])
    return references.histories["devices"].look_up(keys, now, ["brand"])[1]["brand"][0].as_py()


SENT: dict[int, bytes | None] = dict(
    enumerate(
        [call("A"), call("B"), call("A"), None, b"", call("C", amount=-1), call("C"), b"{}{}", call("B"),
         call("A", from_imei=1), call("D", timestamp="?"), call("D"), b'{"sid": "D"}',
         call("E", unnamed=[1]), call("E"), call("F", risk_score="x")]
    )
)  # fmt: skip


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(st.sampled_from(list(range(len(SENT)))), min_size=1, max_size=6), min_size=1, max_size=4))
def test_batches_of_several_partitions_become_the_rows_that_each_becomes_alone(sent: list[list[int]]) -> None:
    alone, together = MemoryTable(), MemoryTable()
    batches = [
        raw({place: SENT[number] for place, number in enumerate(numbers)}, PartitionId(f"topic-{number % 2}", number))
        for number, numbers in enumerate(sent)
    ]
    for table in (alone, together):
        one = line(table)
        one.assign({b.partition: 0 for b in batches})
        if table is alone:
            assert all(one.add(b) for b in batches)
        else:
            assert one.add_all(batches) == set()
        one.flush(SOON)
    assert together.frame.equals(alone.frame)


def test_of_batches_together_those_that_do_not_follow_are_named_and_the_others_held() -> None:
    silver = MemoryTable()
    one = line(silver, bronze := MemoryTable())
    one.assign({P0: 0, P1: 0})
    assert one.add_all([batch([5]), batch([0, 1], P1), batch([0], PartitionId("another", 0))]) == {P0}
    one.flush(SOON, bronze_too=True)
    assert silver.offsets(1) == bronze.offsets(1) == [0, 1]
    assert silver.offsets() == []


def test_accepted_reference_records_are_shared_once_they_are_in_silver() -> None:
    references = References(contracts(), fakeredis.FakeRedis())
    one = line(MemoryTable(), source="devices", references=references)
    one.assign({P0: 0})
    records: dict[int, bytes | None] = {
        0: b'{"tac": "35846279", "brand": "Nokia"}',
        1: b'{"tac": "none", "brand": "?"}',
    }
    one.add(raw(records))
    assert not references.refresh()
    one.flush(SOON)
    assert references.refresh()
    assert _brand(references, "35846279") == "Nokia"
    assert len(references.histories["devices"]) == 1


def _rows_after(cuts: list[int], flushes: list[bool]) -> pl.DataFrame:
    silver = MemoryTable()
    one = line(silver)
    one.assign({P0: 0})
    edges = sorted({0, len(SENT), *cuts})
    for (first, after), flush in zip(itertools.pairwise(edges), itertools.cycle(flushes), strict=False):
        assert one.add(raw({offset: SENT[offset] for offset in range(first, after)}))
        if flush:
            one.flush(SOON)
    one.flush(SOON)
    return silver.frame


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(0, len(SENT))), st.lists(st.booleans(), min_size=1))
def test_the_cut_into_batches_and_commits_never_changes_the_rows(cuts: list[int], flushes: list[bool]) -> None:
    assert _rows_after(cuts, flushes).equals(_rows_after([], [False]))
