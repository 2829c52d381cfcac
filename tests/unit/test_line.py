"""The line from bytes to tables: every offset lands once, in order, whatever the batches and whoever else writes."""

import itertools
import json
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import fakeredis
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.offsets import Gap, PartitionId
from lakehouse.deadline import Deadline
from lakehouse.errors import Retry
from lakehouse.settings import Settings
from streams.batch import RawBatch
from streams.contract import contracts
from streams.line import Confirm, Line
from streams.references import References
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
) -> Line:
    configured = Settings(_env_file=None, bronze_interval_s=3600)  # type: ignore[call-arg]
    shared = references or References(contracts(), fakeredis.FakeRedis())
    tables: Any = (silver, bronze)
    return Line(contracts()[source], *tables, shared, configured, lambda: NOW, confirm)


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


def test_a_new_owner_reads_on_where_the_table_stands_and_not_where_the_log_begins() -> None:
    silver = MemoryTable()
    former, next_owner = line(silver), line(silver)
    former.assign({P0: 0})
    former.add(batch([0, 1, 2]))
    former.flush(SOON)
    assert next_owner.assign({P0: 0, P1: 40}) == {P0: 3, P1: 40}
    next_owner.add(batch([1, 2, 3]))
    next_owner.flush(SOON)
    assert silver.offsets() == [0, 1, 2, 3]


def test_a_partition_that_was_taken_over_is_dropped_and_the_others_land() -> None:
    silver = MemoryTable()
    former, new = line(silver), line(silver)
    former.assign({P0: 0, P1: 0})
    former.add(batch([0, 1]))
    former.add(batch([0], P1))
    new.assign({P0: 0})
    new.add(batch([0, 1, 2]))
    new.flush(SOON)
    flushed = former.flush(SOON)
    assert flushed.dropped == {P0}
    assert flushed.safe == {P1: 1}
    assert "taken over" in flushed.reasons[0]
    assert (silver.offsets(0), silver.offsets(1)) == ([0, 1, 2], [0])
    assert former.wanted(P0) is None


def test_a_dropped_partition_that_is_assigned_again_is_read_from_where_the_table_stands() -> None:
    silver = MemoryTable()
    former, new = line(silver), line(silver)
    former.assign({P0: 0})
    former.add(batch([0, 1]))
    new.assign({P0: 0})
    new.add(batch([0, 1, 2]))
    new.flush(SOON)
    assert former.flush(SOON).dropped == {P0}
    assert former.assign({P0: 0}) == {P0: 3}
    assert former.add(batch([0, 1, 2, 3]))
    former.flush(SOON)
    assert silver.offsets() == [0, 1, 2, 3]


def test_a_batch_that_is_partly_in_the_table_lands_with_its_rest() -> None:
    silver = MemoryTable()
    slow, quick = line(silver), line(silver)
    slow.assign({P0: 0})
    slow.add(batch([0, 1, 2, 3]))
    quick.assign({P0: 0})
    quick.add(batch([0, 1]))
    quick.flush(SOON)
    assert slow.flush(SOON).dropped == frozenset()
    assert silver.offsets() == [0, 1, 2, 3]


def test_a_commit_without_an_answer_drops_what_it_carried_and_nothing_is_lost() -> None:
    silver = MemoryTable()
    one = line(silver)
    one.assign({P0: 0})
    one.add(batch([0, 1]))
    silver.answers = False
    flushed = one.flush(SOON)
    assert (flushed.dropped, flushed.rows) == ({P0}, 0)
    silver.answers = True
    assert one.assign({P0: 0}) == {P0: 0}
    one.add(batch([0, 1]))
    one.flush(SOON)
    assert silver.offsets() == [0, 1]


def test_rows_of_a_topic_that_was_made_again_meanwhile_do_not_land_under_its_former_id() -> None:
    silver, made_again = MemoryTable(), False

    def confirm(partitions: Collection[PartitionId], deadline: Deadline) -> None:
        if made_again and P0 in partitions:
            raise Retry("calls has another id now")

    one = line(silver, confirm=confirm)
    one.assign({P0: 0})
    one.add(batch([0, 1]))
    one.flush(SOON)
    made_again = True
    one.add(batch([2, 3]))  # offsets that follow on, of the new topic
    flushed = one.flush(SOON)
    assert (flushed.dropped, flushed.rows) == ({P0}, 0)
    assert silver.offsets() == [0, 1]


def test_partitions_of_a_table_that_was_rolled_back_are_read_again_also_without_new_messages() -> None:
    silver = MemoryTable()
    one = line(silver)
    one.assign({P0: 0, P1: 0})
    one.add(batch([0, 1]))
    one.flush(SOON)
    before = silver.positions()
    one.add(batch([2, 3]))
    one.flush(SOON)
    assert one.drop_rolled_back(SOON) == frozenset()
    silver.roll_back(before)
    assert one.drop_rolled_back(SOON) == {P0}
    assert one.assign({P0: 0}) == {P0: 2}


