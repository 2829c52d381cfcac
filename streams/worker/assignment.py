"""The assigned partitions of a worker: batches in, commits out, in threads that leave the event loop free for heartbeats."""

import asyncio
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import redis
from aiokafka.errors import IllegalStateError, KafkaError
from faust.types import TP

from catalog.offsets import Offsets, PartitionId
from lakehouse.deadline import Deadline
from lakehouse.errors import LakehouseError, Retry
from lakehouse.settings import Settings
from streams.batch import RawBatch
from streams.contract import Contract
from streams.line import Flushed, Line
from streams.topics import Topics
from streams.worker.ending import BROKEN, STUCK, leave, leave_if_recreated
from streams.worker.gathering import Gathering
from streams.worker.opening import open_lines

log = logging.getLogger(__name__)
# Two threads of rows for two cores; decoding, hashing and Parquet release the GIL.
_ROW_THREADS = 2
_COMMIT_S = 20.0
_LOOK_AGAIN_S = 0.1
_ASSIGN_S = 60.0
# A partition whose end moves and whose position does not for this long is stuck; a new process is not (faust #175).
_STUCK_S = 90.0
_WATCH_S, _LOST_S = 5.0, 20.0
# So often a worker looks whether its tables still stand where it left them.
_COMPARE_S = 30.0
# What follows its last commits, leaving the group and closing connections, was seen to take 0.1 to 2 s.
_GOODBYE_S = 1.7
_RESEEK_PAUSE_S, _CONFIRM_PAUSE_S = 2.0, 0.2
# Rows of all partitions of a source are made in tenths of a second, unless what a partition accepted must be read back first.
_MADE_S, _MADE_BEFORE_LEAVING_S = 2.0, 0.5


