"""Which snapshots are forgotten: histories stay short, and whatever somebody goes by stays."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.schema import Schema
from pyiceberg.table.metadata import new_table_metadata
from pyiceberg.table.refs import SnapshotRef, SnapshotRefType
from pyiceberg.table.snapshots import Operation, Snapshot, Summary
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER

from catalog.commit import POSITIONS
from catalog.maintenance import expire
from lakehouse.gold.builds import Build, spared
from lakehouse.gold.intervals import Interval

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def history(every_s: int) -> dict[int, int]:
    """A snapshot each so many seconds for ten minutes: age in seconds, which is its id, and time."""
    return {age: int((NOW - timedelta(seconds=age)).timestamp() * 1000) for age in range(0, 601, every_s)}


def kept(every_s: int, *spared: int, tagged: int = 0, told: int = 0, moved_on: int = 0) -> list[int]:
    """Ages of the snapshots that are left.

    Args:
        told: age of the newest snapshot that says positions; the current one is its child.
        moved_on: how often the table moves on before the update comes.
    """
    found = [_snapshot(age, ms, told) for age, ms in history(every_s).items()]
    refs = {"main": _ref(SnapshotRefType.BRANCH, 0), "tagged": _ref(SnapshotRefType.TAG, tagged)}
    new = new_table_metadata(Schema(), UNPARTITIONED_PARTITION_SPEC, UNSORTED_SORT_ORDER, "s3://lake/calls", {})
    metadata = new.model_copy(update={"snapshots": found, "current_snapshot_id": 0, "refs": refs})
    sent: list[int] = []
    tries = 0

    def commit(updates: Any, requirements: Any) -> None:
        nonlocal tries
        tries += 1
        assert requirements[0].snapshot_id == 0, "the head that was looked at"
        if tries <= moved_on:
            raise CommitFailedException("moved on")
        sent.extend(updates[0].snapshot_ids)

    client: Any = SimpleNamespace(load_table=lambda name: SimpleNamespace(metadata=metadata, _do_commit=commit))
    assert expire(client, "silver.calls", lambda: spared, clock=lambda: NOW) == len(sent)
    return [snapshot.snapshot_id for snapshot in found if snapshot.snapshot_id not in sent]


def _ref(kind: SnapshotRefType, age: int) -> SnapshotRef:
    return SnapshotRef.model_validate({"snapshot-id": age, "type": kind})


def _snapshot(age: int, ms: int, told: int) -> Snapshot:
    summary = Summary(Operation.APPEND, **({POSITIONS: "{}"} if age >= told else {}))
    parent = told if age == 0 and told else None
    return Snapshot(snapshot_id=age, timestamp_ms=ms, parent_snapshot_id=parent, manifest_list="", summary=summary)


@pytest.mark.parametrize(
    ("spared", "since"),
    [
        pytest.param((), 120, id="nobody goes by any"),
        pytest.param((40,), 120, id="by a new one"),
        pytest.param((200, 130), 200, id="and those that came after it tell how far back rows lie"),
        pytest.param((300,), 300, id="for five minutes"),
    ],
)
def test_snapshots_of_the_last_minutes_stay(spared: tuple[int, ...], since: int) -> None:
    assert kept(1, *spared) == list(range(since + 1))


def test_behind_one_that_is_spared_for_long_others_go_all_the_same() -> None:
    assert kept(1, 500) == [*range(301), 500]


def test_what_somebody_tagged_stays() -> None:
    assert kept(1, tagged=500) == [*range(121), 500]


def test_the_snapshot_that_says_the_positions_stays_though_it_is_old() -> None:
    """After a rollback and somebody else's rewrite: the property tells of commits that were rolled back."""
    assert kept(1, told=400) == [*range(121), 400]


def test_a_table_that_moves_on_is_looked_at_again() -> None:
    assert kept(1, moved_on=2) == list(range(121))
    assert kept(1, moved_on=3) == list(range(601))


def test_a_table_with_few_commits_keeps_twenty() -> None:
    assert kept(30) == list(range(0, 600, 30))


def test_what_a_planned_build_reads_and_what_the_last_one_read_is_spared() -> None:
    def reads(number: int) -> dict[str, dict[str, Interval]]:
        return {"fact_calls": {"calls": Interval("calls", number, {}, {})}}

    old = Build(1, reads(11), NOW, results={}, watermarks={"fact_calls": {"calls": (11, {})}})
    last = Build(2, reads(12), NOW, results={}, watermarks={"fact_calls": {"calls": (12, {})}})
    last.followed = {"fact_calls": {"dim_user": 7}}
    planned = Build(3, reads(13), NOW)
    assert spared([old, last, planned]) == {12, 7, 13}
    assert spared([old, last]) == {11, 12, 7}
    assert spared([]) == set()
