"""Silver made again from the messages in bronze, and held against what is there: `lakehouse verify --from-bronze`.

Rows are a function of the messages and the contract, duplicates of all messages before: so each partition is gone through from
its first offset on. Left out is what depends on when an event arrived: what reference records said then (enrichment, `unknown:`
warnings), when it was written, and `raw_value`, which is kept while bronze is switched off. Rows whose message bronze does not
have can't be made again: that is told (`Proof.passed_over`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pyarrow as pa

from catalog.client import Catalog
from catalog.lineage import Standing
from catalog.offsets import PartitionId
from lakehouse.audit.verify import Progress, Proof
from lakehouse.settings import Settings
from streams import silver
from streams.batch import RawBatch
from streams.contract import Contract, contracts
from streams.duplicates import DuplicateWindow
from streams.enrich import nothing_known
from streams.silver import SilverWriter

# Offsets of a partition that are read at first, then as many as bring so many bytes of messages of all partitions.
_OFFSETS_AT_FIRST, _BYTES_AT_ONCE = 2_000, 128 * 1024 * 1024
_PLACE = ("kafka_topic_id", "kafka_partition", "kafka_offset")
_MESSAGE = ("kafka_topic", "kafka_timestamp", "key", "value")
_OF_THE_MOMENT = {"raw_value", "ingested_at"}
_THERE = "_there"


def proofs(settings: Settings, client: Catalog, sources: Sequence[str], progress: Progress) -> Iterator[Proof]:
    """Make each source's rows again, up to where both of its tables stand.

    Raises:
        Retry: a server does not answer.
    """
    for source in sources:
        standing, bronze = (Standing.of(client, f"{layer}.{source}") for layer in ("silver", "bronze"))
        if standing is not None and bronze is not None:
            yield _Again(contracts()[source], settings).proof(standing, bronze, progress)
        elif standing is not None:
            yield Proof(_name(source), passed_over="nothing: there is no bronze")


@dataclass
class _Differing:
    """Rows of which a column is not what bronze gives."""

    place: tuple[str, int, int]
    rows: int = 0


@dataclass
class _Again:
    """A source's rows made anew, some offsets of all partitions at a time."""

    contract: Contract
    settings: Settings
    windows: dict[PartitionId, DuplicateWindow] = field(default_factory=dict)
    differing: dict[str, _Differing] = field(default_factory=dict)
    alone: int = 0

    def __post_init__(self) -> None:
        self._writer = SilverWriter(self.contract, self.settings)
        self._known = nothing_known(contracts())
        looked_up = {e.column for e in self.contract.enrichment if e.reference is not None}
        listed = [c.name for c in silver.columns(self.contract)]
        self._compared = [name for name in listed if name not in {*_PLACE, *looked_up, *_OF_THE_MOMENT}]

    def proof(self, standing: Standing, bronze: Standing, progress: Progress) -> Proof:
        """Compare all of a source."""
        proof = Proof(_name(self.contract.source))
        reach = bronze.positions.next
        # bronze lands some seconds after silver: where it has not been at all yet, or never will be, rows are counted
        ends = {p: min(end, reach.get(p, end)) for p, end in standing.positions.next.items()}
        starts = {p: standing.positions.start.get(p, 0) for p in ends}
        proof.partitions = len(ends)
        at, step = starts, _OFFSETS_AT_FIRST
        while ranges := {p: (first, min(first + step, ends[p])) for p, first in at.items() if first < ends[p]}:
            at = {p: following for p, (_, following) in ranges.items()}
            messages = bronze.between(ranges, _MESSAGE)
            step = _next_step(step, int(messages.estimated_size()))
            rows = standing.between(ranges, tuple(self._compared))
            for partition in ranges:
                proof.rows += self._compare(partition, _of(messages, partition), _of(rows, partition))
                progress(proof.table, 0, proof.rows)
        if self.alone:
            proof.passed_over = f"{self.alone:,} rows without a message in bronze"
        for name, found in self.differing.items():
            topic_id, number, offset = found.place
            first = f"the first at {topic_id}[{number}] {offset}"
            proof.problems.append(f"{found.rows:,} rows have another {name} than their message gives, {first}")
        return proof

    def _compare(self, partition: PartitionId, messages: pl.DataFrame, rows: pl.DataFrame) -> int:
        """Make rows of messages and note where they differ from those there; how many were compared."""
        alone = rows.join(messages, on="kafka_offset", how="anti")
        self.alone += len(alone)
        # what silver passed over is the business of other proofs, and was not there for a later duplicate
        made = self._made(partition, messages.join(rows, on="kafka_offset", how="semi"), alone)
        there = rows.select("kafka_offset", *(pl.col(n).cast(made.schema[n]) for n in self._compared))
        both = _lasting(made).join(_lasting(there), on="kafka_offset", suffix=_THERE)
        unequal = both.select(
            "kafka_offset", *(pl.col(n).ne_missing(pl.col(f"{n}{_THERE}")).alias(n) for n in self._compared)
        )
        for name in self._compared:
            wrong = unequal.filter(name)["kafka_offset"]
            if len(wrong):
                self.differing.setdefault(name, _Differing((*partition, wrong[0]))).rows += len(wrong)
        return len(both)

    def _made(self, partition: PartitionId, messages: pl.DataFrame, alone: pl.DataFrame) -> pl.DataFrame:
        """The rows of a partition's messages.

        Args:
            alone: rows of silver without a message (bronze was switched off); what they accepted counts for duplicates.
        """
        window = self.windows.setdefault(
            partition, DuplicateWindow(self.settings.duplicate_window_events, self.settings.duplicate_window_s)
        )
        accepted = (
            alone.filter(~pl.col("is_rejected")).sort("kafka_offset") if self.contract.is_event else alone.clear()
        )
        before = np.searchsorted(accepted["kafka_offset"].to_numpy(), messages["kafka_offset"].to_numpy())
        made, known = [self._writer.schema.empty_table()], 0
        for part in messages.with_columns(before=before).partition_by("before"):
            count = int(part["before"][0])
            _remember(window, accepted[known:count])
            known = count
            made.append(self._writer.rows(_batch(partition, part), window, self._known).rows)
        _remember(window, accepted[known:])
        return pl.DataFrame(pl.from_arrow(pa.concat_tables(made)))


