"""Faust's Kafka transport, handing over one batch a partition and fetch instead of one message at a time."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any

import aiokafka
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError
from faust.auth import SASLCredentials, SSLCredentials
from faust.tables import TableManager
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from lakehouse import kafka_access
from lakehouse.deadline import Deadline
from lakehouse.settings import Settings
from streams.batch import RawBatch
from streams.worker.columnar import no_records
from streams.worker.ending import STUCK, leave
from streams.worker.fetching import Pieces

_FETCH_WAIT_MS = 200
# Handed over at once, of all partitions: a fifth of a second's work.
_AT_ONCE_BYTES = 16 * 1024 * 1024
_NO_ROOM_S = 0.1
_REVOKE_S = 1.0  # every rebalance stops all workers of the group: what is not committed by then is read again
_STOP_S = 3.0  # with what follows it, a worker is gone 5 s after it was asked to


class BatchThread(driver.AIOKafkaConsumerThread):
    """The thread that talks to Kafka: turns what it fetched into columns before the event loop sees it."""

    @cached_property
    def _pieces(self) -> Pieces:
        return Pieces()

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust reads committed messages only inside its own transactions.
        consumer._isolation_level = "read_committed"
        # One fetch a broker is under way at a time: what waits at quiet partitions (Faust: for 1.5 s) holds up the busy ones,
        # after each seek and rebalance.
        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS
        consumer._check_crcs = False  # `BoundedRecords` does, of what was sent: what it hands on are pieces of that
        return consumer

    async def _seek_wait(self, consumer: aiokafka.AIOKafkaConsumer, partitions: Mapping[TP, int]) -> None:
        self._read_from().update({TP(tp.topic, tp.partition): offset for tp, offset in partitions.items()})
        await super()._seek_wait(consumer, partitions)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Tell Kafka how far we are: a hint for lag tools, so a refusal must not end the worker (Faust's own does).

        Not during a rebalance: aiokafka joins once more after it was told of an offset of a former generation.
        """
        if not self.consumer.flow_active:
            return False
        told = {driver.ensure_aiokafka_TP(tp): offset for tp, offset in offsets.items() if tp in self.assignment()}
        try:
            await self._ensure_consumer().commit(told)
        except Exception as error:
            self.log.info("Kafka did not take the offsets (%s)", error)
            return False
        return True

    def highwater(self, tp: TP) -> int:
        """The end of what can be read: the last stable offset."""
        return int(self._ensure_consumer().last_stable_offset(driver.ensure_aiokafka_TP(tp)) or 0)

    async def _fetch_records(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: Any,
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> Mapping[Any, Any]:
        """At most some pieces of what was fetched, by partition, as `RawBatch` wants them; nothing while there is no room."""
        app: Any = self.consumer.app
        fetcher = consumer._fetcher
        if not self.consumer.flow_active:
            return {}
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError()
        made: dict[TP, dict[str, Any]] = {}
        with fetcher._subscriptions.fetch_context():
            if not app.assignments.has_room:
                await asyncio.sleep(min(timeout or 0.0, _NO_ROOM_S))
                return {}
            generation, left = app.consumer_generation_id, _AT_ONCE_BYTES
            for tp in await self._pieces.ready(fetcher, active_partitions, timeout or 0.0):
                piece = await self._pieces.take(fetcher, tp)
                if not self.consumer.flow_active or app.consumer_generation_id != generation:
                    self._give_back(consumer, made, tp, piece)
                    return {}
                if piece is not None and (batch := self._followed(consumer, TP(tp.topic, tp.partition), piece)):
                    made[TP(tp.topic, tp.partition)] = {**batch, "generation": generation}
                    left -= size_of(piece)
                if left <= 0 or self._pieces.draining:
                    break
        if self.consumer.flow_active:
            for tp in self._read_from().keys() - made.keys():  # markers and compaction move a position without a record
                if batch := self._followed(consumer, tp, no_records()):
                    made[tp] = {**batch, "generation": generation}
        for tp, batch in made.items():
            if not len(batch["offsets"]) or batch["offsets"][0] > batch["first"]:
                at = driver.ensure_aiokafka_TP(tp)
                batch["log_start"] = (await consumer.beginning_offsets([at]))[at]
        return made

    def _followed(self, consumer: aiokafka.AIOKafkaConsumer, tp: TP, piece: dict[str, Any]) -> dict[str, Any] | None:
        """A piece with the span that it accounts for; None if that is empty, or the partition not ours to read.

        Nothing else runs in this thread meanwhile: records, positions and seeks belong together.

        Raises:
            LogWentBack: the log begins again before what was read.
        """
        first, offsets = self._read_from().get(tp), piece["offsets"]
        position = self._position(consumer, tp)
        if first is None or (position is None and not len(offsets)):
            return None
        end = max(position or 0, int(offsets[-1]) + 1 if len(offsets) else 0)
        begin = int(offsets[0]) if len(offsets) else end
        if begin < first:
            raise LogWentBack(f"{tp.topic}[{tp.partition}] begins again at {begin}, before {first}")
        if end <= first:
            return None
        self._read_from()[tp] = end
        return {**piece, "first": first, "end": end, "log_start": None}

    def _give_back(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        made: Mapping[TP, dict[str, Any]],
        tp: Any,
        piece: dict[str, Any] | None,
    ) -> None:
        """A rebalance is under way, or was until a moment ago: what is not handed over must be fetched again.

        Where somebody sought meanwhile, that counts: going on behind it would pass over what lies between.
        """
        for one, batch in made.items():
            if self._read_from().get(one) == batch["end"]:
                self._read_from()[one] = batch["first"]
                self._seek_back(consumer, one)
        if piece is not None:
            self._seek_back(consumer, TP(tp.topic, tp.partition))

    def _seek_back(self, consumer: aiokafka.AIOKafkaConsumer, tp: TP) -> None:
        """Read a partition from where its next batch begins; not, if it is no longer ours to read."""
        if tp in self._read_from():
            with suppress(IllegalStateError):
                consumer.seek(driver.ensure_aiokafka_TP(tp), self._read_from()[tp])

    async def _group_error(self) -> str:
        return await group_error(self._ensure_consumer()._coordinator)

    def forget(self, partitions: Iterable[TP]) -> None:
        """These partitions are not ours until the next seek: where Kafka itself puts them says nothing."""
        for tp in partitions:
            self._read_from().pop(TP(tp.topic, tp.partition), None)

    def _read_from(self) -> dict[TP, int]:
        """Where the next batch of each partition begins: after the last one, or where a seek of ours went."""
        if not hasattr(self, "_begins"):
            self._begins: dict[TP, int] = {}
        return self._begins

    @staticmethod
    def _position(consumer: aiokafka.AIOKafkaConsumer, tp: TP) -> int | None:
        subscription = consumer._subscription.subscription
        if subscription is None or subscription.assignment is None:
            return None
        state = subscription.assignment.state_value(driver.ensure_aiokafka_TP(tp))
        return int(state.position) if state is not None and state.has_valid_position else None


class LogWentBack(Exception):
    """A partition's log begins again before what was read: its topic was recreated."""


def size_of(batch: Mapping[str, Any]) -> int:
    """Bytes of a piece, as `RawBatch.nbytes` counts them."""
    return int(sum(batch[name].nbytes for name in ("keys", "values", "headers") if batch[name] is not None))


async def group_error(coordinator: Any) -> str:
    """What keeps aiokafka from its place in the group, empty if nothing does.

    After most errors it waits until somebody has asked for them (`GroupCoordinator.check_errors`), which Faust never does; once
    asked it goes on.

    Raises:
        KafkaError: it has given up for good.
    """
    ended, heartbeats = coordinator._coordination_task.done(), coordinator._heartbeat_task
    if heartbeats is not None and heartbeats.done() and not heartbeats.cancelled() and heartbeats.exception():
        coordinator.request_rejoin()  # else nobody would start them again
    try:
        coordinator.check_errors()
    except KafkaError as error:
        if ended:
            raise
        return str(error) or type(error).__name__
    return ""


class BatchConsumer(driver.Consumer):
    """Faust's consumer: positions come from the tables, messages are batches, acknowledging is the driver's business."""

    app: Any  # LakehouseApp, which has the assignments
    _thread: BatchThread
    _subscribed = False

    def _new_consumer_thread(self) -> BatchThread:
        return BatchThread(self, loop=self.loop, beacon=self.beacon)

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Join the group; the first time in the place of a predecessor that was killed, in one rebalance."""
        if not self._subscribed:
            self._subscribed = True
            await self.app.end_former()
        await super().subscribe(topics)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """One message a partition whose value is a `RawBatch`."""
        try:
            fetched, _ = await self._wait_next_records(timeout)
        except LogWentBack as error:
            leave(f"{error}; a new process takes the new topic", STUCK)
            return
        if not fetched or self.should_stop or not self.flow_active:
            return
        made: Any  # columns, where Faust has lists of records
        for tp, made in fetched.items():
            # Of when they were fetched, not of when they were asked for: a rebalance can be shorter than the wait.
            generation = made.pop("generation")
            partition = self.app.assignments.partition_id(tp)
            if partition is None:
                continue
            batch = RawBatch(topic=tp.topic, partition=partition, **made)
            self.app.assignments.fetched(batch.cost)
            yield TP(tp.topic, tp.partition), _message(tp, batch, generation)

    async def _seek(self, partition: TP, offset: int) -> None:
        """Seek in the thread that fetches, so that no fetch is under way with the old position."""
        await self._thread.seek_wait({driver.ensure_aiokafka_TP(partition): offset})

    async def group_error(self) -> str:
        """See `group_error`; asked in the thread that talks to Kafka."""
        return str(await self._thread.call_thread(self._thread._group_error))

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek all partitions to where the tables stand; gives the last offset read, as Faust wants it."""
        assigned = self.assignment()
        self.app.assignments.forget_others({TP(tp.topic, tp.partition) for tp in assigned})
        read_from = await self.app.assignments.assign(assigned)
        await self._thread.seek_wait({driver.ensure_aiokafka_TP(tp): offset for tp, offset in read_from.items()})
        return {tp: offset - 1 for tp, offset in read_from.items()}

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Commit what is held within a second, or drop it."""
        self._thread.forget(revoked)
        await self.app.assignments.revoke(revoked, Deadline.after(_REVOKE_S))
        await super().on_partitions_revoked(revoked)

    async def on_stop(self) -> None:
        """Commit what is held before leaving the group."""
        await self.app.assignments.close(Deadline.after(_STOP_S))
        await super().on_stop()

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's own check watches commits that we make elsewhere; the assignments' watchdog replaces it."""


def _message(tp: Any, batch: RawBatch, generation: int) -> ConsumerMessage:
    value: Any = batch
    return ConsumerMessage(
        tp.topic,
        tp.partition,
        batch.next - 1,
        float(batch.timestamps[-1]) / 1e6 if len(batch) else 0.0,
        1,
        None,
        None,
        value,
        None,
        tp=TP(tp.topic, tp.partition),
        generation_id=generation,  # Faust drops messages of an earlier assignment
    )


def credentials(settings: Settings) -> Any:
    """How Faust proves to Kafka who it is; None where Kafka asks nobody."""
    found = kafka_access.aiokafka(settings)
    context = found.get("ssl_context")
    if "sasl_mechanism" in found:
        return SASLCredentials(
            username=found["sasl_plain_username"],
            password=found["sasl_plain_password"],
            mechanism=found["sasl_mechanism"],
            ssl_context=context,
        )
    return SSLCredentials(context) if context is not None else None


class NoTables(TableManager):
    """Faust's tables, of which we have none: Faust waits for a second until they are made known."""

    async def on_start(self) -> None:
        """Say at once that there are none."""
        await self._update_channels()
        await self.recovery.start()


class BatchTransport(driver.Transport):
    """The transport that the app is started with."""

    Consumer = BatchConsumer
