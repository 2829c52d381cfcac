"""Which snapshots are forgotten: histories stay short, and whatever somebody goes by stays."""

import uuid
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from catalog.maintenance import expire
from lakehouse.gold.builds import Build, spared
from lakehouse.gold.intervals import Interval

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def history(every_s: int) -> dict[int, int]:
    """A snapshot each so many seconds for ten minutes: age in seconds, which is its id, and time."""
    return {age: int((NOW - timedelta(seconds=age)).timestamp() * 1000) for age in range(0, 601, every_s)}


def kept(every_s: int, *spared: int, tagged: int = 0) -> list[int]:
    """Ages of the snapshots that are left."""
    at = history(every_s)
    found = [SimpleNamespace(snapshot_id=age, timestamp_ms=ms) for age, ms in at.items()]
    refs = {"main": SimpleNamespace(snapshot_id=0), "tagged": SimpleNamespace(snapshot_id=tagged)}
    metadata = SimpleNamespace(current_snapshot_id=0, refs=refs, table_uuid=uuid.uuid4())
    sent: list[int] = []

    def commit(updates: Any, requirements: Any) -> None:
        sent.extend(updates[0].snapshot_ids)

    table = SimpleNamespace(metadata=metadata, snapshots=lambda: found, _do_commit=commit)
    client: Any = SimpleNamespace(load_table=lambda name: table)
    assert expire(client, "silver.calls", spared, clock=lambda: NOW) == len(sent)
    return [age for age in at if age not in sent]


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
