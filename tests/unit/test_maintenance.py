"""Which snapshots are forgotten: histories stay short, and whatever somebody goes by stays."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from catalog.maintenance import expire
from lakehouse.gold.builds import Build, spared
from lakehouse.gold.intervals import Interval

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Table:
    """A table with a snapshot each so many seconds, for ten minutes; a snapshot's id is its age in seconds."""

    def __init__(self, every_s: int) -> None:
        self.kept = list(range(0, 601, every_s))
        self.metadata = SimpleNamespace(current_snapshot_id=0)
        self.maintenance = SimpleNamespace(expire_snapshots=lambda: self)

    def snapshots(self) -> list[Any]:
        at = {age: int((NOW - timedelta(seconds=age)).timestamp() * 1000) for age in self.kept}
        return [SimpleNamespace(snapshot_id=age, timestamp_ms=at[age]) for age in self.kept]

    def by_ids(self, gone: list[int]) -> Any:
        return SimpleNamespace(commit=lambda: setattr(self, "kept", [age for age in self.kept if age not in gone]))


def kept(every_s: int, *spared: int) -> list[int]:
    table = Table(every_s)
    client: Any = SimpleNamespace(load_table=lambda name: table)
    before = len(table.kept)
    assert expire(client, "silver.calls", spared, clock=lambda: NOW) == before - len(table.kept)
    return table.kept


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
