"""The lineage columns that every bronze and silver row carries."""

from datetime import datetime

import numpy as np
import pyarrow as pa

from catalog.commit import DAY_OF
from streams.batch import RawBatch, Stack

INSTANT = pa.timestamp("us", "UTC")


def lineage(batch: RawBatch | Stack) -> dict[str, pa.Array]:
    """Where each message stood in Kafka."""
    parts, text = batch.parts, pa.large_string()
    sizes, partitions = [len(part) for part in parts], [part.partition for part in parts]
    if len({partition.topic_id for partition in partitions}) == 1:
        topic_ids = _constant(partitions[0].topic_id, text, len(batch))
    else:
        topic_ids = pa.concat_arrays(
            [_constant(p.topic_id, text, size) for p, size in zip(partitions, sizes, strict=True)]
        )
    offsets = [part.offsets for part in parts]
    return {
        "kafka_topic": _constant(parts[0].topic, text, len(batch)),
        "kafka_topic_id": topic_ids,
        "kafka_partition": pa.array(np.repeat(np.array([p.partition for p in partitions], np.int32), sizes)),
        "kafka_offset": pa.array(offsets[0] if len(parts) == 1 else np.concatenate(offsets), pa.int64()),
        "kafka_timestamp": pa.array(batch.timestamps, pa.int64()).cast(INSTANT),
    }


def stamped(rows: pa.Table, at: datetime) -> pa.Table:
    """The rows with the time of writing: one for the whole batch, so that it falls into one day's partition."""
    return rows.append_column(DAY_OF, _constant(at, INSTANT, len(rows)))


def _constant(value: object, kind: pa.DataType, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, kind), count)
