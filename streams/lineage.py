"""The lineage columns that every bronze and silver row carries."""

from datetime import datetime

import pyarrow as pa

from catalog.commit import DAY_OF
from streams.batch import RawBatch

INSTANT = pa.timestamp("us", "UTC")


def lineage(batch: RawBatch) -> dict[str, pa.Array]:
    """Where each message stood in Kafka."""
    count = len(batch)
    return {
        "kafka_topic": _constant(batch.topic, pa.large_string(), count),
        "kafka_topic_id": _constant(batch.partition.topic_id, pa.large_string(), count),
        "kafka_partition": _constant(batch.partition.partition, pa.int32(), count),
        "kafka_offset": pa.array(batch.offsets, pa.int64()),
        "kafka_timestamp": pa.array(batch.timestamps, pa.int64()).cast(INSTANT),
    }


def stamped(rows: pa.Table, at: datetime) -> pa.Table:
    """The rows with the time of writing: one for the whole batch, so that it falls into one day's partition."""
    return rows.append_column(DAY_OF, _constant(at, INSTANT, len(rows)))


def _constant(value: object, kind: pa.DataType, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, kind), count)
