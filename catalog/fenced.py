"""One table behind the fence: where it stands, appending to it, reading back what state needs."""

import logging
from collections.abc import Iterator, Mapping, Sequence

import polars as pl
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.table import Table

from catalog import scan
from catalog.client import ensure_table
from catalog.commit import DAY_OF, Landed, PartitionBatch, append_fenced, batches_in, positions
from catalog.faults import answering
from catalog.offsets import PartitionId, Positions
from catalog.schemas import Column
from catalog.turns import Turns
from lakehouse.deadline import Deadline

log = logging.getLogger(__name__)


class FencedTable:
    """A bronze or silver table that is only ever appended to through the fence."""

    def __init__(self, table: Table, turns: Turns | None = None) -> None:
        self._table = table
        self._turns = turns

    @classmethod
    def ensure(
        cls, client: RestCatalog, name: str, columns: tuple[Column, ...], doc: str, turns: Turns | None = None
    ) -> "FencedTable":
        """The table, created or evolved to these columns.

        Args:
            turns: where workers that commit to it take turns; None: each commits for itself.
        """
        return cls(ensure_table(client, name, columns, DAY_OF, doc), turns)

    @property
    def name(self) -> str:
        """Namespace and table."""
        return ".".join(self._table.name())

    def positions(self) -> Positions:
        """Where the table stands now. If it was made anew since, appends are to the new one from here on.

        Raises:
            Retry: the catalog does not answer.
        """
        table = self._now()
        if table.metadata.table_uuid != self._table.metadata.table_uuid:
            log.warning("%s was made anew: it is filled from where it says that it stands", self.name)
            self._table = table
        return positions(table)

    def append(self, batches: Sequence[PartitionBatch], deadline: Deadline) -> Landed:
        """See `append_fenced`."""
        return append_fenced(self._table, batches, deadline, self._turns)

    def batches(self) -> frozenset[str]:
        """See `batches_in`; as the table stands now.

        Raises:
            Retry: the catalog does not answer.
        """
        return batches_in(self._now())

    def last_accepted(
        self, ranges: Mapping[PartitionId, scan.Range], count: int
    ) -> Iterator[tuple[PartitionId, int, pl.DataFrame]]:
        """See `scan.last_accepted`."""
        with answering(self.name):
            yield from scan.last_accepted(self._now(), ranges, count)

    def accepted_records(self, columns: list[str]) -> pl.DataFrame:
        """See `scan.accepted_records`."""
        with answering(self.name):
            return scan.accepted_records(self._now(), columns)

    def _now(self) -> Table:
        """The table as it stands, as an object of its own: the one that commits belongs to whoever commits.

        Raises:
            Retry: the catalog does not answer.
        """
        with answering(self.name):
            return self._table.catalog.load_table(self._table.name())
