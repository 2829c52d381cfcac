"""Batches on their way to the row threads: gathered until a commit is due or they are many, and then turned into rows together.

A batch costs some milliseconds, whatever its size. And rows are of no use before the commit that they go with.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable

from faust.types import TP

from streams.batch import RawBatch, take_joinable

# Some 1,600 calls; more at once do not cost less each, but memory while they are read.
_ENOUGH_BYTES, _JOINED_BYTES = 2 * 1024 * 1024, 8 * 1024 * 1024


class Gathering:
    """The batches that wait, by partition; those of a partition keep their order."""

    def __init__(
        self, make: Callable[[TP, list[RawBatch]], Awaitable[None]], counted: Callable[[], Awaitable[None]]
    ) -> None:
        """Args:
        make: turns batches of a partition that follow on each other into rows; called once at a time for a partition.
        counted: called whenever some were, and are not counted here any more.
        """
        self._make = make
        self._counted = counted
        self._waiting: dict[TP, deque[RawBatch]] = defaultdict(deque)
        self._nbytes: dict[TP, int] = defaultdict(int)
        self._making: dict[TP, asyncio.Task[None]] = {}
        self._asked: dict[TP, int] = {}  # batches that are to be made, few as they may be

    @property
    def nbytes(self) -> int:
        """Bytes of messages that are no rows yet, with what their rows will take."""
        return sum(self._nbytes.values())

    def add(self, tp: TP, batch: RawBatch) -> None:
        """Take a batch; where there are enough of its partition, they are made rows at once."""
        self._waiting[tp].append(batch)
        self._nbytes[tp] += batch.cost
        if self._nbytes[tp] >= _ENOUGH_BYTES:
            self._start(tp)

    async def made(self, topic: str, timeout_s: float, busy_too: bool = False) -> None:
        """Turn what waits of a topic into rows, as far as there is time; what is not made by then goes on being made.

        Args:
            busy_too: wait for partitions too that are being made already: under full load those have no end.
        """
        idle = {tp for tp, batches in self._waiting.items() if batches and tp not in self._making}
        wanted = idle | self._making.keys() if busy_too else idle
        if work := [self._start(tp) for tp in wanted if tp.topic == topic]:
            await asyncio.wait(work, timeout=timeout_s)

    def drop(self, tp: TP) -> None:
        """Forget what waits of a partition that is somebody else's now."""
        self._nbytes[tp] -= sum(batch.cost for batch in self._waiting.pop(tp, ()))

    def _start(self, tp: TP) -> asyncio.Task[None]:
        self._asked[tp] = len(self._waiting[tp])
        if tp not in self._making:
            self._making[tp] = asyncio.create_task(self._make_all(tp))
        return self._making[tp]

    async def _make_all(self, tp: TP) -> None:
        try:
            while self._waiting[tp] and (self._asked[tp] > 0 or self._nbytes[tp] >= _ENOUGH_BYTES):
                batches = take_joinable(self._waiting[tp], _JOINED_BYTES)
                self._asked[tp] -= len(batches)
                try:
                    await self._make(tp, batches)
                finally:
                    self._nbytes[tp] -= sum(batch.cost for batch in batches)
                    await self._counted()
        finally:
            del self._making[tp]
