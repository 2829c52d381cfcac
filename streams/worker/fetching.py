"""What aiokafka has fetched, taken in pieces of bounded size, decompressed in a thread of its own.

aiokafka decompresses in the loop that also sends heartbeats, a partition's fetch at once: some MB that decompress to gigabytes
expired the worker's session and filled its memory. Here a piece is taken at a time (`record_batches`), beside the loop, while
there is room. A position moves on only if nobody moved it meanwhile; else the piece is dropped, and fetched again from there.
"""

import asyncio
import logging
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiokafka.consumer import fetcher as aiokafka_fetcher
from aiokafka.consumer.fetcher import Fetcher, FetchResult
from aiokafka.errors import CorruptRecordException
from aiokafka.structs import TopicPartition

from streams.worker.columnar import ColumnRecords
from streams.worker.record_batches import BoundedRecords

log = logging.getLogger(__name__)
# A piece of one partition: enough that its queries are worth it, little enough that a hundred partitions have their turn.
_PIECE_BYTES = 4 * 1024 * 1024
# A partition whose batch is damaged is asked for again so often: it may have been damaged on its way.
_RESTS_S = 10.0


def bound_fetches(message_bytes: int) -> None:
    """Have aiokafka read fetches by `BoundedRecords` and `ColumnRecords`, in this process, from now on.

    Args:
        message_bytes: longest message that is read whole.
    """
    BoundedRecords.message_bytes = message_bytes
    aiokafka_fetcher.MemoryRecords = BoundedRecords
    aiokafka_fetcher.PartitionRecords = ColumnRecords


class Pieces:
    """Takes pieces of what a fetcher holds."""

    def __init__(self) -> None:
        # one thread: two would only compete for the interpreter
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="fetched")
        self._rests: dict[TopicPartition, float] = {}
        self.draining = False
        """Whether the partition that was taken from last must be the next one too: it holds a decompressor's window, of which
        there must not be one a partition."""

    async def ready(self, fetcher: Fetcher, partitions: Collection[Any], timeout_s: float) -> list[TopicPartition]:
        """The partitions of which something is there, waiting a while for the first; as aiokafka's `fetched_records` does.

        Raises:
            KafkaError: the fetch of a partition failed.
        """
        if fetcher._subscriptions.reassignment_in_progress:
            await fetcher._subscriptions.wait_for_assignment()
        found = list(self._held(fetcher, partitions))
        if found or not timeout_s:
            return found
        waiter = fetcher._create_fetch_waiter()
        done, pending = await asyncio.wait([waiter], timeout=timeout_s)
        for one in pending:
            one.cancel()
        for one in done:
            one.result()  # a refusal is raised here
        return list(self._held(fetcher, partitions)) if done and not fetcher._closed else []

    def _held(self, fetcher: Fetcher, partitions: Collection[Any]) -> Iterator[TopicPartition]:
        now = time.monotonic()
        for tp in list(fetcher._records):
            if partitions and tp not in partitions:
                if not fetcher._subscriptions.is_assigned(tp):
                    del fetcher._records[tp]
                continue
            result = fetcher._records[tp]
            if not isinstance(result, FetchResult):
                _release(fetcher, tp)
                result.check_raise()
            elif now >= self._rests.get(tp, 0.0):
                yield tp

    async def take(self, fetcher: Fetcher, tp: TopicPartition) -> dict[str, Any] | None:
        """The next piece of a partition as columns (see `RawBatch`); None if there is none, or it was somebody's to move."""
        self.draining = False
        result = fetcher._records.get(tp)
        if not isinstance(result, FetchResult) or not result.check_assignment(tp) or not result.has_more():
            _release(fetcher, tp)
            return None
        records = result._partition_records
        begin = records.next_fetch_offset
        taken: dict[str, Any]
        try:
            loop = asyncio.get_running_loop()
            taken, more = await loop.run_in_executor(self._thread, records.take, _PIECE_BYTES)
        except CorruptRecordException as error:
            log.error("%s[%d] at %d: %s. The others go on; it is asked for again", tp.topic, tp.partition, begin, error)
            self._rests[tp] = time.monotonic() + _RESTS_S
            _release(fetcher, tp)
            return None
        self._rests.pop(tp, None)
        state: Any = result._assignment.state_value(tp) if result._assignment.active else None
        unmoved = state is not None and state.has_valid_position and state.position == begin
        if not unmoved or fetcher._records.get(tp) is not result:
            if fetcher._records.get(tp) is result:
                _release(fetcher, tp)
            return None
        state.consumed_to(records.next_fetch_offset)
        self.draining = more and bool(records._records.holds_window)
        if more:
            fetcher._records.move_to_end(tp, last=not self.draining)  # the others' turn, or this one's again
        else:
            _release(fetcher, tp)
        return taken


def _release(fetcher: Fetcher, tp: TopicPartition) -> None:
    """Let the fetcher ask for more of a partition."""
    if fetcher._records.pop(tp, None) is not None:
        fetcher._notify(fetcher._wait_consume_future)
