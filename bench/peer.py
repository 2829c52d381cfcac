"""What the worker is compared with: the loop that an expert writes by hand in an hour. `python -m bench.peer TABLE GROUP`.

confluent-kafka in batches, Polars' NDJSON reader, three rules, PyIceberg's `append` about once a second. No bronze, no
enrichment, no duplicates, nothing exactly once; lines that are no JSON object are dropped. It is tuned as such a loop would be
(large fetches, a batch at a time, a fast path for clean batches): an easy opponent would prove nothing.
"""

import contextlib
import io
import sys
import time
from typing import Any

import orjson
import polars as pl
from confluent_kafka import Consumer, Message, TopicPartition
from pyiceberg.exceptions import NamespaceAlreadyExistsError
from pyiceberg.table import Table

from catalog.client import connect
from lakehouse import kafka_access
from lakehouse.settings import Settings, settings

# written to the snapshot's summary: messages read so far
MESSAGES = "bench.messages"
# printed when Kafka has given it its partitions
ASSIGNED = "assigned"
_APPEND_S, _APPEND_BYTES = 1.0, 64 * 1024 * 1024
_MESSAGES_AT_ONCE = 20_000
STATUSES = ("initiated", "ringing", "in-progress", "completed", "failed", "busy", "no-answer")
PHONE = r"^(\+20|0020|20|0)?1[0125][0-9]{8}$|^(\+|00)[1-9][0-9]{6,14}$"
_SIDE = pl.Struct({"phone_number": pl.String, "cell_site": pl.String, "imei": pl.String})
_SCHEMA: dict[str, Any] = {
    "event_type": pl.String,
    "sid": pl.String,
    "from": _SIDE,
    "to": _SIDE,
    "call_duration_seconds": pl.Int64,
    "status": pl.String,
    "timestamp": pl.String,
    "call_type": pl.String,
    "phone_number": pl.String,
    "customer": pl.String,
    "billing_info": pl.Struct({"amount": pl.Float64, "currency": pl.String}),
    "qos_metrics": pl.Struct(
        {"mos_score": pl.Float64, "jitter_ms": pl.Float64, "packet_loss_percent": pl.Float64, "codec": pl.String}
    ),
    "behavior_profile": pl.String,
    "fraud_indicator": pl.String,
    "risk_score": pl.Int64,
    "seasonal_multiplier": pl.Float64,
}


def read(values: list[bytes]) -> pl.DataFrame:
    """The JSON objects among the messages, typed."""
    try:
        return _read_lines(values)
    except pl.exceptions.PolarsError:  # one bad line fails them all
        return _read_lines([value.replace(b"\n", b" ") for value in values if is_object(value)])


def _read_lines(values: list[bytes]) -> pl.DataFrame:
    return pl.read_ndjson(io.BytesIO(b"\n".join(values)), schema=_SCHEMA, ignore_errors=True)


def is_object(value: bytes) -> bool:
    """Whether a message is a JSON object."""
    try:
        return isinstance(orjson.loads(value), dict)
    except ValueError:
        return False


def checked(events: pl.DataFrame) -> pl.DataFrame:
    """One flat row an event with the three rules' verdict."""
    number = pl.col("from").struct.field("phone_number").str.replace_all(r"[ ()-]", "")
    rules = {
        "invalid:from_phone_number": number.str.contains(PHONE),
        "range:call_duration_seconds": pl.col("call_duration_seconds").is_between(0, 86_400),
        "domain:status": pl.col("status").is_in(STATUSES),
    }
    broken = [pl.when(~kept.fill_null(False)).then(pl.lit(code)) for code, kept in rules.items()]
    sides = [
        pl.col(side).struct.field(name).alias(f"{side}_{name}")
        for side in ("from", "to")
        for name in ("phone_number", "cell_site", "imei")
    ]
    return events.select(
        pl.exclude("from", "to", "billing_info", "qos_metrics", "timestamp"),
        *sides,
        pl.col("billing_info").struct.unnest(),
        pl.col("qos_metrics").struct.unnest(),
        pl.col("timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False).alias("event_time"),
        pl.coalesce(broken).alias("rejection_reason"),
    )


class Loop:
    """Consumes for ever."""

    def __init__(self, settings: Settings, table: str, group: str) -> None:
        self._settings = settings
        self._name = table
        self._table: Table | None = None
        self._consumer = Consumer(
            {
                **kafka_access.librdkafka(settings),
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                # librdkafka stops fetching at 100,000 messages or 64 MB and looks again after a second: room for more
                "queued.min.messages": 500_000,
                "queued.max.messages.kbytes": 256 * 1024,
                "fetch.message.max.bytes": 8 * 1024 * 1024,
            }
        )
        self._frames: list[pl.DataFrame] = []
        self._bytes = 0
        self._messages = 0

    def run(self, topic: str) -> None:
        """Read, check, append; until the process is ended."""
        self._consumer.subscribe([topic], on_assign=_say_assigned)
        due = time.monotonic() + _APPEND_S
        while True:
            self._take(self._consumer.consume(_MESSAGES_AT_ONCE, timeout=0.1))
            if self._frames and (time.monotonic() >= due or self._bytes >= _APPEND_BYTES):
                self._append()
                due = time.monotonic() + _APPEND_S

    def _take(self, messages: list[Message]) -> None:
        self._messages += len(messages)
        values = [value for message in messages if (value := message.value())]
        if values:
            self._frames.append(checked(read(values)))
            self._bytes += sum(map(len, values))

    def _append(self) -> None:
        rows = pl.concat(self._frames).to_arrow()
        if self._table is None:
            client = connect(self._settings)
            with contextlib.suppress(NamespaceAlreadyExistsError):
                client.create_namespace(self._name.split(".")[0])
            self._table = client.create_table_if_not_exists(self._name, rows.schema)
        self._table.append(rows, snapshot_properties={MESSAGES: str(self._messages)})
        self._consumer.commit(asynchronous=False)
        self._frames, self._bytes = [], 0


def _say_assigned(_consumer: Consumer, _partitions: list[TopicPartition]) -> None:
    print(ASSIGNED, flush=True)


if __name__ == "__main__":
    Loop(settings(), sys.argv[1], sys.argv[2]).run(settings().topic("calls"))
