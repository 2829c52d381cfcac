"""When viewers are told of copies: with the build whose copies are all there, or after a while."""

from datetime import datetime
from typing import Any

import pytest

from lakehouse.dashboard import state as module
from lakehouse.dashboard.state import State
from lakehouse.errors import LakehouseError

AT = datetime(2026, 11, 29)


class Copies:
    """A ClickHouse that says which build its copies hold."""

    def __init__(self, **builds: int) -> None:
        self.builds = builds
        self.away = False

    def query(self, sql: str) -> list[tuple[str, int, datetime, int]]:
        if self.away:
            raise LakehouseError("away")
        return [(table.replace("whole", "*"), build, AT, 1) for table, build in self.builds.items()]


@pytest.fixture
def copies() -> Copies:
    return Copies(whole=1, fact_calls=1)


@pytest.fixture
def state(copies: Any) -> State:
    state = State(copies, dict)
    state.look()
    return state


def test_a_build_is_told_when_all_of_its_copies_are_there(copies: Copies, state: State) -> None:
    before, prepared = state.standing(), []
    state.prepare = lambda mark: prepared.append((mark, state.standing()))
    copies.builds["fact_calls"] = 2
    state.look()
    assert state.standing() == before
    copies.builds["whole"] = 2
    state.look()
    assert state.copies["fact_calls"]["build"] == 2
    assert prepared == [(state.standing(), before)], "prepared before it is told"


def test_a_build_that_is_never_whole_is_told_after_a_while(
    copies: Copies, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies.builds["fact_calls"] = 2
    state.look()
    assert state.copies["fact_calls"]["build"] == 1
    monkeypatch.setattr(module, "_COPYING_S", 0.0)
    state.look()
    assert state.copies["fact_calls"]["build"] == 2


def test_a_server_that_went_away_or_came_back_is_told_at_once(copies: Copies, state: State) -> None:
    copies.away = True
    state.look()
    assert (state.standing(), state.error) == (None, "away")
    copies.away, copies.builds["fact_calls"] = False, 2
    state.look()
    assert state.error is None
    assert state.copies["fact_calls"]["build"] == 2
