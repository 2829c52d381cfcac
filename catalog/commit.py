"""The fence: rows and the offsets they account for land in one Iceberg commit, or not at all.

The truth about what was read is the table's, not Kafka's. Each commit names a batch id and the positions of all partitions
after it, in the snapshot's summary and as a table property. A commit is sent only while the table stands where its batches
begin, and asserts the snapshot that was looked at; whatever the answer was, the table is read again before anything else is
tried. So an append happens once, also when the answer was lost or another worker took over. docs/exactly-once.md has the
failure table.
"""

import logging
import random
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.exceptions import CommitFailedException, RESTError
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Operation, Snapshot, ancestors_of
from pyiceberg.table.update import AssertTableUUID
from requests.exceptions import RequestException

from catalog import data_files
from catalog.manifests import MergeAppend
from catalog.offer import Offer, Span
from catalog.offsets import Gap, Offsets, PartitionId, Positions
from catalog.turns import Turn, Turns
from lakehouse.deadline import Deadline
from lakehouse.errors import CommitUnknown, Fenced, LakehouseError

log = logging.getLogger(__name__)
POSITIONS = "lakehouse.positions"
# The sequence number of the commit that wrote the property: it says nothing of a table that was rolled back behind it.
POSITIONS_AT = "lakehouse.positions-at"
BATCH_ID = "lakehouse.batch-id"
INGESTED_AT = "lakehouse.ingested-at"
DAY_OF = "ingested_at"
# First pause after a lost race; doubled each time up to the longest, at random in between so that rivals part.
_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0
# So long a worker waits for another one to commit for it; after that it is on its own.
_TURN_PATIENCE_S = 4.0


@dataclass(frozen=True)
class PartitionBatch:
    """What one commit adds of one partition.

    Attributes:
        first, next: the half-open span of offsets that the batch accounts for.
        rows: its rows in table order, sorted by `kafka_offset`; may be none where the span holds no event.
        gaps: ranges in the span that hold no event.
        start: where a partition that the table does not know begins; None if the table knew it when it was assigned, and
            so must know it still.
    """

    partition: PartitionId
    first: int
    next: int
    rows: pa.Table
    gaps: tuple[Gap, ...] = ()
    start: int | None = None

    def since(self, offset: int) -> "PartitionBatch":
        """The part from an offset on."""
        if offset <= self.first:
            return self
        rows = self.rows.filter(pc.greater_equal(self.rows["kafka_offset"], offset))
        gaps = tuple(Gap(max(g.first, offset), g.next, g.lost) for g in self.gaps if g.next > offset)
        return PartitionBatch(self.partition, offset, self.next, rows, gaps, self.start)


@dataclass(frozen=True)
class Landed:
    """What a fenced append did.

    Attributes:
        next: the table's next offset of each partition that landed.
        fenced: partitions that were left out.
        batch_id: that the snapshot names which has it.
        cut: partitions of which the table may have had a part already, as somebody else made its rows.
    """

    next: Offsets
    fenced: frozenset[PartitionId]
    rows: int
    batch_id: str = ""
    cut: frozenset[PartitionId] = frozenset()


def positions(table: Table) -> Positions:
    """Where the table stands: from its newest snapshot that says so, else from its property.

    Snapshots made by others (compaction, deletes) carry no positions: they are walked over. A rollback takes the positions
    back with it, because the current snapshot decides; the property serves where expiry removed all that spoke.

    Raises:
        LakehouseError: none speaks any more, and the property tells of a commit that was rolled back.
    """
    metadata = table.metadata
    for snapshot in _back_to_positions(metadata):
        found = _said(snapshot, POSITIONS)
        if found is not None:
            return Positions.loads(found)
    told_at = int(metadata.properties.get(POSITIONS_AT, 0))
    current = metadata.current_snapshot()
    if (current.sequence_number or 0 if current is not None else 0) < told_at:
        where = f"snapshot {current.snapshot_id}" if current is not None else "before its first snapshot"
        raise LakehouseError(
            f"{'.'.join(table.name())} was rolled back to {where}, and no snapshot up to there is left that says up to which"
            " offsets it goes. Roll it back to one that does, or forward again (docs/exactly-once.md)."
        )
    return Positions.loads(metadata.properties.get(POSITIONS))


def telling(metadata: TableMetadata) -> frozenset[int]:
    """The snapshots that `positions` walks over up to the one that says them: they must be kept. None if none says them."""
    walked = list(_back_to_positions(metadata))
    if not walked or _said(walked[-1], POSITIONS) is None:
        return frozenset()
    return frozenset(snapshot.snapshot_id for snapshot in walked)


def _back_to_positions(metadata: TableMetadata) -> Iterator[Snapshot]:
    """The current snapshot and its parents, as far as they are there, up to the first that says positions."""
    for snapshot in ancestors_of(metadata.current_snapshot(), metadata):
        yield snapshot
        if _said(snapshot, POSITIONS) is not None:
            return


