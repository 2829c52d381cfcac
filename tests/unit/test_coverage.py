"""Coverages say of every offset how often it is held; checked offset by offset against plain counting."""

from collections import Counter

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from catalog.offsets import Gap, PartitionId, Positions
from lakehouse.audit.coverage import covered, difference, size, together, told_by, up_to

ROWS = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 2), st.integers(0, 12)), max_size=40)
Row = tuple[str, int, int]


def frame(rows: list[Row]) -> pl.DataFrame:
    schema = {"kafka_topic_id": pl.String, "kafka_partition": pl.Int32, "kafka_offset": pl.Int64}
    return pl.DataFrame(rows, schema, orient="row")


def counted(coverage: pl.DataFrame) -> Counter[Row]:
    return Counter((t, p, o) for t, p, first, following in coverage.iter_rows() for o in range(first, following))


@given(ROWS)
def test_each_row_is_covered_as_often_as_it_is_there(rows: list[Row]) -> None:
    coverage = covered(frame(rows))
    assert counted(coverage) == Counter(rows)
    assert size(coverage) == len(rows)


@given(ROWS, ROWS)
def test_a_difference_names_each_offset_whose_counts_differ_and_no_other(found: list[Row], expected: list[Row]) -> None:
    halves = [covered(frame(found[::2])), covered(frame(found[1::2]))]
    told = difference(together(halves), covered(frame(expected)))
    counts = (Counter(found), Counter(expected))
    differs = {row: tuple(c[row] for c in counts) for row in {*found, *expected} if counts[0][row] != counts[1][row]}
    named = [((t, p, o), (f, e)) for t, p, first, following, f, e in told.iter_rows() for o in range(first, following)]
    assert dict(named) == differs
    assert len(named) == len(differs)


def test_neighbouring_offsets_of_one_kind_are_one_range() -> None:
    told = difference(covered(frame([("a", 0, 0), ("a", 0, 9)])), covered(frame([("a", 0, n) for n in range(10)])))
    assert told.rows() == [("a", 0, 1, 9, 0, 1)]


def test_positions_tell_what_must_be_held() -> None:
    p = PartitionId("a", 1)
    positions = Positions({p: 10}, {p: 2}, {p: (Gap(2, 3, True), Gap(5, 7, False))})
    assert told_by(positions).rows() == [("a", 1, 3, 5), ("a", 1, 7, 10)]
    assert told_by(Positions()).rows() == []


def test_a_part_ends_before_the_given_offsets() -> None:
    whole = covered(frame([("a", 0, n) for n in range(5)] + [("b", 0, 0)]))
    assert up_to(whole, {PartitionId("a", 0): 3}).rows() == [("a", 0, 0, 3)]
    assert up_to(whole, {}).rows() == []
