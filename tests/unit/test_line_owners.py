"""The line as partitions change their owner: every offset lands once, whoever else writes and whatever was lost on the way."""

from collections.abc import Collection

import fakeredis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.offsets import Gap, PartitionId
from lakehouse.deadline import Deadline
from lakehouse.errors import Retry
from streams.contract import contracts
from streams.line import Line
from streams.references import References
from tests.unit.fenced_table import MemoryTable
from tests.unit.line_inputs import P0, P1, SOON, batch, call, line, raw


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


def test_what_retention_took_of_a_topic_that_was_made_again_before_it_was_first_read_is_lost() -> None:
    silver, bronze = MemoryTable(), MemoryTable()
    one = line(silver, bronze)
    one.assign({P0: 0})
    one.add(batch([0, 1]))
    one.flush(SOON, bronze_too=True)
    again, later = PartitionId("made again", 0), PartitionId("made again", 1)
    for partition, start in ((again, 7), (later, 40)):
        assert one.assign({partition: start}) == {partition: start}
        one.flush(SOON, bronze_too=True)  # though no message of theirs has come
    for table in (silver, bronze):
        assert table.positions().next == {P0: 2, again: 7, later: 40}
        assert table.positions().start == {P0: 0, again: 0, later: 0}
        assert table.positions().gaps == {again: (Gap(0, 7, True),), later: (Gap(0, 40, True),)}


def test_a_lake_that_begins_within_an_old_topic_has_lost_nothing() -> None:
    silver = MemoryTable()
    one = line(silver)
    one.assign({P0: 0, P1: 40})
    one.add(batch([0, 1]))
    one.flush(SOON)
    assert one.assign({P0: 0, P1: 40}) == {P0: 2, P1: 40}  # of one that nothing came of yet neither
    one.add(batch([40], P1))
    one.flush(SOON)
    assert silver.positions().start == {P0: 0, P1: 40}
    assert not silver.positions().gaps


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
    flushed = slow.flush(SOON)
    assert (flushed.rows, flushed.dropped) == (2, {P0})
    assert silver.offsets() == [0, 1, 2, 3]
    assert slow.assign({P0: 0}) == {P0: 4}


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


def test_what_was_accepted_is_read_back_once_for_all_partitions_that_came() -> None:
    silver = MemoryTable()
    former, new = line(silver), line(silver)
    former.assign({P0: 0, P1: 0})
    former.add(raw({0: call("A")}))
    former.add(raw({0: call("B")}, P1))
    former.flush(SOON)
    new.assign({P0: 0, P1: 0})
    new.add(raw({1: call("A"), 2: call("B")}))
    new.add(raw({1: call("A"), 2: call("B")}, P1))
    new.flush(SOON)
    assert silver.read_back == [{P0: (0, 1), P1: (0, 1)}]
    rejected = silver.frame.filter("is_rejected").select("kafka_partition", "kafka_offset").rows()
    assert sorted(rejected) == [(0, 1), (1, 2)]


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
    keys = pa.array(["11111111", "22222222"], pa.large_string())
    named, _ = references.histories["devices"].look_up(keys, np.zeros(2, np.int64))
    assert named.tolist() == [False, True]


_FENCING = st.lists(
    st.tuples(st.sampled_from(["add", "flush", "assign", "skip", "fail"]), st.integers(0, 1), st.integers(1, 4)),
    max_size=40,
)


@pytest.mark.parametrize("with_bronze", [False, True])
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
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
