"""Answers of ClickHouse, kept for as long as the copies they were read from stand.

Ranges of many hours end with the present hour (`lakehouse.dashboard.scope`), so all viewers of a page ask for the same figures
until the next build is copied: they are worked out once.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


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

    def of(self, key: Hashable, ask: Callable[[], T]) -> T:
        """The kept answer, or that of `ask`; who asks for the same meanwhile waits for it. A failure is not kept."""
        mark = self._standing()  # before asking: an answer may be newer than its mark, never older
        if mark is None:
            return ask()
        with self._lock:
            if mark != self._mark:
                self._answers.clear()
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
