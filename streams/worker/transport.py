"""Faust's Kafka transport, handing over one batch a partition and fetch instead of one message at a time."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiokafka
import numpy as np
import pyarrow as pa
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from lakehouse.deadline import Deadline
from streams.batch import RawBatch
from streams.bronze import encode_headers

_REVOKE_S = 1.0  # every rebalance stops all workers of the group: what is not committed by then is read again
_STOP_S = 4.0


class BatchThread(driver.AIOKafkaConsumerThread):
    """The thread that talks to Kafka: turns what it fetched into columns before the event loop sees it."""

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust reads committed messages only inside its own transactions.
        consumer._isolation_level = "read_committed"
        return consumer

    async def _fetch_records(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: Any,
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> Mapping[Any, Any]:
        before = {tp: await self._position(consumer, tp) for tp in active_partitions or ()}
        fetched = await super()._fetch_records(consumer, active_partitions, timeout, max_records)
        batches = {}
        for tp, records in fetched.items():
            position = before.get(TP(tp.topic, tp.partition), records[0].offset)
            log_start = None
            if records[0].offset > position:
                log_start = (await consumer.beginning_offsets([tp]))[tp]
            batches[tp] = columns(records, min(position, records[0].offset), log_start)
        return batches

    @staticmethod
    async def _position(consumer: aiokafka.AIOKafkaConsumer, tp: TP) -> int | None:
        state = consumer._subscription.subscription.assignment.state_value(tp)
        return state.position if state is not None and state.has_valid_position else None


def columns(records: list[Any], first: int, log_start: int | None) -> dict[str, Any]:
    """The records of one partition as columns (see `RawBatch`)."""
    headers = None
    if any(r.headers for r in records):
        headers = pa.array([encode_headers(r.headers) for r in records], pa.large_binary())
    return {
        "first": first,
        "offsets": np.fromiter((r.offset for r in records), np.int64, len(records)),
        "timestamps": np.fromiter((r.timestamp for r in records), np.int64, len(records)) * 1000,
        "keys": pa.array([r.key for r in records], pa.large_binary()),
        "values": pa.array([r.value for r in records], pa.large_binary()),
        "headers": headers,
        "log_start": log_start,
    }


class BatchConsumer(driver.Consumer):
    """Faust's consumer: positions come from the tables, messages are batches, acknowledging is the driver's business."""

    app: Any  # LakehouseApp, which has the assignments

    def _new_consumer_thread(self) -> BatchThread:
        return BatchThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """One message a partition whose value is a `RawBatch`."""
        generation = self.app.consumer_generation_id
        fetched, _ = await self._wait_next_records(timeout)
        if not fetched or self.should_stop or not self.flow_active:
            return
        made: Any  # what `columns` made, where Faust has lists of records
        for tp, made in fetched.items():
            partition = self.app.assignments.partition_id(tp)
            if partition is None:
                continue
            batch = RawBatch(topic=tp.topic, partition=partition, **made)
            yield TP(tp.topic, tp.partition), _message(tp, batch, generation)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek all partitions to where the tables stand; gives the last offset read, as Faust wants it."""
        read_from = await self.app.assignments.assign(self.assignment())
        await self._thread.seek_wait({driver.ensure_aiokafka_TP(tp): offset for tp, offset in read_from.items()})
        return {tp: offset - 1 for tp, offset in read_from.items()}

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Commit what is held within a second, or drop it."""
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
        int(batch.offsets[-1]),
        float(batch.timestamps[-1]) / 1e6,
        1,
        None,
        None,
        value,
        None,
        tp=TP(tp.topic, tp.partition),
        generation_id=generation,  # Faust drops messages of an earlier assignment
    )


class BatchTransport(driver.Transport):
    """The transport that the app is started with."""

    Consumer = BatchConsumer
