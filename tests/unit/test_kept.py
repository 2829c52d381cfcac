"""Answers are kept until what they were read from changes, and no longer."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.dashboard.kept import Kept
from lakehouse.errors import LakehouseError


class Source:
    """Figures that change with their build; counts how often it is asked."""

    def __init__(self) -> None:
        self.mark: int | None = 1
        self.asked = 0

    def ask(self) -> int | None:
        self.asked += 1
        return self.mark


def test_an_answer_is_worked_out_once_until_its_copies_change() -> None:
    source = Source()
    kept: Kept[int | None] = Kept(lambda: source.mark)
    assert [kept.of("a", source.ask) for _ in range(3)] == [1, 1, 1]
    assert source.asked == 1
    source.mark = 2
    assert [kept.of("a", source.ask) for _ in range(2)] == [2, 2]
    assert source.asked == 2


def test_nothing_is_kept_while_the_copies_are_unknown() -> None:
    source = Source()
    kept: Kept[int | None] = Kept(lambda: source.mark)
    kept.of("a", source.ask)
    source.mark = None
    assert [kept.of("a", source.ask) for _ in range(2)] == [None, None]
    assert source.asked == 3


def test_a_failure_is_told_and_asked_again() -> None:
    source = Source()
    kept: Kept[int | None] = Kept(lambda: source.mark)

    def fail() -> int:
        raise ValueError("away")

    with pytest.raises(ValueError, match="away"):
        kept.of("a", fail)
    assert kept.of("a", source.ask) == 1


def test_many_who_ask_at_once_ask_once() -> None:
    source, begun, go = Source(), threading.Event(), threading.Event()
    kept: Kept[int | None] = Kept(lambda: source.mark)

    def slow() -> int | None:
        begun.set()
        go.wait(10)
        return source.ask()

    with ThreadPoolExecutor(4) as threads:
        answers = [threads.submit(kept.of, "a", slow) for _ in range(4)]
        assert begun.wait(10)
        go.set()
        assert [answer.result(10) for answer in answers] == [1, 1, 1, 1]
    assert source.asked == 1


def test_what_was_not_asked_for_longest_goes_first() -> None:
    source = Source()
    kept: Kept[int | None] = Kept(lambda: source.mark, most=2)
    for key in ("a", "b", "a", "c", "a", "b"):
        kept.of(key, source.ask)
    assert source.asked == 4


def test_what_was_asked_for_lately_is_there_when_viewers_are_told_of_a_build() -> None:
    source = Source()
    kept: Kept[int | None] = Kept(lambda: source.mark)
    kept.of("a", source.ask, again=True)
    kept.of("until now", source.ask)
    source.mark = 2
    kept.prepare(2)
    assert source.asked == 3, "nobody asks again for a range that ended a moment ago"
    assert kept.of("a", source.ask) == 2
    assert source.asked == 3


def test_what_was_prepared_for_another_build_is_no_answer() -> None:
    source = Source()
    kept: Kept[int | None] = Kept(lambda: source.mark)
    kept.of("a", source.ask, again=True)
    kept.prepare(2)
    source.mark = 3
    assert kept.of("a", source.ask) == 3


def test_what_cannot_be_prepared_is_told_to_who_asks() -> None:
    source = Source()
    kept: Kept[int | None] = Kept(lambda: source.mark)

    def ask() -> int | None:
        if source.mark == 1:
            return source.ask()
        raise LakehouseError("away")

    kept.of("a", ask, again=True)
    source.mark = 2
    kept.prepare(2)
    with pytest.raises(LakehouseError, match="away"):
        kept.of("a", ask)


def test_answers_are_kept_up_to_so_many_bytes() -> None:
    source, asked = Source(), []

    def ask_for(key: str, size: int) -> None:
        kept.of(key, lambda: asked.append(key) or "x" * size)

    kept: Kept[str] = Kept(lambda: source.mark, size=len, most_bytes=100)
    for key, size in (("a", 40), ("b", 40), ("a", 40), ("c", 40), ("a", 40), ("b", 40)):
        ask_for(key, size)
    assert asked == ["a", "b", "c", "b"], "b was asked for longest ago when c came"
    ask_for("too large for all of it", 101)
    ask_for("a small one", 1)
    ask_for("a small one", 1)
    ask_for("too large for all of it", 101)
    assert asked[4:] == ["too large for all of it", "a small one", "too large for all of it"]


def test_what_is_prepared_is_bounded_too() -> None:
    source, asked = Source(), []
    kept: Kept[str] = Kept(lambda: source.mark, size=len, most_bytes=100)
    asks = {key: lambda key=key: asked.append(key) or "x" * 40 for key in "abc"}
    for key in "abc":
        kept.of(key, asks[key], again=True)
    asked.clear()
    kept.prepare(2)
    source.mark = 2
    assert asked == ["c", "b", "a"]
    for key in "cba":
        kept.of(key, asks[key])
    assert asked == ["c", "b", "a", "a"], "those that were asked for last are there"


@given(sizes=st.lists(st.integers(0, 60), max_size=30))
def test_no_answers_are_ever_more_than_the_bound(sizes: list[int]) -> None:
    kept: Kept[int] = Kept(lambda: 1, most=5, size=lambda size: size, most_bytes=100)
    for number, size in enumerate(sizes):
        assert kept.of(number % 7, lambda size=size: size) in sizes
        assert sum(one.result() for one in kept._answers.values()) <= 100
        assert len(kept._answers) <= 5