def _name(source: str) -> str:
    return f"silver.{source} from bronze"


def _remember(window: DuplicateWindow, accepted: pl.DataFrame) -> None:
    if len(accepted):
        window.remember(accepted["event_id"], accepted["kafka_timestamp"])


def _next_step(step: int, nbytes: int) -> int:
    """How many offsets of each partition come next, when the last ones brought so many bytes."""
    return max(1, min(4 * step, step * _BYTES_AT_ONCE // max(1, nbytes)))


def _of(rows: pl.DataFrame, partition: PartitionId) -> pl.DataFrame:
    """A partition's rows in the order of offsets; one that is there twice is told of elsewhere."""
    place = (pl.col("kafka_topic_id") == partition.topic_id) & (pl.col("kafka_partition") == partition.partition)
    return rows.filter(place).unique("kafka_offset", keep="first").sort("kafka_offset")


def _batch(partition: PartitionId, messages: pl.DataFrame) -> RawBatch:
    offsets = messages["kafka_offset"].to_numpy()
    return RawBatch(
        messages["kafka_topic"][0],
        partition,
        int(offsets[0]),
        offsets,
        messages["kafka_timestamp"].cast(pl.Int64).to_numpy(),
        messages["key"].to_arrow().cast(pa.large_binary()),
        messages["value"].to_arrow().cast(pa.large_binary()),
    )


def _lasting(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows without the warnings that depend on what was known when an event arrived; none left is none at all."""
    hint = pl.element().str.starts_with("unknown:")
    kept = pl.col("quality_warnings").list.eval(pl.element().filter(~hint)).list.join(", ").replace("", None)
    return rows.with_columns(quality_warnings=kept)
