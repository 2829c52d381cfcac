"""The Faust app: `faust -A streams.worker.app worker`.

One agent a source, on topics of the contracts. An agent's unit of work is a batch of one partition; what must not fail, and
what counts as done, is in `assignment.py` and `streams.line`.
"""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterable
from typing import Any

import faust
from aiokafka.errors import KafkaError

from lakehouse.settings import settings
from streams.batch import RawBatch
from streams.contract import contracts
from streams.decode import ensure_compiled
from streams.rules.text import number_plan
from streams.worker.assignment import Assignments
from streams.worker.fetching import bound_fetches
from streams.worker.membership import client_id, end_former
from streams.worker.memory import give_back_what_is_freed, look_for_circles_less_often
from streams.worker.transport import BatchTransport, NoTables, credentials

log = logging.getLogger(__name__)
_WORKER = os.environ.get("LAKEHOUSE_WORKER") or socket.gethostname()
# The group takes a dead worker's partitions away after this long. Heartbeats come from a thread of their own, and bring word
# that the group is to be joined anew: everybody's partitions stand still until the last member has heard of it.
_SESSION_S, _HEARTBEAT_S = 8.0, 0.5
# Of each partition so much waits undecompressed: 36 partitions with a backlog are 72 MB. A larger batch comes all the same.
_FETCH_BYTES = 2 * 1024 * 1024
_RECORDS_A_FETCH = 20_000
# aiokafka looks for topics that came or were made again as seldom as every five minutes, unless it is told.
_METADATA_MS = 10_000
# Batches, not messages: a few are enough to keep the agent busy, more would only be memory.
_BUFFERED_BATCHES = 8


class LakehouseApp(faust.App):
    """A Faust app that opens the tables before it consumes."""

    assignments: Assignments

    def _new_transport(self) -> BatchTransport:
        return BatchTransport(self.conf.broker_consumer, self, loop=self.loop)

    async def on_first_start(self) -> None:
        """Create what is missing on the servers, then let Faust go on."""
        self.conf.datadir.mkdir(parents=True, exist_ok=True)
        logging.getLogger("pyiceberg").setLevel(logging.WARNING)  # a line for every file it opens
        self.assignments = Assignments(contracts(), settings())
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, ensure_compiled)
        await loop.run_in_executor(None, self.assignments.open)
        await super().on_first_start()

    async def end_former(self) -> None:
        """End what a killed predecessor left in the group; where that fails, its session ends by itself."""
        try:
            if await end_former(settings(), self.conf.id, _WORKER):
                log.info("this worker's predecessor was still in the group, and has left it now")
        except (KafkaError, OSError) as error:
            log.info("whether a predecessor is still in the group is not known: %s", str(error) or "no answer")


give_back_what_is_freed()
bound_fetches(settings().message_bytes)
app = LakehouseApp(
    settings().consumer_group,
    broker=f"kafka://{settings().kafka_bootstrap.replace(',', ';kafka://')}",
    broker_client_id=client_id(_WORKER),
    broker_credentials=credentials(settings()),
    store="memory://",
    TableManager=NoTables,
    topic_disable_leader=True,
    topic_allow_declare=False,
    stream_wait_empty=False,
    stream_buffer_maxsize=_BUFFERED_BATCHES,
    broker_session_timeout=_SESSION_S,
    broker_heartbeat_interval=_HEARTBEAT_S,
    broker_max_poll_records=_RECORDS_A_FETCH,
    consumer_max_fetch_size=_FETCH_BYTES,
    consumer_auto_offset_reset="earliest",
    consumer_metadata_max_age_ms=_METADATA_MS,
    web_enabled=False,
    worker_redirect_stdouts=False,
)


def _agent(source: str) -> Any:
    """The agent of one source: hands each batch to the worker's assignments."""
    topic = app.topic(settings().topic(source), key_type=None, value_type=None, value_serializer="raw", acks=False)

    async def consume(batches: AsyncIterable[RawBatch]) -> None:
        async for batch in batches:
            await app.assignments.add(batch)

    return app.agent(topic, name=f"streams.{source}", concurrency=1)(consume)


number_plan()  # one that can't be read ends the worker here, not at its first number
AGENTS = {source: _agent(source) for source in contracts()}


def _flusher(source: str) -> Any:
    async def flush() -> None:
        await app.assignments.flush_forever(source)

    flush.__name__ = f"flush_{source}"
    return app.task(flush)


FLUSHERS = {source: _flusher(source) for source in contracts()}


@app.task
async def refresh_references() -> None:
    """Keep what is known of reference records up to date."""
    await app.assignments.refresh_references()


@app.task
async def watch() -> None:
    """Give the assignments the consumer, and end the process if it stands still."""
    app.assignments.consumer = app.consumer
    look_for_circles_less_often()
    await app.assignments.watch()