class Assignments:
    """What this worker owns, and its lines."""

    def __init__(self, contracts: Mapping[str, Contract], settings: Settings) -> None:
        self._settings = settings
        self._contracts = contracts
        self._source_of = {settings.topic(name): name for name in contracts}
        self._rows = ThreadPoolExecutor(_ROW_THREADS, thread_name_prefix="rows")
        self._commits = ThreadPoolExecutor(2 * len(contracts) + 2, thread_name_prefix="commits")
        self._lines: dict[str, Line] = {}
        self._ids: dict[TP, PartitionId] = {}  # threads add to it: what goes through it takes a list of it first
        self._gathering = Gathering(self._make_rows, self._tell_of_room)
        # what is held moves on with the commits
        self._stuck_s = max(_STUCK_S, 2 * settings.commit_interval_s + _COMMIT_S)
        self._remembering: dict[str, asyncio.Future[None]] = {}
        self._room = asyncio.Condition()
        self._moved: dict[TP, tuple[int, float]] = {}
        self._sought: dict[TP, float] = {}
        self._compared_s = time.monotonic()
        self._asked: asyncio.Future[str] | None = None
        self._on_their_way = 0  # bytes; what a rebalance drops on its way is forgotten with the next assignment
        self._added_s = time.monotonic()
        self.consumer: Any = None

    # -- start ---------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Create topics and tables where they are missing, and load what is known of the reference data.

        Raises:
            LakehouseError: a server does not answer, or a table does not fit its contract.
        """
        self._topics = Topics(self._settings)
        self._topics.ensure(self._source_of)
        self._lines, self._references = open_lines(self._contracts, self._settings, self._confirm)

    def _confirm(self, topic: str, partitions: Collection[PartitionId], deadline: Deadline) -> None:
        """End the process before it commits rows under the id of a topic that was made again since they were asked for.

        Messages do not say which topic of that name they are from. But if the present one has the id that they will land
        under, it had it when they were read.

        Raises:
            Retry: Kafka does not answer until the deadline.
        """
        while True:
            try:
                present = self._topics.partitions([topic])
                break
            except Retry:
                if deadline.passed:
                    raise
                time.sleep(_CONFIRM_PAUSE_S)
        leave_if_recreated(topic, partitions, present.get(topic, ()))

    # -- assignment ----------------------------------------------------------------------------------------------------

    def partition_id(self, tp: Any) -> PartitionId | None:
        """The partition under its topic's id; None if it is not assigned."""
        return self._ids.get(TP(tp.topic, tp.partition))

    async def assign(self, assigned: Iterable[TP]) -> dict[TP, int]:
        """Take over partitions: the offsets to read from, by what the tables say."""
        left: dict[str, set[TP]] = defaultdict(set)
        for tp in assigned:
            if tp.topic in self._source_of:
                left[tp.topic].add(TP(tp.topic, tp.partition))
        loop = asyncio.get_running_loop()
        deadline = Deadline.after(_ASSIGN_S)
        read_from: dict[TP, int] = {}
        while left:
            # each topic asks Kafka and the catalog some questions: all of them together, for they wait for answers
            work = {topic: loop.run_in_executor(self._commits, self._take_over, topic, left[topic]) for topic in left}
            await asyncio.wait(work.values())
            for topic, done in work.items():
                error = done.exception()
                if error is None:
                    read_from |= done.result()
                    del left[topic]
                    continue
                log.warning("%s", error, exc_info=None if isinstance(error, Retry) else error)
                if deadline.passed or not isinstance(error, Retry):
                    leave(f"partitions could not be taken over: {error}", BROKEN)
            if left:
                await asyncio.sleep(1.0)
        return read_from

    def _take_over(self, topic: str, tps: set[TP]) -> dict[TP, int]:
        ids = {p.partition: p for p in self._topics.partitions([topic]).get(topic, ())}
        if gone := [tp for tp in tps if tp.partition not in ids]:
            raise Retry(f"{topic} has no partition {gone[0].partition}; was it deleted?")
        mine = {tp: ids[tp.partition] for tp in tps}
        starts = {p: r.start for p, r in self._topics.log_ranges(topic, mine.values()).items()}
        offsets = self._lines[self._source_of[topic]].assign(starts)
        for tp, partition in mine.items():
            self._ids[tp] = partition
            self._moved[tp] = (offsets[partition], time.monotonic())
            log.info("%s[%d] is mine from offset %d", topic, tp.partition, offsets[partition])
        return {tp: offsets[partition] for tp, partition in mine.items()}

    async def revoke(self, revoked: Iterable[TP], deadline: Deadline) -> None:
        """Give partitions up: what is held is committed if there is time, else dropped and read by the next owner."""
        tps = [TP(tp.topic, tp.partition) for tp in revoked]
        concerned = {self._source_of[tp.topic] for tp in tps if tp in self._ids}
        await asyncio.gather(*(self._leave(name, deadline) for name in concerned))
        for tp in tps:
            self._gathering.drop(tp)
            partition = self._ids.pop(tp, None)
            if partition is not None:
                self._lines[self._source_of[tp.topic]].discard([partition])
        await self._tell_of_room()

    async def close(self, deadline: Deadline) -> None:
        """Commit what is held, bronze too, before the worker ends.

        The process ends soon after the deadline, also if a thread still waits for a server: Python would wait for it.
        """
        end = threading.Timer(deadline.left_s + _GOODBYE_S, leave, ("it was asked to end; a server does not answer", 0))
        end.daemon = True
        end.start()
        await asyncio.gather(*(self._leave(name, deadline, bronze_too=True) for name in self._lines))

    async def _leave(self, name: str, deadline: Deadline, bronze_too: bool = False) -> None:
        """Commit what is held of a source, for the last time."""
        await self._gathering.made(self._settings.topic(name), _MADE_BEFORE_LEAVING_S, busy_too=True)
        await self._flush(name, deadline, bronze_too, leaving=True)

    # -- events --------------------------------------------------------------------------------------------------------

    async def add(self, batch: RawBatch) -> None:
        """Hold a batch until the next commit; waits while too much is held. Batches of a partition keep their order."""
        async with self._room:
            await self._room.wait_for(lambda: self._held_bytes() < self._settings.buffer_bytes)
        self._gathering.add(TP(batch.topic, batch.partition.partition), batch)
        self._on_their_way = max(0, self._on_their_way - batch.cost)
        self._added_s = time.monotonic()

    @property
    def has_room(self) -> bool:
        """Whether more may be fetched: what is held, and what is on its way here, is below the bound. From any thread."""
        return self._held_bytes() + self._on_their_way < self._settings.buffer_bytes

    def fetched(self, nbytes: int) -> None:
        """Count what was fetched and is not added yet."""
        self._on_their_way += nbytes

    async def _make_rows(self, work: dict[TP, list[RawBatch]]) -> None:
        name = self._source_of[next(iter(work)).topic]
        joined = {tp: RawBatch.joined(batches) for tp, batches in work.items()}
        try:
            for batch in joined.values():
                await self._remembered(name, batch.partition)
            loop = asyncio.get_running_loop()
            ahead = await loop.run_in_executor(self._rows, self._lines[name].add_all, list(joined.values()))
        except Exception as error:
            log.exception(
                "batches of %s", ", ".join(f"{tp.topic}[{tp.partition}] at {b.first}" for tp, b in joined.items())
            )
            leave(f"a batch could not be turned into rows ({error}); a restart reads it again", BROKEN)
        for tp, batch in joined.items():
            if batch.partition in ahead:
                await self._seek_back(tp)

    async def _remembered(self, name: str, partition: PartitionId) -> None:
        """Wait until it is known what a partition accepted: read back once for all of its source, beside the row threads."""
        line = self._lines[name]
        while not line.remembers(partition):
            work = self._remembering.get(name)
            if work is None or work.done():
                loop = asyncio.get_running_loop()
                work = self._remembering[name] = loop.run_in_executor(self._commits, line.remember)
            await work

    async def _seek_back(self, tp: TP) -> None:
        """The reader is ahead of what is held (batches were dropped): set it back, once in a while."""
        partition = self._ids.get(tp)
        wanted = self._lines[self._source_of[tp.topic]].wanted(partition) if partition else None
        if wanted is None or time.monotonic() - self._sought.get(tp, 0.0) < _RESEEK_PAUSE_S:
            return
        self._sought[tp] = time.monotonic()
        log.info("%s[%d]: back to offset %d", tp.topic, tp.partition, wanted)
        await self._seek(tp, wanted)

    async def _tell_of_room(self) -> None:
        """Let those go on who wait until less is held."""
        async with self._room:
            self._room.notify_all()

    def _held_bytes(self) -> int:
        return self._gathering.nbytes + sum(line.held_bytes for line in self._lines.values())

    # -- commits -------------------------------------------------------------------------------------------------------

    async def flush_forever(self, name: str) -> None:
        """Commit a source's rows by time and size while the worker lives; nothing held means no commit.

        What comes after a pause longer than the interval, a rebalance for one, is committed as soon as it is there.
        """
        line = self._lines[name]
        interval_s, began_s = self._settings.commit_interval_s, time.monotonic()
        while True:
            # from the beginning of the last commit: what that takes must not make events older
            until = max(began_s + interval_s, time.monotonic() + interval_s / 4)
            while time.monotonic() < until and line.buffered_bytes < self._settings.commit_bytes:
                await asyncio.sleep(0.05)
            began_s = time.monotonic()
            await self._gathering.made(self._settings.topic(name), _MADE_S)
            held = line.buffered_bytes or line.bronze_waits or line.waits
            interval_s = self._settings.commit_interval_s if held else _LOOK_AGAIN_S
            if held:
                # bronze waits for its interval while there is room for what waits
                await self._flush(
                    name, Deadline.after(_COMMIT_S), self._held_bytes() > self._settings.buffer_bytes // 2
                )

    async def _flush(self, name: str, deadline: Deadline, bronze_too: bool = False, leaving: bool = False) -> None:
        """Commit a source's rows; what was dropped is assigned again, unless the partitions are being given up."""
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._commits, self._lines[name].flush, deadline, bronze_too)
        try:
            flushed: Flushed = await asyncio.wait_for(asyncio.shield(work), deadline.left_s + 0.5)
        except TimeoutError:
            log.warning("%s: the commit takes longer than there is time; its outcome is read back later", name)
            work.add_done_callback(lambda done: self._came_late(done))
            return
        except LakehouseError as error:
            log.warning("%s: %s", name, error)
            return
        finally:
            await self._tell_of_room()
        await self._tell_kafka(name, flushed.safe)
        for reason in flushed.reasons:
            log.warning("%s: %s", name, reason)
        if flushed.dropped and not leaving:
            await self._assign_again(flushed.dropped)

    def _came_late(self, work: "asyncio.Future[Flushed]") -> None:
        """Take notice of a flush that ended after its time: partitions that it dropped must be assigned again."""
        if not work.cancelled() and work.exception() is None and work.result().dropped:
            self._again = asyncio.ensure_future(self._assign_again(work.result().dropped))

    async def _assign_again(self, dropped: Iterable[PartitionId]) -> None:
        await self._tell_of_room()
        again = {tp for tp, partition in list(self._ids.items()) if partition in set(dropped)}
        for tp, offset in (await self.assign(again)).items():
            await self._seek(tp, offset)

    async def _seek(self, tp: TP, offset: int) -> None:
        with suppress(IllegalStateError):  # a rebalance took it meanwhile
            await self.consumer.seek(tp, offset)

    def forget_others(self, assigned: Collection[TP]) -> None:
        """What was taken over beside a rebalance, and is not ours after it; what was fetched before it is dropped."""
        self._on_their_way = 0
        for tp in set(self._ids) - set(assigned):
            self._lines[self._source_of[tp.topic]].discard([self._ids.pop(tp)])

    async def _tell_kafka(self, name: str, safe: Offsets) -> None:
        """Kafka's committed offsets are a hint for lag tools; a refusal changes nothing."""
        back = {partition: tp for tp, partition in list(self._ids.items())}
        offsets = {back[p]: offset for p, offset in safe.items() if p in back}
        if not offsets or self.consumer is None:
            return
        await self.consumer._thread.commit(offsets)

    # -- watching ------------------------------------------------------------------------------------------------------

    async def refresh_references(self) -> None:
        """Take in changed reference records every second."""
        loop = asyncio.get_running_loop()
        answered = True
        while True:
            try:
                await loop.run_in_executor(self._commits, self._references.refresh)
                answered = True
            except (redis.RedisError, LakehouseError) as error:
                if answered:
                    log.warning("reference records can't be read (%s): enrichment stands still, nothing is lost", error)
                answered = False
            await asyncio.sleep(1.0)

    async def watch(self) -> None:
        """End a process whose positions stand still while events wait: Faust consumers can die slowly."""
        while True:
            await asyncio.sleep(_WATCH_S)
            if time.monotonic() - self._added_s > _LOST_S:
                self._on_their_way = 0  # Faust dropped it: nothing is so long on its way
            await self._in_group()
            await self._same_topics()
            await self._same_tables()
            for tp, partition in list(self._ids.items()):
                name = self._source_of[tp.topic]
                wanted = self._lines[name].wanted(partition)
                position, since = self._moved.get(tp, (-1, time.monotonic()))
                end = self.consumer.highwater(tp) if self.consumer is not None else None
                moved = wanted is not None and wanted != position
                reads_back = name in self._remembering and not self._remembering[name].done()  # with limits of its own
                if moved or reads_back or (wanted is not None and (end is None or end <= wanted)):
                    self._moved[tp] = (wanted if wanted is not None else -1, time.monotonic())
                elif time.monotonic() - since > self._stuck_s:
                    leave(f"{tp.topic}[{tp.partition}] stands at {wanted} of {end} for {self._stuck_s:.0f} s", STUCK)

    async def _in_group(self) -> None:
        """End a process that will get no partitions any more."""
        if self.consumer is None:
            return
        asked = self._asked = self._asked or asyncio.ensure_future(self.consumer.group_error())
        if not (await asyncio.wait([asked], timeout=_WATCH_S))[0]:
            return  # a thread that does not answer is what the rest of the watch is for
        self._asked = None
        try:
            if why := asked.result():
                log.warning("the consumer group: %s; it is tried again", why)
        except KafkaError as error:
            leave(f"it is no longer in its consumer group: {error}", STUCK)

    async def _same_tables(self) -> None:
        """Read again what is gone from a table that was rolled back; partitions without new messages would not notice."""
        if time.monotonic() - self._compared_s < _COMPARE_S:
            return
        self._compared_s = time.monotonic()
        loop = asyncio.get_running_loop()
        for name, line in self._lines.items():
            try:
                behind = await loop.run_in_executor(self._commits, line.drop_rolled_back, Deadline.after(_WATCH_S))
            except LakehouseError as error:
                log.warning("%s: %s", name, error)
                continue
            if behind:
                log.warning("%s: a table was rolled back; %d partitions are read again", name, len(behind))
                await self._assign_again(behind)

    async def _same_topics(self) -> None:
        """End the process if a topic of ours was recreated: its offsets begin again, under another id."""
        topics = {tp.topic for tp in list(self._ids)}
        if not topics:
            return
        loop = asyncio.get_running_loop()
        try:
            present = await loop.run_in_executor(self._commits, self._topics.partitions, topics)
        except LakehouseError:
            return
        for tp, partition in list(self._ids.items()):
            leave_if_recreated(tp.topic, [partition], present.get(tp.topic, ()))
