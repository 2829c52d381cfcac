"""Sends messages to Kafka: fast, in order within a partition, each once."""

import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

import polars as pl
from confluent_kafka import KafkaError, KafkaException, Producer

from lakehouse import kafka_access
from lakehouse.deadline import Deadline
from lakehouse.errors import LakehouseError
from lakehouse.settings import settings
from sources.topics import ensure_topic

# called with a source and the number of its messages just handed over
Progress = Callable[[str, int], None]
# messages between two looks at the clock, the progress bar and Ctrl-C; about 2 ms of work
_STRIDE = 2_000
_CONFIG: dict[str, Any] = {
    # no message twice or out of order when a request is repeated
    "enable.idempotence": True,
    # small on the wire, and cheaper to compress than zstd: the producer is one thread on a small machine
    "compression.type": "lz4",
    "linger.ms": 20,
    "batch.size": 1 << 20,
    "queue.buffering.max.messages": 500_000,
    "queue.buffering.max.kbytes": 256 * 1024,
    # a key goes to the partition that Java clients choose
    "partitioner": "murmur2_random",
    "delivery.report.only.error": True,
    "log_level": 0,
}


class Interrupted(LakehouseError):
    """The user asked to stop; what was handed over is delivered.

    Attributes:
        taken: how many messages of the call that this ended were handed over.
    """

    def __init__(self, taken: int = 0) -> None:
        super().__init__("stopped")
        self.taken = taken


class Publisher:
    """Sends to any number of topics; leave its `with` block to have everything delivered.

    Attributes:
        handed: messages given to the client.
        failed: messages that Kafka refused or did not take in time.
    """

    def __init__(
        self,
        rate: float | None = None,
        on_progress: Progress | None = None,
        stop_asked: Callable[[], bool] = lambda: False,
    ) -> None:
        """Connect lazily.

        Args:
            rate: messages a second; None is as fast as possible.
            on_progress: called now and then.
            stop_asked: looked at now and then; true ends `send` with `Interrupted`.
        """
        self.handed = 0
        self.failed = 0
        self._reason = ""
        self._rate = rate
        self._on_progress = on_progress or (lambda source, count: None)
        self._stop_asked = stop_asked
        self._began = time.monotonic()
        self._ready: set[str] = set()
        now = settings()
        self._give_up_s = now.publish_wait_s
        where = {**kafka_access.librdkafka(now), "message.timeout.ms": self._give_up_s * 1000}
        self._producer = Producer({**_CONFIG, **where, "on_delivery": self._delivered})

    @property
    def delivered(self) -> int:
        """Messages that Kafka has acknowledged."""
        return self.handed - self.failed - len(self._producer)

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self._began

    def __enter__(self) -> "Publisher":
        """Begin."""
        self._began = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for every acknowledgement.

        Raises:
            LakehouseError: Kafka did not take some; the message says how many and why.
        """
        self._wait()
        if kind is None:
            self._check(self.handed - self.delivered)

    def settle(self) -> None:
        """Wait until Kafka has acknowledged every message handed over so far.

        Raises:
            LakehouseError: it did not take some; the message says how many and why.
        """
        self._wait()
        self._check(self.handed - self.delivered)

    def _wait(self) -> None:
        deadline = Deadline.after(self._give_up_s + 5)
        while len(self._producer) and not deadline.passed:
            # short waits let Ctrl-C through
            self._producer.flush(0.2)

    def prepare(self, source: str) -> str:
        """Make sure that the source's topic is there, and return its name."""
        topic = settings().topic(source)
        if topic not in self._ready:
            ensure_topic(topic)
            self._ready.add(topic)
        return topic

    def send_frame(self, source: str, messages: pl.DataFrame) -> None:
        """Send the columns `key` and `value` in row order; see `send`."""
        self.send(source, zip(messages["key"].to_list(), messages["value"].to_list(), strict=True))

    def send(self, source: str, messages: Iterable[tuple[str | bytes | None, bytes | None]]) -> None:
        """Hand pairs of key and value over, in order.

        Raises:
            Interrupted: `stop_asked` said so.
            LakehouseError: Kafka refuses messages; the rest is not sent.
        """
        topic = self.prepare(source)
        before = self.handed
        produce = self._producer.produce
        since = 0
        stride = _STRIDE if self._rate is None else max(1, min(_STRIDE, int(self._rate / 20)))
        for key, value in messages:
            try:
                produce(topic, value, key)
            except BufferError:
                self._wait_for_room(topic, key, value)
            except KafkaException as error:
                self._refused(error.args[0])
            self.handed += 1
            since += 1
            if since >= stride:
                self._pause(source, since, before)
                since = 0
        self._pause(source, since, before)

    def _wait_for_room(self, topic: str, key: str | bytes | None, value: bytes | None) -> None:
        while True:
            self._producer.poll(0.05)
            try:
                self._producer.produce(topic, value, key)
            except BufferError:
                continue
            return

    def _pause(self, source: str, count: int, before: int) -> None:
        """Serve callbacks, keep to the rate, and stop if something is wrong or somebody wants it."""
        self._on_progress(source, count)
        self._producer.poll(0)
        if self._rate:
            ahead = self.handed / self._rate - self.seconds
            while ahead > 0 and not self._stop_asked():
                self._producer.poll(min(ahead, 0.1))
                ahead = self.handed / self._rate - self.seconds
        self._check(self.failed)
        if self._stop_asked():
            raise Interrupted(self.handed - before)

    def _delivered(self, error: KafkaError | None, message: object) -> None:
        if error is not None:
            self._refused(error)

    def _refused(self, error: KafkaError) -> None:
        self.failed += 1
        self._reason = self._reason or error.str()

    def _check(self, lost: int) -> None:
        if lost:
            raise LakehouseError(
                f"Kafka at {settings().kafka_bootstrap} did not take {lost:,} of {self.handed:,} messages "
                f"({self._reason or 'no answer'}). What it took stays; sent again, it is found to be a copy."
            )
