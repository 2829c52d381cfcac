"""The line from bytes to Iceberg for one source, driven by four verbs; Faust is one of its drivers.

- `assign(partitions)`: these partitions are mine from now on; tells from which offsets to read.
- `add(batch)`, `add_all(batches)`: turn messages into rows and hold them. Takes CPU time; asks a server only where
  `remember` was not called before, to rebuild what is known of accepted events.
- `flush(deadline)`: commit what is held; tells which offsets are safe. What could not be committed is dropped, the partition
  with it: it is named in the answer, must be assigned again, and is then read again from where the tables stand.
- `discard(partitions)`: these are no longer mine; forget what is held of them.

`add` may run in several threads, one at a time a partition; `flush` runs beside it, one at a time.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

import polars as pl
import pyarrow as pa
import redis

from catalog.commit import PartitionBatch
from catalog.fenced import FencedTable
from catalog.offsets import Offsets, PartitionId
from lakehouse.clock import Clock, now
from lakehouse.deadline import Deadline
from lakehouse.errors import CommitUnknown, Fenced, Retry
from lakehouse.settings import Settings
from streams import bronze
from streams.batch import RawBatch
from streams.contract import Contract
from streams.duplicates import DuplicateWindow, Snapshot
from streams.held import Held, PartitionState, nothing_held
from streams.references import References
from streams.silver import SilverWriter
from streams.window_store import WindowStore

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Flushed:
    """What a flush did.

    Attributes:
        safe: next offsets that both tables account for: what may be committed to Kafka.
        dropped: partitions that must be assigned again; nothing of theirs is lost, nothing was written twice.
        reasons: why they were dropped, in sentences.
        rows: silver rows committed.
    """

    safe: Offsets
    dropped: frozenset[PartitionId] = frozenset()
    reasons: tuple[str, ...] = ()
    rows: int = 0


Confirm = Callable[[Collection[PartitionId], Deadline], None]


class Line:
    """One source's way from bytes to its silver and bronze tables."""

    def __init__(
        self,
        contract: Contract,
        silver: FencedTable,
        bronze_table: FencedTable | None,
        references: References,
        settings: Settings,
        clock: Clock = now,
        confirm: Confirm = lambda partitions, deadline: None,
        store: WindowStore | None = None,
    ) -> None:
        """Args:
        confirm: asked before each commit, after its rows were read: raises where Kafka no longer has a partition under
            the id that its rows would land under.
        store: where windows are kept for the next process.
        """
        self.contract = contract
        self._confirm = confirm
        self._silver, self._bronze = silver, bronze_table
        self._references = references
        self._settings = settings
        self._clock = clock
        self._partitions: dict[PartitionId, PartitionState] = {}
        self._writers: SimpleQueue[SilverWriter] = SimpleQueue()
        self._flushing = threading.Lock()
        self._remembering = threading.Lock()
        self._bronze_due_s = time.monotonic() + settings.bronze_interval_s
        self._store = store

    @property
    def buffered_bytes(self) -> int:
        """Message bytes held for the next silver commit."""
        return sum(p.nbytes for p in self._partitions.values())

    @property
    def held_bytes(self) -> int:
        """Bytes that are held for both tables: silver's rows are other bytes than the messages, which bronze has."""
        return sum(p.rows_nbytes + p.bronze_cost for p in list(self._partitions.values()))

    @property
    def bronze_waits(self) -> bool:
        """Whether bronze rows are held."""
        return any(p.bronze is not None and p.bronze.next > p.bronze.first for p in self._partitions.values())

    @property
    def waits(self) -> bool:
        """Whether anything is held for silver, gaps without rows included."""
        return any(p.silver.next > p.silver.first for p in self._partitions.values())

    def assign(self, starts: Mapping[PartitionId, int]) -> Offsets:
        """Take over partitions.

        Args:
            starts: where each one's log begins, for those that no table knows yet.
        Returns:
            the offset to read from, for each: the lower of what its tables stand at.
        Raises:
            Retry: the catalog does not answer.
        """
        stands = self._silver.positions()
        stands_bronze = self._bronze.positions() if self._bronze is not None else None
        read_from: Offsets = {}
        for partition, start in starts.items():
            kept = None if stands_bronze is None else nothing_held(stands_bronze, partition, start)
            state = PartitionState(nothing_held(stands, partition, start), kept)
            self._partitions[partition] = state
            read_from[partition] = state.wanted
        return read_from

    def discard(self, partitions: Iterable[PartitionId]) -> None:
        """Forget partitions and what is held of them."""
        for partition in partitions:
            self._partitions.pop(partition, None)

    def add(self, batch: RawBatch) -> bool:
        """Turn a batch into rows; see `add_all`. False if it does not follow on what is held."""
        return not self.add_all([batch])

    def add_all(self, batches: Sequence[RawBatch]) -> set[PartitionId]:
        """Turn a batch each of some partitions into rows, together: what a batch costs, however small, is paid once.

        Parts that the tables hold already are cut off; unassigned partitions are ignored.

        Returns:
            the partitions whose batch does not follow on what is held: the reader is ahead and must seek back (see `wanted`).
        """
        states = {b.partition: state for b in batches if (state := self._partitions.get(b.partition)) is not None}
        ahead = {b.partition for b in batches if b.partition in states and b.first > states[b.partition].wanted}
        taken = [(b, states[b.partition]) for b in batches if b.partition in states and b.partition not in ahead]
        try:
            if any(state.window is None for _, state in taken):
                self.remember()
            made = self._made([(b, state, state.window) for b, state in taken if state.window is not None])
        except BaseException:
            # The windows may know events whose rows are not held: these partitions must be read again.
            for batch, state in taken:
                self._drop(batch.partition, state)
            raise
        for batch, state, fresh, rows in made:
            self._hold(batch, state, fresh, rows)
        return ahead

    def _made(
        self, taken: Sequence[tuple[RawBatch, PartitionState, DuplicateWindow]]
    ) -> list[tuple[RawBatch, PartitionState, RawBatch | None, pa.Table | None]]:
        """For each batch the part that silver lacks, and the rows of that; of an empty part there are none."""
        fresh = [state.silver.continued_by(batch) for batch, state, _ in taken]
        full = [
            (part, window) for part, (_, _, window) in zip(fresh, taken, strict=True) if part is not None and len(part)
        ]
        rows: dict[PartitionId, pa.Table] = {}
        if full:
            writer = self._writer()
            try:
                made = writer.rows_of_all(full, self._references.histories)
            finally:
                self._writers.put(writer)
            rows = {part.partition: one.rows for (part, _), one in zip(full, made, strict=True)}
        return [
            (batch, state, part, rows.get(batch.partition))
            for part, (batch, state, _) in zip(fresh, taken, strict=True)
        ]

    def _hold(self, batch: RawBatch, state: PartitionState, fresh: RawBatch | None, rows: pa.Table | None) -> None:
        kept = state.bronze.continued_by(batch) if state.bronze is not None else None
        kept_rows = bronze.rows(kept) if kept is not None and len(kept) else None
        with state.lock:
            if fresh is not None and state.window is not None:
                state.silver.extend(fresh, rows)
                state.nbytes += fresh.nbytes
                state.rows_nbytes += 0 if rows is None else rows.nbytes
                state.known = state.window.snapshot(state.silver.next)
            if kept is not None and state.bronze is not None:
                state.bronze.extend(kept, kept_rows)
                state.bronze_nbytes += kept.nbytes
                state.bronze_cost += kept.cost

    def wanted(self, partition: PartitionId) -> int | None:
        """The offset to read next; None if the partition is not assigned."""
        state = self._partitions.get(partition)
        return None if state is None else state.wanted

    def _writer(self) -> SilverWriter:
        if self._writers.empty():
            return SilverWriter(self.contract, self._settings)
        return self._writers.get()

    def remembers(self, partition: PartitionId) -> bool:
        """Whether rows of a partition can be made without asking a server first."""
        state = self._partitions.get(partition)
        return state is None or state.window is not None

    def remember(self) -> None:
        """Read back what the assigned partitions accepted, for all of which that is not known, at once.

        Raises:
            Retry: the catalog or S3 does not answer.
        """
        with self._remembering:
            unknown = {p: state for p, state in list(self._partitions.items()) if state.window is None}
            if not self.contract.is_event:
                for state in unknown.values():
                    state.window = self._window()
                return
            landed = self._silver.batches() if self._store is not None and unknown else frozenset()
            kept = {p: self._kept_window(p, state.silver.next, landed) for p, state in unknown.items()}
            ranges = {p: (kept[p][0], state.silver.next) for p, state in unknown.items()}
            count = self._settings.duplicate_window_events
            for partition, first, accepted in self._silver.last_accepted(ranges, count) if ranges else ():
                begin, window = kept[partition]
                if first > begin:
                    window = self._window()
                window.remember(accepted["event_id"], accepted["kafka_timestamp"])
                unknown[partition].window = window

    def _kept_window(self, partition: PartitionId, until: int, landed: Collection[str]) -> tuple[int, DuplicateWindow]:
        """A window that the line's store has, and the offset that it ends at; else an empty one."""
        found = None if self._store is None else self._store.find(partition, until, landed)
        return found or (0, self._window())

    def _window(self) -> DuplicateWindow:
        return DuplicateWindow(self._settings.duplicate_window_events, self._settings.duplicate_window_s)

    def flush(self, deadline: Deadline, bronze_too: bool = False) -> Flushed:
        """Commit what is held: silver always, bronze when its interval has passed or it is asked for.

        Args:
            deadline: until when commits may be tried.
            bronze_too: commit bronze whether due or not.
        """
        # A flush that waited for another one until its time was up must not touch what came meanwhile.
        if not self._flushing.acquire(timeout=deadline.left_s):
            return Flushed({})
        try:
            if deadline.passed:
                return Flushed({})
            flushed = self._commit(self._silver, lambda p: p.silver, deadline)
            dropped, reasons = flushed.dropped, flushed.reasons
            if self._bronze is not None and (bronze_too or self._bronze_is_due):
                kept = self._commit(self._bronze, lambda p: p.bronze, deadline)
                dropped, reasons = dropped | kept.dropped, reasons + kept.reasons
                self._bronze_due_s = time.monotonic() + self._settings.bronze_interval_s
            return Flushed(self._safe(), dropped, reasons, flushed.rows)
        finally:
            self._flushing.release()

    @property
    def _bronze_is_due(self) -> bool:
        held = sum(p.bronze_nbytes for p in self._partitions.values())
        return time.monotonic() >= self._bronze_due_s or held >= self._settings.commit_bytes

    def _commit(self, table: FencedTable, held: Callable[[PartitionState], Held | None], deadline: Deadline) -> Flushed:
        taken: list[PartitionBatch] = []
        states: dict[PartitionId, PartitionState] = {}
        known: dict[PartitionId, Snapshot | None] = {}
        at = self._clock()
        for partition, state in list(self._partitions.items()):
            with state.lock:
                holding = held(state)
                batch = holding.take(partition, at) if holding is not None else None
                if batch is not None:
                    taken.append(batch)
                    states[partition] = state
                    known[partition] = state.known
                    if holding is state.silver:
                        state.nbytes = state.rows_nbytes = 0
                    else:
                        state.bronze_nbytes = state.bronze_cost = 0
        if not taken:
            return Flushed({})
        try:
            # What was read before this answer was read under the ids that it confirms.
            self._confirm(states.keys(), deadline)
            landed = table.append(taken, deadline)
        except Exception as error:
            # Whatever it was, these rows are no longer held and may or may not be in the table: read them again.
            if not isinstance(error, Fenced | CommitUnknown | Retry):
                log.exception("%s: a commit failed in a way that was not foreseen", table.name)
            gone = frozenset(p for p, state in states.items() if self._drop(p, state))
            return Flushed({}, gone, (str(error),))
        cut = frozenset[PartitionId]()
        if table is self._silver:
            # Somebody else made a part of their rows: what is known of those may not be what the table has.
            cut = landed.cut
            for partition in landed.next.keys() - cut:
                if self._store is not None and (snapshot := known[partition]) is not None:
                    self._store.keep(partition, snapshot, landed.batch_id)
            self._share(taken, landed.next)
        gone = frozenset(p for p in landed.fenced | cut if self._drop(p, states[p]))
        reasons = tuple(f"{p.topic_id}[{p.partition}] of {self.contract.source} was taken over" for p in landed.fenced)
        reasons += tuple(f"{p.topic_id}[{p.partition}] of {self.contract.source} was in part there" for p in cut)
        return Flushed(landed.next, gone, reasons, landed.rows)

    def _drop(self, partition: PartitionId, state: PartitionState) -> bool:
        """Forget a partition, unless it was assigned anew since; whether it was still this one."""
        if self._partitions.get(partition) is not state:
            return False
        del self._partitions[partition]
        return True

    def _share(self, batches: list[PartitionBatch], landed: Offsets) -> None:
        """Publish accepted reference records to the other workers, once they are in silver."""
        if self.contract.is_event:
            return
        rows = [b.rows for b in batches if b.partition in landed and len(b.rows)]
        if rows:
            frame = pl.DataFrame(pl.from_arrow(pa.concat_tables(rows))).filter(~pl.col("is_rejected"))
            try:
                self._references.publish(self.contract.source, frame)
            except redis.RedisError as error:
                log.warning(
                    "%s: Redis does not answer (%s): enrichment lags, nothing is lost", self.contract.source, error
                )
                self._references.owe(self.contract.source)

    def drop_rolled_back(self, deadline: Deadline) -> frozenset[PartitionId]:
        """Forget partitions of which a table stands before what was committed to it; they must be assigned again.

        Args:
            deadline: until when to wait for a flush that is under way.
        Raises:
            Retry: the catalog does not answer.
        """
        if not self._flushing.acquire(timeout=deadline.left_s):
            return frozenset()
        try:
            silver = self._silver.positions().next
            bronze = self._bronze.positions().next if self._bronze is not None else {}
            return frozenset(
                p
                for p, state in list(self._partitions.items())
                if state.silver.is_beyond(silver.get(p))
                or (state.bronze is not None and state.bronze.is_beyond(bronze.get(p)))
                if self._drop(p, state)
            )
        finally:
            self._flushing.release()

    def _safe(self) -> Offsets:
        return {
            partition: state.silver.first if state.bronze is None else min(state.silver.first, state.bronze.first)
            for partition, state in self._partitions.items()
        }
