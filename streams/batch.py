"""Messages of one partition as columns, as they come from Kafka."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.offsets import PartitionId

Headers = Sequence[tuple[str, bytes]]
_ROW_BYTES = 600


@dataclass(frozen=True)
class RawBatch:
    """A run of messages of one partition, in offset order.

    Attributes:
        first: the consumer's position before it: offsets from there on that are not among `offsets` hold no event.
        offsets: their offsets, increasing, not always without holes.
        timestamps: Kafka's times in µs since 1970 UTC.
        keys, values: binary arrays, null where the message has none.
        headers: per message, or None where no message has any.
        log_start: where the partition's log begins, if that was asked because offsets are missing.
        end: the consumer's position after it, where that is beyond the last message (markers, compaction); a batch may
            consist of nothing else.
    """

    topic: str
    partition: PartitionId
    first: int
    offsets: npt.NDArray[np.int64]
    timestamps: npt.NDArray[np.int64]
    keys: pa.Array
    values: pa.Array
    headers: pa.Array | None = None
    log_start: int | None = None
    end: int | None = None

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def nbytes(self) -> int:
        """Bytes of keys, values and headers."""
        return int(self.values.nbytes + self.keys.nbytes + (self.headers.nbytes if self.headers is not None else 0))

    @property
    def cost(self) -> int:
        """Bytes that it and its rows take in memory, about: a row of silver is 400 to 600 bytes, however short its message."""
        return self.nbytes + _ROW_BYTES * len(self)

    @property
    def next(self) -> int:
        """The offset after what the batch accounts for."""
        return self.end if self.end is not None else int(self.offsets[-1]) + 1

    def followed_by(self, batch: "RawBatch") -> bool:
        """Whether a batch goes on where this one ends, and both may be one: where the log began was asked for neither."""
        return (
            batch.partition == self.partition
            and batch.first == self.next
            and self.log_start is None
            and batch.log_start is None
        )

    @staticmethod
    def joined(batches: Sequence["RawBatch"]) -> "RawBatch":
        """One batch of several that follow on each other: columns of many rows cost less a row."""
        if len(batches) == 1:
            return batches[0]
        headers = None
        if any(b.headers is not None for b in batches):
            none = pa.large_binary()
            headers = pa.concat_arrays([pa.nulls(len(b), none) if b.headers is None else b.headers for b in batches])
        return RawBatch(
            batches[0].topic,
            batches[0].partition,
            batches[0].first,
            np.concatenate([b.offsets for b in batches]),
            np.concatenate([b.timestamps for b in batches]),
            pa.concat_arrays([b.keys for b in batches]),
            pa.concat_arrays([b.values for b in batches]),
            headers,
            None,
            batches[-1].end,
        )

    def since(self, offset: int) -> "RawBatch":
        """The messages from an offset on."""
        cut = int(np.searchsorted(self.offsets, offset))
        if offset <= self.first:
            return self
        return RawBatch(
            self.topic,
            self.partition,
            max(self.first, offset),
            self.offsets[cut:],
            self.timestamps[cut:],
            self.keys.slice(cut),
            self.values.slice(cut),
            None if self.headers is None else self.headers.slice(cut),
            self.log_start,
            self.end,
        )


@dataclass(frozen=True)
class Stack:
    """Batches of several partitions of a topic, one above the other: what all of their messages are read as."""

    parts: Sequence[RawBatch]
    timestamps: npt.NDArray[np.int64]
    keys: pa.Array
    values: pa.Array

    def __len__(self) -> int:
        return len(self.timestamps)

    @staticmethod
    def of(parts: Sequence[RawBatch]) -> "Stack":
        """One, or several, of which columns are copied together."""
        if len(parts) == 1:
            return Stack(parts, parts[0].timestamps, parts[0].keys, parts[0].values)
        return Stack(
            parts,
            np.concatenate([b.timestamps for b in parts]),
            pa.concat_arrays([b.keys for b in parts]),
            pa.concat_arrays([b.values for b in parts]),
        )


def take_joinable(pending: deque[RawBatch], limit_bytes: int) -> list[RawBatch]:
    """Take the first batch, with those that follow on it and may be one with it."""
    taken = [pending.popleft()]
    cost = taken[0].cost
    while pending and taken[-1].followed_by(pending[0]) and cost + pending[0].cost <= limit_bytes:
        taken.append(pending.popleft())
        cost += taken[-1].cost
    return taken
