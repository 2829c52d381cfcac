"""A fact is loaded once, whatever its build is told: a Trino made of answers."""

from collections.abc import Callable
from typing import Any

import pytest

from catalog.offsets import PartitionId, Positions, between
from catalog.snapshots import TableState
from lakehouse.errors import LakehouseError, Retry
from lakehouse.gold.build import GoldBuilder
from lakehouse.gold.builds import Builds, TableResult, _shortened, unsettled
from lakehouse.gold.intervals import Interval
from lakehouse.settings import Settings

P = PartitionId("topic", 0)


class MemoryLedger:
    """`gold.builds` in a list."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def read(self) -> list[dict[str, Any]]:
        return list(self.rows)

    def append(self, records: list[dict[str, Any]]) -> None:
        self.rows += records


class States:
    """Silver calls with a hundred events, or as many as are set."""

    calls = 100

    def state(self, name: str) -> TableState:
        positions = Positions(next={P: self.calls}) if name == "silver.calls" else Positions()
        return TableState(1 if name == "silver.calls" else None, positions, None)

    def ingested_since(self, name: str, offsets: dict[PartitionId, int]) -> None:
        return None


class FakeTrino:
    """Counts the rows of fact_calls by build; a hook may fail a statement, before or after it took effect."""

    def __init__(self) -> None:
        self.loaded: dict[int, int] = {}
        self.before: Callable[[str], None] = lambda sql: None
        self.after: Callable[[str], None] = lambda sql: None

    def end_leftovers(self) -> None:
        """None are left."""

    def run(self, sql: str) -> list[Any]:
        self.before(sql)
        if sql.startswith("select ("):  # checks: nothing is wrong
            return [[0] * (sql.count(",\n(") + 1)]
        return []

    def count(self, sql: str) -> int:
        self.before(sql)
        if sql.startswith("insert into iceberg.gold.fact_calls"):
            build = int(sql.rsplit("bigint '", 1)[1].split("'")[0])
            self.loaded[build] = self.loaded.get(build, 0) + 100
        self.after(sql)
        _, found, where = sql.partition("select count(*) from iceberg.gold.fact_calls where ")
        if found and where.startswith("build_id = "):
            return self.loaded.get(int(where.removeprefix("build_id = ")), 0)
        return sum(self.loaded.values()) if found and where == between({}, {P: 100}) else 0


@pytest.fixture
def trino() -> FakeTrino:
    return FakeTrino()


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def builder(trino: FakeTrino, ledger: MemoryLedger) -> GoldBuilder:
    settings = Settings(_env_file=None)  # type: ignore[call-arg]
    return GoldBuilder(settings, Builds(ledger), States(), trino, lambda table, docs: None)  # type: ignore[arg-type]


def failing(words: str, error: type[LakehouseError]) -> Callable[[str], None]:
    def fail(sql: str) -> None:
        if words in sql:
            raise error(f"made to fail: {words}")

    return fail


def test_a_check_that_cannot_run_does_not_load_the_fact_again(builder: GoldBuilder, trino: FakeTrino) -> None:
    trino.before = failing("from_user_sk is null", LakehouseError)
    first = builder.build()
    trino.before = lambda sql: None
    assert first is not None
    assert first.errors == {}
    assert any("could not be run" in said for said in first.results["fact_calls"].failed_checks)  # type: ignore[index]
    assert builder.build() is None
    assert trino.loaded == {1: 100}


def test_an_insert_that_committed_before_it_failed_counts_as_loaded(builder: GoldBuilder, trino: FakeTrino) -> None:
    trino.after = failing("insert into iceberg.gold.fact_calls", LakehouseError)
    first = builder.build()
    assert first is not None
    assert first.errors == {}
    assert builder.build() is None
    assert trino.loaded == {1: 100}


def test_a_build_whose_answer_was_lost_goes_on_without_loading_twice(builder: GoldBuilder, trino: FakeTrino) -> None:
    trino.after = failing("insert into iceberg.gold.fact_calls", Retry)
    with pytest.raises(Retry):
        builder.build()
    trino.after = lambda sql: None
    trino.before = failing("merge into iceberg.gold.dim_user", LakehouseError)
    again = builder.build()
    assert again is not None
    assert set(again.errors) == {"dim_user"}
    assert trino.loaded == {1: 100}


def test_a_fact_waits_for_its_dimension_and_its_watermark_with_it(builder: GoldBuilder, trino: FakeTrino) -> None:
    trino.before = failing("merge into iceberg.gold.dim_user", LakehouseError)
    first = builder.build()
    assert first is not None
    assert set(first.errors) == {"dim_user", "fact_calls"}
    assert trino.loaded == {}
    trino.before = lambda sql: None
    assert builder.build() is None  # a table that failed a moment ago is left alone
    second = builder.build(patient=False)
    assert second is not None
    assert second.errors == {}
    assert trino.loaded == {2: 100}


def test_rows_that_came_though_nobody_could_tell_are_not_loaded_again(builder: GoldBuilder, trino: FakeTrino) -> None:
    trino.after = failing("insert into iceberg.gold.fact_calls", LakehouseError)
    trino.before = failing("fact_calls where build_id =", LakehouseError)
    with pytest.raises(Retry):  # the build stays unfinished: the next turn looks first
        builder.build()
    trino.before = trino.after = lambda sql: None
    again = builder.build()
    assert again is not None
    assert again.errors == {}
    assert trino.loaded == {1: 100}


def test_rows_that_come_after_their_build_was_given_up_stop_the_next_one(
    builder: GoldBuilder, trino: FakeTrino
) -> None:
    trino.before = failing("insert into iceberg.gold.fact_calls", LakehouseError)
    first = builder.build()
    assert first is not None
    assert set(first.errors) == {"fact_calls"}
    trino.before = lambda sql: None
    trino.loaded[1] = 100  # the commit was only held up
    second = builder.build(patient=False)
    assert second is not None
    assert "--full --only fact_calls" in second.errors["fact_calls"]
    assert trino.loaded == {1: 100}


def test_they_stop_it_also_when_the_record_has_forgotten_that_build(
    builder: GoldBuilder, trino: FakeTrino, ledger: MemoryLedger
) -> None:
    trino.before = failing("insert into iceberg.gold.fact_calls", LakehouseError)
    builder.build()
    builder.build(patient=False)
    ledger.rows = [row for row in ledger.rows if row["build_id"] > 1]
    trino.before = lambda sql: None
    trino.loaded[1] = 100
    third = builder.build(patient=False)
    assert third is not None
    assert "--full --only fact_calls" in third.errors["fact_calls"]
    assert trino.loaded == {1: 100}


@pytest.mark.parametrize(
    ("question", "answer"),
    [("select phone_number from (", [[5]]), ("select (", [[None] * 3])],
    ids=["a key that is no text", "a check that gives null"],
)
def test_odd_answers_are_one_tables_fault(
    builder: GoldBuilder, trino: FakeTrino, monkeypatch: pytest.MonkeyPatch, question: str, answer: list[Any]
) -> None:
    run = trino.run
    monkeypatch.setattr(trino, "run", lambda sql: answer if sql.startswith(question) else run(sql))
    first = builder.build()
    assert first is not None
    assert first.errors == {}
    assert trino.loaded == {1: 100}


def test_what_was_asked_for_follows_a_build_that_was_cut_short(builder: GoldBuilder, trino: FakeTrino) -> None:
    trino.after = failing("insert into iceberg.gold.fact_calls", Retry)
    with pytest.raises(Retry):
        builder.build()
    trino.after = lambda sql: None
    done = builder.build(full=True)
    assert done is not None
    assert (done.build_id, done.full) == (2, True)


def test_a_backlog_is_taken_in_several_builds(trino: FakeTrino, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(States, "calls", 250)
    settings = Settings(_env_file=None, build_events=100)  # type: ignore[call-arg]
    builder = GoldBuilder(settings, Builds(MemoryLedger()), States(), trino, lambda table, docs: None)  # type: ignore[arg-type]
    ends = []
    while build := builder.build():
        ends.append(build.watermarks["fact_calls"]["calls"][1][P])
        assert build.watermarks["dim_user"]["calls"] == build.watermarks["fact_calls"]["calls"]
        assert build.most_taken == min(100, 250 - (len(ends) - 1) * 100)
    assert ends == [100, 200, 250]
    assert trino.loaded == {1: 100, 2: 100, 3: 100}


def test_old_builds_are_shortened_and_those_with_failed_checks_stay() -> None:
    ledger = MemoryLedger()
    builds = Builds(ledger)  # type: ignore[arg-type]
    interval = Interval("calls", 1, {}, {P: 5})
    for number in range(1, 1201):
        build = builds.record_plan(number, {"fact_calls": {"calls": interval}}, full=number == 8)
        build.results = {"fact_calls": TableResult(failed_checks=["wrong"] if number == 7 else [])}
        build.watermarks = {"fact_calls": {"calls": (1, {P: 5})}}
        builds.record_complete(build)
    ledger.rows = _shortened(ledger.rows)
    kept = {b.build_id: b for b in Builds(ledger).read()}  # type: ignore[arg-type]
    assert sorted(kept) == [7, 8, *range(201, 1201)]
    assert unsettled(list(kept.values())) == []
    assert kept[7].results == {"fact_calls": TableResult(failed_checks=["wrong"])}
    assert (kept[1100].watermarks, kept[1101].watermarks) == ({}, {"fact_calls": {"calls": (1, {P: 5})}})
    assert set(kept[300].plan) == {"fact_calls"}
