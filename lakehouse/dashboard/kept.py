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
# As they came, encoded: a thousand answers of 32 kB. As values in memory they are two (texts) to eight times (numbers) as much,
# and for a moment there are two sets of them: those that stand, and those that were prepared.
_MOST_BYTES = 32 << 20


class Kept(Generic[T]):
    """A bounded cache that forgets all of its answers whenever what they were read from changes."""

    def __init__(
        self,
        standing: Callable[[], Hashable | None],
        most: int = 1000,
        size: Callable[[T], int] = lambda answer: 0,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        """Args:
        standing: a mark of what answers are read from; None while nothing must be kept.
        most: answers kept; the one that was asked for longest ago goes first.
        size: bytes of an answer.
        most_bytes: of all answers that are kept.
        """
        self._standing = standing
        self._most = most
        self._size = size
        self._most_bytes = most_bytes
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
                self._forget(self._answers)
            self._answers.move_to_end(key)
        if first:
            try:
                promised.set_result(ask())
                with self._lock:
                    self._forget(self._answers)
            except BaseException as failed:
                with self._lock:
                    if self._answers.get(key) is promised:
                        del self._answers[key]
                promised.set_exception(failed)
        return promised.result()

    def _forget(self, answers: OrderedDict[Hashable, Future[T]]) -> None:
        """Let those go that were asked for longest ago, until the others are few and small enough."""
        sizes = {key: self._size(one.result()) for key, one in answers.items() if one.done() and not one.exception()}
        count, total = len(answers), sum(sizes.values())
        for key in list(answers):
            if count <= self._most and total <= self._most_bytes:
                return
            if count > self._most or key in sizes:  # one that is still asked for is waited for, and has no size yet
                del answers[key]
                count, total = count - 1, total - sizes.get(key, 0)

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
            self._forget(answers)
            if key not in answers:
                break  # the others were asked for before it
        with self._lock:
            self._next = (mark, answers)
