"""Batches on their way to the row threads: gathered until a commit is due or they are many, and then turned into rows together.

A batch costs some milliseconds, whatever its size, so those of a topic's quiet partitions are made rows together. And rows are
of no use before the commit that they go with.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Collection

from faust.types import TP

from streams.batch import RawBatch, take_joinable

# Some 1,600 calls; more at once do not cost less each, but memory while they are read.
_ENOUGH_BYTES, _JOINED_BYTES = 2 * 1024 * 1024, 8 * 1024 * 1024


class Gathering:
    """The batches that wait, by partition; those of a partition keep their order."""

    def __init__(
        self,
        make: Callable[[dict[TP, list[RawBatch]]], Awaitable[None]],
        counted: Callable[[], Awaitable[None]],
    ) -> None:
        """Args:
        make: turns batches of some partitions of a topic into rows, those of each following on each other; called once at a
            time for a partition.
        counted: called whenever some were, and are not counted here any more.
        """
        self._make = make
        self._counted = counted
        self._waiting: dict[TP, deque[RawBatch]] = defaultdict(deque)
        self._nbytes: dict[TP, int] = defaultdict(int)
        self._making: dict[TP, asyncio.Task[None]] = {}
        self._asked: dict[TP, int] = defaultdict(int)  # batches that are to be made, few as they may be

    @property
    def nbytes(self) -> int:
        """Bytes of messages that are no rows yet, with what their rows will take."""
        return sum(self._nbytes.values())

    def add(self, tp: TP, batch: RawBatch) -> None:
        """Take a batch; where there are enough of its partition, they are made rows at once."""
        self._waiting[tp].append(batch)
        self._nbytes[tp] += batch.cost
        self._start_if_enough(tp)

    async def made(self, topic: str, timeout_s: float, busy_too: bool = False) -> None:
        """Turn what waits of a topic into rows, as far as there is time; what is not made by then goes on being made.

        Args:
            busy_too: wait for partitions too that are being made already: under full load those have no end.
        """
        waiting = [tp for tp, batches in self._waiting.items() if batches and tp.topic == topic]
        idle = [tp for tp in waiting if tp not in self._making]
        for tp in waiting if busy_too else idle:
            self._asked[tp] = len(self._waiting[tp])
        work = {self._start(idle)} if idle else set()
        if busy_too:
            work |= {task for tp, task in self._making.items() if tp.topic == topic}
        if work:
            await asyncio.wait(work, timeout=timeout_s)

    def drop(self, tp: TP) -> None:
        """Forget what waits of a partition that is somebody else's now."""
        self._nbytes[tp] -= sum(batch.cost for batch in self._waiting.pop(tp, ()))

    def _start_if_enough(self, tp: TP) -> None:
        if self._nbytes[tp] >= _ENOUGH_BYTES and tp not in self._making and self._waiting[tp]:
            self._asked[tp] = len(self._waiting[tp])
            self._start([tp])

    def _start(self, tps: Collection[TP]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._make_all(tps))
        self._making |= dict.fromkeys(tps, task)
        return task

    async def _make_all(self, tps: Collection[TP]) -> None:
        try:
            while work := self._next(tps):
                try:
                    await self._make(work)
                finally:
                    for tp, batches in work.items():
                        self._nbytes[tp] -= sum(batch.cost for batch in batches)
                    await self._counted()
        finally:
            for tp in tps:
                del self._making[tp]
        for tp in tps:  # so much of one came meanwhile that it goes on by itself
            self._start_if_enough(tp)

    def _next(self, tps: Collection[TP]) -> dict[TP, list[RawBatch]]:
        """What is asked for, of each partition what may be one batch, as much as is made at once."""
        found: dict[TP, list[RawBatch]] = {}
        room = _JOINED_BYTES
        for tp in tps:
            if room > 0 and self._asked[tp] > 0 and self._waiting[tp]:
                found[tp] = take_joinable(self._waiting[tp], room)
                self._asked[tp] -= len(found[tp])
                room -= sum(batch.cost for batch in found[tp])
        return found
