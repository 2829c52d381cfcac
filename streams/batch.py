"""Messages of one partition as columns, as they come from Kafka."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.offsets import PartitionId

Headers = Sequence[tuple[str, bytes]]


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
        """Bytes of keys and values."""
        return int(self.values.nbytes + self.keys.nbytes)

    @property
    def next(self) -> int:
        """The offset after what the batch accounts for."""
        return self.end if self.end is not None else int(self.offsets[-1]) + 1

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