def test_discarded_partitions_leave_nothing_behind() -> None:
    silver = MemoryTable()
    one = line(silver)
    one.assign({P0: 0})
    one.add(batch([0, 1]))
    one.discard([P0])
    assert one.flush(SOON).safe == {}
    assert silver.commits == []


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


def test_a_bronze_table_that_another_worker_fills_drops_the_partition_too() -> None:
    silver, bronze = MemoryTable(), MemoryTable()
    one, other = line(silver, bronze), line(MemoryTable(), bronze)
    one.assign({P0: 0})
    one.add(batch([0]))
    other.assign({P0: 0})
    other.add(batch([0, 1]))
    other.flush(SOON, bronze_too=True)
    assert one.flush(SOON, bronze_too=True).dropped == {P0}
    assert one.assign({P0: 0}) == {P0: 1}


def test_duplicates_are_remembered_by_the_next_owner() -> None:
    silver = MemoryTable()
    former, new = line(silver), line(silver)
    former.assign({P0: 0})
    former.add(raw({0: call("A"), 1: call("B", amount=-1), 2: call("A")}))
    former.flush(SOON)
    new.assign({P0: 0})
    new.add(raw({3: call("A"), 4: call("B"), 5: call("B")}))
    new.flush(SOON)
    reasons = [None, "range:amount", "duplicate:sid", "duplicate:sid", None, "duplicate:sid"]
    assert silver.column("rejection_reason") == reasons


def test_the_same_id_in_another_partition_is_no_duplicate() -> None:
    silver = MemoryTable()
    one = line(silver)
    one.assign({P0: 0, P1: 0})
    one.add(raw({0: call("A")}))
    one.add(raw({0: call("A")}, P1))
    one.flush(SOON)
    assert silver.column("rejection_reason") == [None, None]


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
    assert references.frames["devices"].select("tac", "brand").rows() == [("35846279", "Nokia")]


def test_records_of_a_partition_that_was_taken_over_are_shared_by_its_new_owner_only() -> None:
    references, silver = References(contracts(), fakeredis.FakeRedis()), MemoryTable()
    former, new = line(silver, source="devices", references=references), line(silver, source="devices")
    former.assign({P0: 0, P1: 0})
    former.add(raw({0: b'{"tac": "11111111"}'}))
    former.add(raw({0: b'{"tac": "22222222"}'}, P1))
    new.assign({P0: 0})
    new.add(raw({0: b'{"tac": "11111111"}'}))
    new.flush(SOON)
    assert former.flush(SOON).dropped == {P0}
    references.refresh()
    assert references.frames["devices"]["tac"].to_list() == ["22222222"]


SENT: dict[int, bytes | None] = dict(
    enumerate(
        [call("A"), call("B"), call("A"), None, b"", call("C", amount=-1), call("C"), b"{}{}", call("B"),
         call("A", from_imei=1), call("D", timestamp="?"), call("D"), b'{"sid": "D"}',
         call("E", unnamed=[1]), call("E"), call("F", risk_score="x")]
    )
)  # fmt: skip


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


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(0, len(SENT))), st.lists(st.booleans(), min_size=1))
def test_the_cut_into_batches_and_commits_never_changes_the_rows(cuts: list[int], flushes: list[bool]) -> None:
    assert _rows_after(cuts, flushes).equals(_rows_after([], [False]))


_FENCING = st.lists(
    st.tuples(st.sampled_from(["add", "flush", "assign", "skip", "fail"]), st.integers(0, 1), st.integers(1, 4)),
    max_size=40,
)


@pytest.mark.parametrize("with_bronze", [False, True])
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=_FENCING)
def test_two_workers_that_both_think_they_own_a_partition_write_every_offset_once(
    with_bronze: bool, history: list[tuple[str, int, int]]
) -> None:
    silver, bronze = MemoryTable(), MemoryTable() if with_bronze else None
    workers = [line(silver, bronze), line(silver, bronze)]
    at = [worker.assign({P0: 0})[P0] for worker in workers]
    for verb, who, count in history:
        worker = workers[who]
        if verb == "add":
            at[who] = _read_on(worker, at[who], count)
        elif verb == "skip":
            at[who] += count
        elif verb == "assign":
            at[who] = worker.assign({P0: 0})[P0]
        else:
            silver.answers = verb != "fail"
            if P0 in worker.flush(SOON, bronze_too=count > 2).dropped:
                at[who] = worker.assign({P0: 0})[P0]
            silver.answers = True
    for worker in workers:
        worker.flush(SOON, bronze_too=True)
    for table in (silver, bronze):
        if table is not None:
            assert table.offsets() == list(range(table.positions().next.get(P0, 0)))
    assert silver.positions().gaps == {}


def _read_on(worker: Line, at: int, count: int) -> int:
    """Read the next few; a worker that is ahead is sent back."""
    if worker.add(batch(range(at, at + count))):
        return at + count
    wanted = worker.wanted(P0)
    assert wanted is not None
    return wanted
