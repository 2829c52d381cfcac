"""A table as its files and snapshots show it, read without any of the program's own counts: for `lakehouse verify`."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.table import ALWAYS_TRUE, FileScanTask, Table
from pyiceberg.table.snapshots import ancestors_of

from catalog.commit import POSITIONS, batch_ids, positions
from catalog.faults import answering
from catalog.offsets import PartitionId, Positions
from catalog.portions import portions
from catalog.scan import Range, rows_between

COLUMNS = ("kafka_topic_id", "kafka_partition", "kafka_offset")
# Rows that are in memory at once: 30 bytes each.
_ROWS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Piece:
    """Lineage columns of some files."""

    files: int
    rows: pl.DataFrame


class Standing:
    """One table at one snapshot."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.positions: Positions = positions(table)

    @classmethod
    def of(cls, client: RestCatalog, name: str) -> "Standing | None":
        """The table as it stands now; None if there is none.

        Raises:
            Retry: the catalog does not answer.
        """
        try:
            with answering(name):
                return cls(client.load_table(name))
        except NoSuchTableError:
            return None

    @property
    def has_rows(self) -> bool:
        """Whether a snapshot of it has any file."""
        found = self._table.current_snapshot()
        said = found.summary.additional_properties if found is not None and found.summary is not None else {}
        return found is not None and said.get("total-records") != "0"

    def pieces(self, condition: str = "", also: tuple[str, ...] = ()) -> Iterator[Piece]:
        """The lineage columns of all rows, row-level deletes applied, a number of files at a time.

        Args:
            condition: which rows, as PyIceberg reads conditions; empty: all.
            also: more columns.
        Raises:
            Retry: the catalog or S3 does not answer, or a file went away meanwhile (an expired snapshot).
        """
        if self._table.current_snapshot() is None:
            return
        with answering(".".join(self._table.name())):
            reader, files = self._scanned(condition, also)
            for tasks in portions(files, lambda task: task.file.record_count, _ROWS_AT_ONCE):
                yield Piece(len(tasks), pl.DataFrame(pl.from_arrow(reader.to_table(tasks))))

    def batches(self, also: tuple[str, ...]) -> Iterator[Piece]:
        """As `pieces`, with columns that may be large: file by file, and of a large file some rows at a time."""
        if self._table.current_snapshot() is None:
            return
        with answering(".".join(self._table.name())):
            reader, files = self._scanned("", also)
            for task in files:
                begun = 1
                for batch in reader.to_record_batches([task]):
                    yield Piece(begun, pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch]))))
                    begun = 0

    def between(self, ranges: Mapping[PartitionId, Range], also: tuple[str, ...]) -> pl.DataFrame:
        """Lineage and other columns of all rows within ranges of offsets, in any order.

        Raises:
            Retry: the catalog or S3 does not answer.
        """
        with answering(".".join(self._table.name())):
            return rows_between(self._table, ranges, (*COLUMNS, *also))

    def _scanned(self, condition: str, also: tuple[str, ...]) -> tuple[ArrowScan, Iterable[FileScanTask]]:
        scan = self._table.scan(condition or ALWAYS_TRUE, selected_fields=(*COLUMNS, *also))
        reader = ArrowScan(self._table.metadata, self._table.io, scan.projection(), scan.row_filter)
        return reader, scan.plan_files()

    def contradictions(self) -> list[str]:
        """What the snapshots say of themselves that can't be: a batch that landed twice, offsets that went back."""
        found: list[str] = []
        seen: set[str] = set()
        later: Positions | None = None
        for snapshot in ancestors_of(self._table.current_snapshot(), self._table.metadata):
            said = snapshot.summary.additional_properties if snapshot.summary is not None else {}
            added = batch_ids(snapshot)
            found += [f"batch {b} was committed twice, again by snapshot {snapshot.snapshot_id}" for b in added & seen]
            seen |= added
            if POSITIONS in said:
                then = Positions.loads(said[POSITIONS])
                back = [p for p, at in then.next.items() if later is not None and later.next.get(p, 0) < at]
                found += [f"{p.topic_id}[{p.partition}] went back after snapshot {snapshot.snapshot_id}" for p in back]
                later = then
        return found
