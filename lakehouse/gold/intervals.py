"""What a build takes of a silver table: rows between two vectors of offsets, as of one snapshot."""

from dataclasses import dataclass
from datetime import datetime

from catalog.offsets import Offsets, PartitionId, between


@dataclass(frozen=True)
class Interval:
    """The accepted rows of one silver table that are new to one gold table.

    Attributes:
        snapshot_id: the snapshot that is read; None if the table has none.
        start, end: per topic id and partition the first new offset and the one after the last; a partition without a
            start is new from its beginning.
        ingested_from: no new row was written before it; None if that is not known.
        without: half-open ranges of offsets that are left out of what is new (see `lakehouse.gold.aside`).
    """

    source: str
    snapshot_id: int | None
    start: Offsets
    end: Offsets
    ingested_from: datetime | None = None
    without: tuple[tuple[PartitionId, int, int], ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing new."""
        return all(self.start.get(p, 0) >= end for p, end in self.end.items())

    def new(self, by_offsets_alone: bool = False) -> str:
        """A relation of the new accepted rows.

        Args:
            by_offsets_alone: leave out the bound on `ingested_at`, as a check must that is to find it wrong.
        """
        bound = ""
        if self.ingested_from is not None and not by_offsets_alone:
            bound = f" and ingested_at >= timestamp '{self.ingested_from:%Y-%m-%d %H:%M:%S.%f} UTC'"
        for partition, first, end in self.without:
            bound += f" and not {between({partition: first}, {partition: end})}"
        return self._relation(between(self.start, self.end) + bound)

    def upto(self) -> str:
        """A relation of all accepted rows up to the end."""
        return self._relation(between({}, self.end))

    def _relation(self, condition: str) -> str:
        if self.snapshot_id is None:
            return f"(select * from iceberg.silver.{self.source} where false)"
        table = f"iceberg.silver.{self.source} for version as of {self.snapshot_id}"
        return f"(select * from {table} where not is_rejected and {condition})"
