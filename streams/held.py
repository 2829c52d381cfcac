"""What is held of one partition on its way from bytes to tables: rows, the offsets they account for, and what was accepted."""

import threading
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from catalog.commit import PartitionBatch
from catalog.offsets import Gap, PartitionId, Positions
from streams.batch import RawBatch
from streams.duplicates import DuplicateWindow, Snapshot
from streams.lineage import stamped


@dataclass
class Held:
    """Rows of one partition on their way into one table.

    Attributes:
        first: the offset after what the table holds; where the next commit begins.
        next: the offset after what is held.
        start: where the partition begins, if the table did not know it when it was assigned.
    """

    first: int
    next: int
    start: int | None = None
    rows: list[pa.Table] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    def is_beyond(self, stands: int | None) -> bool:
        """Whether the table stands before what it is believed to hold; None: it does not know the partition."""
        return self.first != self.start if stands is None else stands < self.first

    def continued_by(self, batch: RawBatch) -> RawBatch | None:
        """The part of a batch that continues what is held.

        None if there is no such part: it is all here, or it was fetched before a seek and does not follow on.
        """
        return None if batch.next <= self.next or batch.first > self.next else batch.since(self.next)

    def extend(self, batch: RawBatch, rows: pa.Table | None) -> None:
        """Hold what continues it: its rows (None: it has no messages), and the offsets it skips as gaps."""
        self.gaps.extend(_gaps(batch, self.next))
        self.next = batch.next
        if rows is not None:
            self.rows.append(rows)

    def take(self, partition: PartitionId, at: object) -> PartitionBatch | None:
        """What is held as one batch to commit; from then on it holds nothing."""
        if self.next == self.first:
            return None
        rows = stamped(pa.concat_tables(self.rows), at) if self.rows else pa.table({})  # type: ignore[arg-type]
        batch = PartitionBatch(partition, self.first, self.next, rows, tuple(self.gaps), self.start)
        self.first, self.rows, self.gaps = self.next, [], []
        return batch


def nothing_held(known: Positions, partition: PartitionId, start: int) -> Held:
    """The state of a partition at its assignment.

    The first topic of a table is read from where its logs begin, which may be within an old one. A later one, such as the topic
    made again, was there for the table from its beginning: what retention took before it was first read is lost.

    Args:
        known: where the table stands.
        start: where the log begins.
    """
    stands = known.next.get(partition)
    if stands is not None:
        return Held(stands, stands)
    later = any(p.topic_id != partition.topic_id for p in known.next)
    return Held(0, start, 0, gaps=[Gap(0, start, True)]) if start and later else Held(start, start, start)


def _gaps(batch: RawBatch, expected: int) -> list[Gap]:
    """The ranges without an event from the expected offset on; lost as far as they lie before the log's beginning."""
    before = np.concatenate(([expected - 1], batch.offsets))
    after = np.concatenate((batch.offsets, [batch.next]))
    begin = batch.log_start or 0
    gaps = []
    for i in np.flatnonzero(after - before > 1):
        first, following = int(before[i]) + 1, int(after[i])
        if first < begin:
            gaps.append(Gap(first, min(begin, following), True))
        if following > begin:
            gaps.append(Gap(max(begin, first), following, False))
    return gaps


@dataclass
class PartitionState:
    """The state of one assigned partition.

    Attributes:
        window: what was accepted up to `silver.next`; None until it is read back.
        known: the window when the rows up to `silver.next` were made.
        nbytes, bronze_nbytes: of the messages whose rows are held.
        rows_nbytes, bronze_cost: what the rows that are held take.
        lock: held for moments: rows are made outside of it.
    """

    silver: Held
    bronze: Held | None
    window: DuplicateWindow | None = None
    known: Snapshot | None = None
    nbytes: int = 0
    rows_nbytes: int = 0
    bronze_nbytes: int = 0
    bronze_cost: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def wanted(self) -> int:
        """The offset to read next, for whichever table is behind."""
        return self.silver.next if self.bronze is None else min(self.silver.next, self.bronze.next)