def batches_in(table: Table) -> frozenset[str]:
    """The batches whose rows the table's present state has, as they landed, as far back as its snapshots are there.

    Back to where somebody deleted or changed rows: of what is older it is not known.
    """
    found: set[str] = set()
    for snapshot in ancestors_of(table.metadata.current_snapshot(), table.metadata):
        if snapshot.summary is None or snapshot.summary.operation not in (Operation.APPEND, Operation.REPLACE):
            break
        found |= batch_ids(snapshot)
    return frozenset(found)


def batch_ids(snapshot: Snapshot) -> frozenset[str]:
    """The batches that a snapshot added, one or several workers'; none if it is somebody else's."""
    said = _said(snapshot, BATCH_ID)
    return frozenset(said.split(",")) if said else frozenset()


def _said(snapshot: Snapshot, key: str) -> str | None:
    return snapshot.summary.additional_properties.get(key) if snapshot.summary is not None else None


def append_fenced(
    table: Table, batches: Sequence[PartitionBatch], deadline: Deadline, turns: Turns | None = None
) -> Landed:
    """Append the batches of one interval and advance the table's offsets in one commit.

    A partition lands only if the table still stands at its batch's start; one that another worker took over is left out, one
    that is partly there is cut to the rest. The others land all the same.

    Args:
        batches: one a partition.
        deadline: until when to try.
        turns: with those, one of the workers that want to commit at a time commits for all of them.
    Raises:
        Fenced: every partition belongs to another worker now; nothing was written.
        CommitUnknown: the deadline passed and it could not be established that the batches are in the table.
    """
    attempt = _Attempt(table, batches)
    if turns is None:
        return _until(attempt, table, deadline)
    try:
        offer = attempt.offer()
    except OSError as error:
        attempt.last_error = error
        return _until(attempt, table, deadline)
    # by its id and not its name: a Redis may serve several lakes
    with turns.next(str(table.metadata.table_uuid), offer, min(_TURN_PATIENCE_S, deadline.left_s / 2)) as turn:
        if turn.landed:
            return attempt.whole()
        attempt.turn = turn
        return _until(attempt, table, deadline, known=turn.again)


def _until(attempt: "_Attempt", table: Table, deadline: Deadline, known: bool = False) -> Landed:
    """Try until it landed, must not land, or the time is up.

    Args:
        known: try once with the table as it was seen last. If it moved on, the catalog refuses.
    """
    pause = _PAUSE_S
    while True:
        try:
            if not known:
                table.refresh()
            landed = attempt.already_there() or attempt.send()
            if landed is not None:
                return landed
        except (RESTError, RequestException, OSError, CommitFailedException) as error:
            # A refusal, a fault, a time-out: the next look at the table tells which it was.
            attempt.last_error = error
        except Fenced:
            if not known:
                raise
        except Exception as error:
            if not attempt.with_others:
                raise
            log.exception("%s: a commit with what others handed in failed; it is tried without", ".".join(table.name()))
            attempt.last_error, attempt.turn.others = error, list
        if deadline.passed:
            raise CommitUnknown(
                f"{'.'.join(table.name())}: batch {attempt.batch_id} could not be committed in time"
                f" ({type(attempt.last_error).__name__}: {attempt.last_error}). It is dropped and read again from Kafka."
            )
        if not known:
            time.sleep(min(deadline.left_s, random.uniform(pause / 2, pause)))
            pause = min(pause * 2, _LONGEST_PAUSE_S)
        known = False


