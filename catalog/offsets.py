"""Offsets as the tables keep them: by topic id and partition, always the next offset to read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class PartitionId(NamedTuple):
    """A partition of one incarnation of a topic: a recreated topic has another id and starts its offsets again."""

    topic_id: str
    partition: int


Offsets = dict[PartitionId, int]


class Gap(NamedTuple):
    """Offsets that were passed without an event, half-open.

    `lost` tells retention (the log began behind them when they were looked for) from compaction and transaction markers.
    """

    first: int
    next: int
    lost: bool


@dataclass(frozen=True)
class Positions:
    """What a table knows of its partitions.

    Attributes:
        next: the next offset to read.
        start: the first offset that was ever to be read, from the first assignment on.
        gaps: the ranges passed without events, in order.
    """

    next: Offsets = field(default_factory=dict)
    start: Offsets = field(default_factory=dict)
    gaps: dict[PartitionId, tuple[Gap, ...]] = field(default_factory=dict)

    @property
    def lost(self) -> list[tuple[PartitionId, Gap]]:
        """The ranges that retention removed before they were read."""
        return [(p, gap) for p, gaps in self.gaps.items() for gap in gaps if gap.lost]

    def dumps(self) -> str:
        """As JSON: `{topic id: {partition: {"next": n, "start": n, "gaps": [[first, next, lost], …]}}}`."""
        topics: dict[str, dict[str, dict[str, object]]] = {}
        for key in sorted(self.next):
            entry: dict[str, object] = {"next": self.next[key], "start": self.start.get(key, 0)}
            if self.gaps.get(key):
                entry["gaps"] = [list(gap) for gap in self.gaps[key]]
            topics.setdefault(key.topic_id, {})[str(key.partition)] = entry
        return json.dumps(topics, separators=(",", ":"))

    @classmethod
    def loads(cls, text: str | None) -> "Positions":
        """Read what `dumps` wrote; nothing is no positions."""
        positions = cls()
        for topic_id, partitions in json.loads(text or "{}").items():
            for partition, entry in partitions.items():
                key = PartitionId(topic_id, int(partition))
                positions.next[key] = entry["next"]
                positions.start[key] = entry["start"]
                if entry.get("gaps"):
                    positions.gaps[key] = tuple(Gap(a, b, bool(lost)) for a, b, lost in entry["gaps"])
        return positions

    def advanced(self, spans: Mapping[PartitionId, tuple[int, int, tuple[Gap, ...]]]) -> "Positions":
        """The positions after the given spans (first, next, gaps passed) were added."""
        after, start, gaps = dict(self.next), dict(self.start), dict(self.gaps)
        for key, (first, following, passed) in spans.items():
            after[key] = following
            start.setdefault(key, first)
            if passed:
                gaps[key] = joined((*gaps.get(key, ()), *passed))
        return Positions(after, start, gaps)


def range_text(source: str, partition: PartitionId, gap: Gap) -> str:
    """A range as people read it: `source[partition] first..last`."""
    return f"{source}[{partition.partition}] {gap.first}..{gap.next - 1}"


def joined(gaps: tuple[Gap, ...]) -> tuple[Gap, ...]:
    """The gaps in order, neighbours of the same kind put together."""
    result: list[Gap] = []
    for gap in sorted(gaps):
        if result and result[-1].next >= gap.first and result[-1].lost == gap.lost:
            result[-1] = Gap(result[-1].first, max(result[-1].next, gap.next), gap.lost)
        else:
            result.append(gap)
    return tuple(result)


def between(start: Offsets, end: Offsets) -> str:
    """A SQL condition on lineage columns: rows from the start offsets (0 where there is none) up to the end offsets."""
    parts = [_range(p, start.get(p, 0), end[p]) for p in sorted(end) if start.get(p, 0) < end[p]]
    return f"({' or '.join(parts)})" if parts else "false"


def _range(partition: PartitionId, first: int, following: int) -> str:
    return (
        f"(kafka_topic_id = '{partition.topic_id}' and kafka_partition = {partition.partition}"
        f" and kafka_offset >= {first} and kafka_offset < {following})"
    )
