"""What a worker hands in for another one to commit: a data file that is written, and the offsets that it accounts for."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.typedef import Record

from catalog.offsets import Gap, PartitionId, Positions

_COUNTS = ("column_sizes", "value_counts", "null_value_counts", "nan_value_counts")
_BOUNDS = ("lower_bounds", "upper_bounds")


@dataclass(frozen=True)
class Span:
    """A partition's part of an offer: the half-open range of offsets, and as of `PartitionBatch` its gaps and start."""

    first: int
    next: int
    gaps: tuple[Gap, ...] = ()
    start: int | None = None

    def fits(self, at: int | None) -> bool:
        """Whether it may land whole on a table that stands there; None: that does not know the partition."""
        return self.first == (self.start if at is None else at)


@dataclass(frozen=True)
class Offer:
    """Rows that wait for a commit.

    Attributes:
        batch_id: under which the snapshot that holds them can be found.
        file: None where the spans hold no event.
        ingested_at: microseconds since 1970 of the file's rows; None without a file.
    """

    batch_id: str
    spans: Mapping[PartitionId, Span]
    file: DataFile | None = None
    ingested_at: int | None = None

    def added_to(self, stands: Positions) -> Positions | None:
        """Where a table stands after this; None if it does not follow on the table with all its partitions."""
        if not all(span.fits(stands.next.get(p)) for p, span in self.spans.items()):
            return None
        return stands.advanced({p: (span.first, span.next, span.gaps) for p, span in self.spans.items()})

    def lies_in(self, location: str) -> bool:
        """Whether its file is one of the table at a location."""
        return self.file is None or self.file.file_path.startswith(f"{location.rstrip('/')}/")

    def dumps(self) -> str:
        """As JSON."""
        spans = [[*p, s.first, s.next, s.start, [list(gap) for gap in s.gaps]] for p, s in self.spans.items()]
        file = None if self.file is None else _dumped(self.file)
        return json.dumps({"batch_id": self.batch_id, "spans": spans, "file": file, "ingested_at": self.ingested_at})

    @classmethod
    def loads(cls, text: str | bytes) -> "Offer":
        """Read what `dumps` wrote.

        Raises:
            ValueError, KeyError, TypeError, AttributeError, RecursionError: it is not that.
        """
        raw = json.loads(text)
        spans = {
            PartitionId(topic_id, partition): Span(first, following, tuple(Gap(*gap) for gap in gaps), start)
            for topic_id, partition, first, following, start, gaps in raw["spans"]
        }
        file = None if raw["file"] is None else _loaded(raw["file"])
        offer = cls(raw["batch_id"], spans, file, raw["ingested_at"])
        offer.check()
        return offer

    def check(self) -> None:
        """See that it accounts for every offset that it would move the table past: each is a row of its file, or in a gap.

        Raises:
            ValueError: it does not, or a number in it can't be.
        """
        rows = 0
        for partition, span in self.spans.items():
            at = span.first
            for gap in span.gaps:
                if not at <= gap.first < gap.next <= span.next:
                    raise ValueError(f"the gap {gap.first}..{gap.next} of {partition} is not in its place")
                rows -= gap.next - gap.first
                at = gap.next
            if not 0 <= span.first < span.next or (span.start is not None and not 0 <= span.start <= span.first):
                raise ValueError(f"{span.first}..{span.next} from {span.start} is no span of {partition}")
            rows += span.next - span.first
        found = 0 if self.file is None else self.file.record_count
        if not self.spans or rows != found or (self.file is not None and self.ingested_at is None):
            raise ValueError(f"it has {found} rows for {rows} offsets that hold an event")


def _dumped(file: DataFile) -> dict[str, Any]:
    """A data file's entry. Only what `data_files.write` sets: day partitions, no keys, no equality deletes."""
    return {
        "path": file.file_path,
        "partition": list(file.partition._data),
        "record_count": file.record_count,
        "size": file.file_size_in_bytes,
        "split_offsets": file.split_offsets,
        **{name: list((getattr(file, name) or {}).items()) for name in _COUNTS},
        **{
            name: [(k, base64.b64encode(v).decode()) for k, v in (getattr(file, name) or {}).items()]
            for name in _BOUNDS
        },
    }


def _loaded(raw: dict[str, Any]) -> DataFile:
    statistics: dict[str, Any] = {
        **{name: {int(k): v for k, v in raw[name]} for name in _COUNTS},
        **{name: {int(k): base64.b64decode(v) for k, v in raw[name]} for name in _BOUNDS},
    }
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=raw["path"],
        file_format=FileFormat.PARQUET,
        partition=Record(*raw["partition"]),
        record_count=raw["record_count"],
        file_size_in_bytes=raw["size"],
        split_offsets=raw["split_offsets"],
        sort_order_id=None,
        equality_ids=None,
        key_metadata=None,
        **statistics,
    )