class _Attempt:
    """One batch id on its way into one table, over as many tries as it takes."""

    def __init__(self, table: Table, batches: Sequence[PartitionBatch]) -> None:
        self._table = table
        self._batches = batches
        self.batch_id = str(uuid.uuid4())
        self.last_error: Exception | None = None
        self.turn = Turn()
        self.with_others = False
        self._file: tuple[tuple[tuple[PartitionId, int], ...], DataFile | None] | None = None
        self._sent = False
        self._cut: frozenset[PartitionId] = frozenset()
        self._fenced: frozenset[PartitionId] = frozenset()

    def already_there(self) -> Landed | None:
        """What an earlier try did after all, though its answer was lost; looked for in all snapshots."""
        if not self._sent:
            return None
        for snapshot in reversed(self._table.metadata.snapshots):
            held = batch_ids(snapshot)
            if self.batch_id in held:
                self.turn.answer(held - {self.batch_id}, True)
                then = Positions.loads(_said(snapshot, POSITIONS))
                # one that any try left out may stand there by somebody else's rows
                mine = [b for b in self._batches if b.partition not in self._fenced]
                next_offsets = {b.partition: b.next for b in mine if then.next.get(b.partition) == b.next}
                fenced = frozenset(b.partition for b in self._batches) - next_offsets.keys()
                return Landed(next_offsets, fenced, 0, self.batch_id, self._cut)
        return None

    def send(self) -> Landed | None:
        """Try once on the table as it stands.

        What is compared and what is asserted is one state of it, whoever else looks at the table meanwhile.
        """
        seen = _frozen(self._table)
        stands = positions(seen)
        fitting = [cut for b in self._batches if (cut := _fit(b, stands)) is not None]
        fenced = frozenset(b.partition for b in self._batches) - {b.partition for b in fitting}
        self._fenced |= fenced
        given = {b.partition: b for b in self._batches}
        self._cut |= {b.partition for b in fitting if b is not given[b.partition]}
        if not fitting:
            raise Fenced(_explain(self._table, self._batches, stands))
        own = self._as_offer(fitting)
        after = stands.advanced({p: (span.first, span.next, span.gaps) for p, span in own.spans.items()})
        with_me, refused = [own], []
        for other in self.turn.others():
            further = other.added_to(after) if other.lies_in(seen.location()) else None
            if further is None:
                refused.append(other.batch_id)
            else:
                with_me.append(other)
                after = further
        self.turn.answer(refused, False)
        self.with_others = len(with_me) > 1
        self._sent = True
        _commit(seen, with_me, after)
        self._table.metadata, self._table.metadata_location = seen.metadata, seen.metadata_location
        self.turn.answer([offer.batch_id for offer in with_me[1:]], True)
        rows = sum(len(b.rows) for b in fitting)
        return Landed({b.partition: b.next for b in fitting}, fenced, rows, self.batch_id, self._cut)

    def offer(self) -> Offer:
        """All batches as they are, for another worker to commit. From now on they may land at any time.

        Raises:
            OSError: S3 did not take the file.
        """
        offer = self._as_offer(self._batches)
        self._sent = True
        return offer

    def whole(self) -> Landed:
        """What it is when all of the offer has landed."""
        rows = sum(len(b.rows) for b in self._batches)
        return Landed({b.partition: b.next for b in self._batches}, frozenset(), rows, self.batch_id)

    def _as_offer(self, parts: Sequence[PartitionBatch]) -> Offer:
        """Parts of the batches with their rows in a file, which is written once as long as the parts are the same."""
        key = tuple((b.partition, b.first) for b in parts)
        filled = [b.rows for b in sorted(parts, key=lambda b: b.partition) if len(b.rows)]
        if self._file is None or self._file[0] != key:
            file = data_files.write(self._table, pa.concat_tables(filled), DAY_OF) if filled else None
            self._file = (key, file)
        spans = {b.partition: Span(b.first, b.next, b.gaps, b.start) for b in parts}
        at = filled[0][DAY_OF][0].value if filled else None
        return Offer(self.batch_id, spans, self._file[1], at)


def _commit(table: Table, offers: Sequence[Offer], after: Positions) -> None:
    """Send one commit of some offers; it asserts the snapshot that was looked at.

    Raises:
        CommitFailedException: the table moved on; nothing happened. Anything else may have happened or not.
    """
    transaction = OneChange(table)
    told = after.dumps()
    said = {POSITIONS: told, BATCH_ID: ",".join(offer.batch_id for offer in offers)}
    times = [offer.ingested_at for offer in offers if offer.ingested_at is not None]
    if times:
        said[INGESTED_AT] = str(min(times))
    append = MergeAppend(transaction, said)
    for offer in offers:
        if offer.file is not None:
            append.append_data_file(offer.file)
    append.commit()
    transaction.set_properties({POSITIONS: told, POSITIONS_AT: str(table.metadata.next_sequence_number())})
    transaction.send()


def _frozen(table: Table) -> Table:
    """The table as it was last seen, which no other thread refreshes."""
    return Table(table.name(), table.metadata, table.metadata_location, table.io, table.catalog, table.config)


def _fit(batch: PartitionBatch, stands: Positions) -> PartitionBatch | None:
    """The part of a batch that the table lacks, if it follows on what is there; None if it must not land."""
    at = stands.next.get(batch.partition)
    if at is None:
        # Unknown to the table: only the very first batch may land, or what came before it would be lost unseen.
        return batch if batch.first == batch.start else None
    return batch.since(at) if batch.first <= at < batch.next else None


def _explain(table: Table, batches: Sequence[PartitionBatch], stands: Positions) -> str:
    name = ".".join(table.name())
    where = "; ".join(
        f"[{b.partition.partition}]@{b.first}..{b.next}: the table stands at {stands.next.get(b.partition)}"
        for b in batches
    )
    return f"{name}{where}; another worker took over. This batch is dropped; nothing was lost."


class OneTry(Transaction):
    """A transaction sent once, without PyIceberg's own retry (which appends again on a new head, unvalidated), and that
    works out its metadata once a change instead of at every access (a deep copy of all snapshots)."""

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        self._seen: tuple[Any, TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        """The metadata with this transaction's updates."""
        if self._seen is None or self._seen[0] is not self._updates:
            self._seen = (self._updates, super().table_metadata)
        return self._seen[1]

    def send(self) -> None:
        """Send the updates, asserting table and parent snapshot.

        Raises:
            CommitFailedException: the table moved on; nothing happened.
        """
        requirements = (*self._requirements, AssertTableUUID(uuid=self._table.metadata.table_uuid))
        self._table._do_commit(updates=self._updates, requirements=requirements)


class OneChange(OneTry):
    """A transaction whose changes do not depend on each other: each is asked for the table as it was before all of them.

    To work out the metadata after a change PyIceberg makes a deep copy of all snapshots.
    """

    @property
    def table_metadata(self) -> TableMetadata:
        """The metadata without this transaction's updates."""
        return self._table.metadata
