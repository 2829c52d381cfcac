"""Rows that a fact's SQL can't take: found by halving, set aside with the reason, told until the table is made anew.

One row whose values make an expression fail (a division by zero, a text longer than Trino joins) fails the whole statement,
and with it every build of its fact for good, for all rows behind it. So when a load fails, parts of what it was to load are
tried by themselves. What fails alone is left out, and the rest is loaded: the build's check that every accepted row was loaded
then says how many are missing, the audit does not balance, and `status` names them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from catalog.offsets import PartitionId
from lakehouse.gold.builds import Build
from lakehouse.gold.intervals import Interval

# A hundred rows of two million are found with so many tries, of which most take a few tenths of a second. Once they are used
# up, what is not cut down yet is set aside as a range: nothing stops a fact.
_TRIES = 4_000
Evaluate = Callable[[Mapping[str, Interval]], str | None]
"""Works out all columns of some rows; gives why that fails, None if it does not."""


@dataclass(frozen=True)
class Aside:
    """Offsets of one partition whose rows are not loaded, half-open, with the engine's reason."""

    source: str
    topic_id: str
    partition: int
    first: int
    next: int
    reason: str

    def sentence(self, table: str) -> str:
        """What a person must know."""
        count = self.next - self.first
        where = f"{self.source}[{self.partition}]@{self.first}" + (f"..{self.next - 1}" if count > 1 else "")
        return (
            f"{table}: {where} is not in it, since its SQL fails there ({self.reason}). Mend the model, then"
            f" `lakehouse build --full --only {table}` takes it in"
        )


def find(evaluate: Evaluate, intervals: Mapping[str, Interval], tries: int = _TRIES) -> list[Aside]:
    """What of some intervals fails by itself; nothing if the statement fails without any row, or only with all together."""
    if evaluate({source: replace(i, start=i.end) for source, i in intervals.items()}) is not None:
        return []
    found: list[Aside] = []
    for source, interval in intervals.items():
        waiting = [(p, interval.start.get(p, 0), end) for p, end in interval.end.items()]
        while waiting:
            partition, first, end = waiting.pop()
            if first >= end:
                continue
            part = replace(interval, start={partition: first}, end={partition: end})
            reason = evaluate({**intervals, source: part})
            tries -= 1
            if reason is None:
                continue
            if end - first == 1 or tries <= 0:
                found.append(Aside(source, partition.topic_id, partition.partition, first, end, reason))
                continue
            middle = (first + end) // 2
            waiting += [(partition, middle, end), (partition, first, middle)]
    return found


def without(intervals: Mapping[str, Interval], aside: Sequence[Aside]) -> dict[str, Interval]:
    """The intervals, less what is set aside."""
    return {
        source: replace(
            interval,
            without=tuple((PartitionId(a.topic_id, a.partition), a.first, a.next) for a in aside if a.source == source),
        )
        for source, interval in intervals.items()
    }


def standing(builds: Sequence[Build]) -> dict[str, list[Aside]]:
    """By table what is set aside now: of all builds since the last that made the table anew."""
    found: dict[str, list[Aside]] = {}
    for build in builds:
        for table, result in (build.results or {}).items():
            if build.full and table in build.plan and result.error is None:
                found.pop(table, None)
            if result.aside:
                found.setdefault(table, []).extend(Aside(**one) for one in result.aside)
    return found
