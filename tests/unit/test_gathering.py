"""Batches gathered until a commit is due: each is made rows once, in order, with as many others as there are."""

import asyncio
from collections import defaultdict

import pytest
from faust.types import TP

from streams.batch import RawBatch
from streams.worker import gathering
from streams.worker.gathering import Gathering
from tests.loops import run
from tests.unit.line_inputs import P0, P1, batch

A, B = TP("calls", 0), TP("calls", 1)


class Made:
    """What was made rows, by partition: the offsets of each time."""

    def __init__(self) -> None:
        self.of: dict[TP, list[list[int]]] = defaultdict(list)
        self.together: list[list[TP]] = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def counted(self) -> None:
        pass

    async def __call__(self, work: dict[TP, list[RawBatch]]) -> None:
        await self.may_go_on.wait()
        self.together.append(list(work))
        for tp, batches in work.items():
            self.of[tp].append([offset for one in batches for offset in one.offsets.tolist()])


def held_up() -> tuple[Made, Gathering]:
    """A gathering with a first batch, of which no rows are made until `may_go_on`."""
    made = Made()
    made.may_go_on.clear()
    one = Gathering(made, made.counted)
    one.add(A, batch([0]))
    return made, one


def test_what_came_until_a_commit_is_made_rows_at_once_for_all_partitions() -> None:
    async def gathered() -> Made:
        made = Made()
        one = Gathering(made, made.counted)
        for offset in range(5):
            one.add(A, batch([offset]))
            one.add(B, batch([offset], P1))
        await asyncio.sleep(0)
        assert not made.of
        assert one.nbytes > 0
        await one.made("calls", 1)
        assert one.nbytes == 0
        await one.made("calls", 1)
        return made

    made = run(gathered())
    assert made.of == {A: [[0, 1, 2, 3, 4]], B: [[0, 1, 2, 3, 4]]}
    assert made.together == [[A, B]]


def test_enough_of_a_partition_does_not_wait_for_the_commit() -> None:
    async def gathered() -> Made:
        made = Made()
        one = Gathering(made, made.counted)
        size = batch([0]).nbytes
        for offset in range(gathering._ENOUGH_BYTES // size + 1):
            one.add(A, batch([offset]))
        one.add(B, batch([0], P1))
        await asyncio.sleep(0.01)
        return made

    assert list(run(gathered()).of) == [A]


def test_a_commit_waits_for_rows_only_as_long_as_it_has_time_and_they_go_on() -> None:
    async def gathered() -> tuple[bool, Made]:
        made, one = held_up()
        await one.made("calls", 0.01)
        one.add(A, batch([1]))
        await asyncio.wait_for(one.made("calls", 60), 1)  # it is being made: not waited for
        before = not made.of
        made.may_go_on.set()
        await asyncio.sleep(0.01)
        return before, made

    before, made = run(gathered())
    assert before
    assert made.of == {A: [[0]]}


def test_what_comes_while_rows_are_made_waits_for_the_next_commit() -> None:
    async def gathered() -> tuple[bool, Made]:
        made, one = held_up()
        work = asyncio.create_task(one.made("calls", 60))
        await asyncio.sleep(0.01)
        one.add(A, batch([1]))
        made.may_go_on.set()
        await asyncio.wait_for(work, 1)
        await asyncio.sleep(0.01)
        waits = made.of == {A: [[0]]}
        await one.made("calls", 1)
        return waits, made

    waits, made = run(gathered())
    assert waits
    assert made.of == {A: [[0], [1]]}


def test_the_last_commit_waits_for_rows_that_are_being_made_and_for_what_waits_behind_them() -> None:
    async def gathered() -> Made:
        made, one = held_up()
        await one.made("calls", 0.01)
        one.add(A, batch([1]))
        work = asyncio.create_task(one.made("calls", 60, busy_too=True))
        await asyncio.sleep(0.01)
        made.may_go_on.set()
        await asyncio.wait_for(work, 1)
        return made

    assert run(gathered()).of == {A: [[0], [1]]}


def test_what_waits_of_a_partition_that_was_given_up_is_forgotten() -> None:
    async def gathered() -> Made:
        made = Made()
        one = Gathering(made, made.counted)
        one.add(A, batch([0]))
        one.add(B, batch([0], P1))
        one.drop(A)
        await one.made("calls", 1)
        assert one.nbytes == 0
        one.add(A, batch([7]))
        await one.made("calls", 1)
        return made

    assert run(gathered()).of == {B: [[0]], A: [[7]]}


def test_topics_are_made_rows_one_by_one() -> None:
    async def gathered() -> Made:
        made = Made()
        one = Gathering(made, made.counted)
        one.add(A, batch([0], P0))
        one.add(TP("sms", 0), batch([0]))
        await one.made("sms", 1)
        return made

    assert list(run(gathered()).of) == [TP("sms", 0)]


def test_partitions_are_made_rows_together_only_as_far_as_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    async def gathered() -> Made:
        made = Made()
        one = Gathering(made, made.counted)
        for number in range(5):
            one.add(TP("calls", number), batch([0]))
        monkeypatch.setattr(gathering, "_JOINED_BYTES", 2 * batch([0]).cost)
        await one.made("calls", 1)
        assert one.nbytes == 0
        return made

    assert [len(tps) for tps in run(gathered()).together] == [2, 2, 1]


def test_a_partition_that_became_busy_while_others_were_made_goes_on_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async def gathered() -> Made:
        made, one = held_up()
        one.add(B, batch([0], P1))
        work = asyncio.create_task(one.made("calls", 60))
        await asyncio.sleep(0.01)
        monkeypatch.setattr(gathering, "_ENOUGH_BYTES", batch([0]).cost)
        one.add(B, batch([1], P1))
        made.may_go_on.set()
        await asyncio.wait_for(work, 1)
        await asyncio.sleep(0.01)
        return made

    assert run(gathered()).together == [[A, B], [B]]
