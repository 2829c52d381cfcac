"""A fact is loaded once, whatever its build is told: a Trino made of answers."""

from collections.abc import Callable
from typing import Any

import pytest

from catalog.offsets import PartitionId, Positions
from catalog.snapshots import TableState
from lakehouse.errors import LakehouseError, Retry
from lakehouse.gold.build import GoldBuilder
from lakehouse.gold.builds import Builds
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

    def ingested_since(self, name: str, snapshot_id: int | None) -> None:
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
        if sql.startswith("select count(*) from iceberg.gold.fact_calls where build_id = "):
            return self.loaded.get(int(sql.rsplit("= ", 1)[1]), 0)
        return 0


@pytest.fixture
def trino() -> FakeTrino:
    return FakeTrino()


@pytest.fixture
def builder(trino: FakeTrino) -> GoldBuilder:
    settings = Settings(_env_file=None)  # type: ignore[call-arg]
    return GoldBuilder(settings, Builds(MemoryLedger()), States(), trino, lambda table, docs: None)  # type: ignore[arg-type]


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
