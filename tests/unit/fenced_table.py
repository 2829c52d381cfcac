"""A table behind the fence, in memory: what `catalog.fenced.FencedTable` promises, without a server."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from catalog.commit import Landed, PartitionBatch
from catalog.offsets import PartitionId, Positions
from lakehouse.deadline import Deadline
from lakehouse.errors import CommitUnknown, Fenced


class MemoryTable:
    """Rows and positions; other workers' tables are this same object."""

    def __init__(self) -> None:
        self.commits: list[pa.Table] = []
        self.answers = True
        self.read_back: list[dict[PartitionId, tuple[int, int]]] = []
        self.ids: list[str] = []
        self._positions = Positions()

    def positions(self) -> Positions:
        return self._positions

    def append(self, batches: Sequence[PartitionBatch], deadline: Deadline) -> Landed:
        """Land what follows on what is here, cut to what is missing."""
        if not self.answers:
            raise CommitUnknown("the catalog did not answer")
        fitting = []
        for batch in batches:
            at = self._positions.next.get(batch.partition, batch.start)
            if at is not None and batch.first <= at < batch.next:
                fitting.append(batch.since(at))
        if not fitting:
            raise Fenced("another worker took over")
        self._positions = self._positions.advanced({b.partition: (b.first, b.next, b.gaps) for b in fitting})
        rows = [b.rows for b in fitting if len(b.rows)]
        if rows:
            self.commits.append(pa.concat_tables(rows))
        fenced = frozenset(b.partition for b in batches) - {b.partition for b in fitting}
        given = {b.partition: b for b in batches}
        cut = {b.partition for b in fitting if b is not given[b.partition]}
        self.ids.append(f"batch {len(self.ids)} of {id(self)}")
        next_offsets = {b.partition: b.next for b in fitting}
        return Landed(next_offsets, fenced, sum(map(len, rows)), self.ids[-1], frozenset(cut))

    def batches(self) -> frozenset[str]:
        """The batches that came to stay."""
        return frozenset(self.ids)

    def last_accepted(
        self, ranges: Mapping[PartitionId, tuple[int, int]], count: int
    ) -> Iterator[tuple[PartitionId, int, pl.DataFrame]]:
        """The last accepted events of partitions within offsets."""
        if read := {partition: wanted for partition, wanted in ranges.items() if wanted[0] < wanted[1]}:
            self.read_back.append(read)
        for partition, (begin, end) in ranges.items():
            if not self.commits:
                nothing = pl.DataFrame(schema={"event_id": pl.String, "kafka_timestamp": pl.Datetime("us", "UTC")})
                yield partition, begin, nothing
                continue
            mine = (pl.col("kafka_topic_id") == partition.topic_id) & (pl.col("kafka_partition") == partition.partition)
            within = (pl.col("kafka_offset") >= begin) & (pl.col("kafka_offset") < end)
            last = self.frame.filter(mine & within & ~pl.col("is_rejected")).sort("kafka_offset").tail(count)
            first = begin if len(last) < count else int(last["kafka_offset"][0])
            yield partition, first, last.select("event_id", "kafka_timestamp")

    def roll_back(self, positions: Positions) -> None:
        """Go back by one commit."""
        self._positions = positions
        self.ids[-1] += ", rolled back"
        del self.commits[-1]

    @property
    def frame(self) -> pl.DataFrame:
        """All rows in commit order."""
        return pl.DataFrame(pl.from_arrow(pa.concat_tables(self.commits)))

    def offsets(self, partition: int = 0) -> list[int]:
        """A partition's offsets as they lie in the table."""
        if not self.commits:
            return []
        return self.frame.filter(pl.col("kafka_partition") == partition)["kafka_offset"].to_list()

    def column(self, name: str) -> list[Any]:
        """One column of all rows."""
        return self.frame[name].to_list()
