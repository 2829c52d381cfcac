"""Answers of ClickHouse, kept for as long as the copies they were read from stand.

Ranges of many hours end with the present hour (`lakehouse.dashboard.scope`), so all viewers of a page ask for the same figures
until the next build is copied: they are worked out once. And before viewers are told of that build, what they asked for lately
is worked out again: an open page finds it.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from lakehouse.errors import LakehouseError

T = TypeVar("T")
# An open page asks with each build; how long viewers wait for the news of one.
_LATELY_S, _PATIENCE_S = 120.0, 4.0


class Kept(Generic[T]):
    """A bounded cache that forgets all of its answers whenever what they were read from changes."""

    def __init__(self, standing: Callable[[], Hashable | None], most: int = 1000) -> None:
        """Args:
        standing: a mark of what answers are read from; None while nothing must be kept.
        most: answers kept; the one that was asked for longest ago goes first.
        """
        self._standing = standing
        self._most = most
        self._lock = threading.Lock()
        self._mark: Hashable | None = None
        self._answers: OrderedDict[Hashable, Future[T]] = OrderedDict()
        self._asked: OrderedDict[Hashable, tuple[float, Callable[[], T]]] = OrderedDict()
        self._next: tuple[Hashable | None, OrderedDict[Hashable, Future[T]]] = (None, OrderedDict())

    def of(self, key: Hashable, ask: Callable[[], T], again: bool = False) -> T:
        """The kept answer, or that of `ask`; who asks for the same meanwhile waits for it. A failure is not kept.

        Args:
            again: the same may be asked for after the next change.
        """
        mark = self._standing()  # before asking: an answer may be newer than its mark, never older
        if mark is None:
            return ask()
        with self._lock:
            if again:
                self._asked[key] = (time.monotonic(), ask)
                self._asked.move_to_end(key)
                while len(self._asked) > self._most:
                    self._asked.popitem(last=False)
            if mark != self._mark:
                prepared, answers = self._next
                self._answers = answers if prepared == mark else OrderedDict()
                self._next = (None, OrderedDict())
                self._mark = mark
            promised = self._answers.get(key)
            first = promised is None
            if promised is None:
                promised = self._answers[key] = Future()
                while len(self._answers) > self._most:
                    self._answers.popitem(last=False)
            self._answers.move_to_end(key)
        if first:
            try:
                promised.set_result(ask())
            except BaseException as failed:
                with self._lock:
                    if self._answers.get(key) is promised:
                        del self._answers[key]
                promised.set_exception(failed)
        return promised.result()

    def prepare(self, mark: Hashable | None) -> None:
        """Work out anew what was asked for lately, as far as there is time, for a mark that is about to be told."""
        began = time.monotonic()
        with self._lock:
            asked = list(reversed(self._asked.items()))
        answers: OrderedDict[Hashable, Future[T]] = OrderedDict()
        for key, (at, ask) in asked:
            if began - at > _LATELY_S or time.monotonic() - began > _PATIENCE_S:
                break
            answer: Future[T] = Future()
            try:
                answer.set_result(ask())
            except LakehouseError:
                continue  # who asks for it is told
            answers[key] = answer
            answers.move_to_end(key, last=False)  # asked for longest ago first
        with self._lock:
            self._next = (mark, answers)
