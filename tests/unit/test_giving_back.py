"""What a rebalance found half handed over is fetched again, and nothing is passed over."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from faust.types import TP

from streams.worker.transport import BatchThread

A, B = TP("calls", 0), TP("calls", 1)


class Consumer:
    """Remembers where it was sent."""

    def __init__(self) -> None:
        self.sought: dict[Any, int] = {}

    def seek(self, tp: Any, offset: int) -> None:
        self.sought[TP(tp.topic, tp.partition)] = offset


@pytest.fixture
def thread() -> Any:
    one: Any = SimpleNamespace(_begins={A: 700, B: 40})
    for name in ("_give_back", "_seek_back", "_read_from"):
        setattr(one, name, getattr(BatchThread, name).__get__(one))
    return one


MADE = {A: {"first": 500, "end": 700}}
PIECE = {"offsets": np.array([40, 41])}


def test_what_was_made_and_not_handed_over_is_read_again(thread: Any) -> None:
    consumer = Consumer()
    thread._give_back(consumer, MADE, B, PIECE)
    assert (consumer.sought, thread._begins) == ({A: 500, B: 40}, {A: 500, B: 40})


def test_a_partition_that_was_sought_meanwhile_stays_where_it_was_sent(thread: Any) -> None:
    """The tables stand at 100: who read on at 500 would tell of 400 events that they never were."""
    thread._begins[A] = 100
    consumer = Consumer()
    thread._give_back(consumer, MADE, B, PIECE)
    assert (consumer.sought.get(A), thread._begins[A]) == (None, 100)


def test_a_partition_that_is_somebody_elses_now_is_left_alone(thread: Any) -> None:
    thread._begins.clear()
    consumer = Consumer()
    thread._give_back(consumer, MADE, B, PIECE)
    assert (consumer.sought, thread._begins) == ({}, {})
