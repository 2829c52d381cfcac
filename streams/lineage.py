"""The lineage columns that every bronze and silver row carries."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa

from catalog.commit import DAY_OF
from streams.batch import RawBatch

INSTANT = pa.timestamp("us", "UTC")


def lineage(parts: Sequence[RawBatch]) -> dict[str, pa.Array]:
    """Where each message stood in Kafka, of batches of one topic, one above the other."""
    partitions, sizes, text = [part.partition for part in parts], [len(part) for part in parts], pa.large_string()
    ids = [_constant(partition.topic_id, text, size) for partition, size in zip(partitions, sizes, strict=True)]
    numbers = np.repeat(np.array([partition.partition for partition in partitions], np.int32), sizes)
    times = np.concatenate([part.timestamps for part in parts])
    return {
        "kafka_topic": _constant(parts[0].topic, text, sum(sizes)),
        "kafka_topic_id": pa.concat_arrays(ids),
        "kafka_partition": pa.array(numbers),
        "kafka_offset": pa.array(np.concatenate([part.offsets for part in parts]), pa.int64()),
        "kafka_timestamp": pa.array(times, pa.int64()).cast(INSTANT),
    }


def stamped(rows: pa.Table, at: datetime) -> pa.Table:
    """The rows with the time of writing: one for the whole batch, so that it falls into one day's partition."""
    return rows.append_column(DAY_OF, _constant(at, INSTANT, len(rows)))


def _constant(value: object, kind: pa.DataType, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, kind), count)
