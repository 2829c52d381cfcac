"""A row that a fact's SQL can't take is found and left out; all others are loaded."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.offsets import PartitionId
from lakehouse.errors import Refused
from lakehouse.gold.aside import Aside, find, standing, without
from lakehouse.gold.build import GoldBuilder
from lakehouse.gold.builds import Builds
from lakehouse.gold.intervals import Interval
from lakehouse.settings import Settings
from tests.unit.test_gold_build import FakeTrino, MemoryLedger, States

P, Q = PartitionId("topic", 0), PartitionId("topic", 1)


def calls(start: int, end: int, other: int) -> dict[str, Interval]:
    return {"calls": Interval("calls", 1, {P: start}, {P: end, Q: other})}


def offsets(intervals: Mapping[str, Interval]) -> set[tuple[PartitionId, int]]:
    interval = intervals["calls"]
    held = {(p, n) for p, end in interval.end.items() for n in range(interval.start.get(p, 0), end)}
    return held - {(p, n) for p, first, end in interval.without for n in range(first, end)}


@given(
    st.integers(0, 50), st.integers(0, 300), st.integers(0, 40),
    st.sets(st.tuples(st.sampled_from([P, Q]), st.integers(0, 350)), max_size=12), st.integers(5, 400),
)  # fmt: skip
def test_what_fails_is_left_out_and_what_is_left_does_not_fail(
    start: int, length: int, other: int, bad: set[tuple[PartitionId, int]], tries: int
) -> None:
    intervals = calls(start, start + length, other)

    def evaluate(part: Mapping[str, Interval]) -> str | None:
        return "division by zero" if offsets(part) & bad else None

    found = find(evaluate, intervals, tries)
    rest = without(intervals, found)
    assert evaluate(rest) is None
    if tries == 400:  # enough for each of them
        assert offsets(intervals) - offsets(rest) == offsets(intervals) & bad


def test_a_statement_that_fails_without_a_row_is_wrong_itself() -> None:
    asked: list[Any] = []
    assert find(lambda part: asked.append(part) or "no such column", calls(0, 100, 5)) == []
    assert len(asked) == 1


def test_many_bad_rows_cost_a_bounded_number_of_tries_and_stop_nothing() -> None:
    asked = 0

    def evaluate(part: Mapping[str, Interval]) -> str | None:
        nonlocal asked
        asked += 1
        return "bad" if any(n % 2 for _, n in offsets(part)) else None

    found = find(evaluate, calls(0, 1_000, 0), tries=50)
    assert asked < 120
    assert evaluate(without(calls(0, 1_000, 0), found)) is None


class Refusing(FakeTrino):
    """Refuses every statement over calls that does not leave offset 42 out."""

    wrong = "Division by zero (DIVISION_BY_ZERO)"
    where = "kafka_partition = 0 and kafka_offset >= {} and kafka_offset < {}"

    def _look(self, sql: str) -> None:
        if "silver.calls" not in sql or (
            "checksum(" not in sql and not sql.startswith("insert into iceberg.gold.fact_calls")
        ):
            return
        left_out = f"and not ((kafka_topic_id = 'topic' and {self.where.format(42, 43)}))" in sql
        if not left_out and any(a <= 42 < b for a, b in self._ranges(sql)):
            raise Refused(f"Trino: {self.wrong}")

    @staticmethod
    def _ranges(sql: str) -> list[tuple[int, int]]:
        return [(int(a), int(b)) for a, b in re.findall(r"kafka_offset >= (\d+) and kafka_offset < (\d+)", sql)]

    def run(self, sql: str) -> list[Any]:
        self._look(sql)
        return super().run(sql)

    def count(self, sql: str) -> int:
        self._look(sql)
        return super().count(sql)


def test_a_build_loads_all_but_the_row_that_fails_and_says_so_until_the_table_is_made_anew() -> None:
    trino, ledger = Refusing(), MemoryLedger()
    builder = GoldBuilder(Settings(), Builds(ledger), States(), trino, lambda table, comments: None)  # type: ignore[arg-type]
    build = builder.build(only=["fact_calls"])
    assert build is not None
    assert build.results is not None
    result = build.results["fact_calls"]
    assert (result.error, trino.loaded) == (None, {1: 100})
    [aside] = standing(Builds(ledger).read())["fact_calls"]  # type: ignore[arg-type]
    assert aside == Aside("calls", "topic", 0, 42, 43, f"Trino: {trino.wrong}")
    assert "fact_calls: calls[0]@42 is not in it" in aside.sentence("fact_calls")
    assert build.watermarks["fact_calls"]["calls"][1] == {P: 100}


@pytest.mark.parametrize("full", [False, True])
def test_only_a_build_that_makes_the_table_anew_settles_it(full: bool) -> None:
    trino, ledger = Refusing(), MemoryLedger()
    builder = GoldBuilder(Settings(), Builds(ledger), States(), trino, lambda table, comments: None)  # type: ignore[arg-type]
    builder.build(only=["fact_calls"])
    trino._look = lambda sql: None  # type: ignore[method-assign]
    States.calls = 150
    try:
        builder.build(only=["fact_calls"], full=full)
    finally:
        States.calls = 100
    assert bool(standing(Builds(ledger).read())) is not full  # type: ignore[arg-type]
