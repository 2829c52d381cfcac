"""What Kafka has of each topic beside what silver knows of it: lag, former incarnations of the topic, losses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from catalog.client import Catalog
from catalog.losses import Loss, acknowledge, unacknowledged
from catalog.offsets import Gap, PartitionId, Positions, range_text
from catalog.snapshots import StateReader, TableState
from lakehouse.clock import now
from lakehouse.settings import Settings
from streams.contract import contracts
from streams.topics import LogRange, Topics


@dataclass
class Former:
    """An incarnation of a topic that is no more: what silver has read of it stays."""

    topic_id: str
    partitions: int
    read: int


@dataclass
class TopicState:
    """One source's topic.

    Attributes:
        topic_id: of the present incarnation; None if there is no such topic.
        offered: offsets that Kafka holds now.
        read: offsets of this incarnation that silver has taken in.
        waiting: offsets behind them.
        losses: ranges that retention removed unread, as `source[partition] first..last`.
        unacknowledged: those of them of which nobody took notice.
        bronze_alone: ranges that silver has and bronze never will, of which nobody took notice, written alike.
    """

    source: str
    topic: str
    topic_id: str | None
    partitions: int = 0
    offered: int = 0
    read: int = 0
    waiting: int = 0
    former: list[Former] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    unacknowledged: list[str] = field(default_factory=list)
    bronze_alone: list[str] = field(default_factory=list)


def topic_states(settings: Settings, catalog: Catalog) -> list[TopicState]:
    """The state of each source's topic.

    Raises:
        Retry: Kafka or the catalog does not answer.
    """
    topics, states = Topics(settings), StateReader(catalog)
    present = topics.partitions(settings.topic(source) for source in contracts())
    found = []
    for source in contracts():
        name = settings.topic(source)
        table = states.state(f"silver.{source}")
        silver, partitions = table.positions, present.get(name, [])
        one = TopicState(source, name, partitions[0].topic_id if partitions else None, len(partitions))
        logs = topics.log_ranges(name, partitions) if partitions else {}
        for p, log in logs.items():
            at = silver.next.get(p, log.start)
            one.offered += log.end - log.start
            one.read += at - silver.start.get(p, log.start)
            one.waiting += max(0, log.end - at)
        one.former = _former(silver, one.topic_id)
        one.losses = [range_text(source, p, gap) for p, gap in silver.lost]
        one.unacknowledged = [range_text(source, p, gap) for p, gap in unacknowledged(silver.lost, table.losses)]
        if source not in settings.bronze_off:
            alone = bronze_losses(silver, states.state(f"bronze.{source}"), logs)
            one.bronze_alone = [range_text(source, p, gap) for p, gap in alone]
        found.append(one)
    return found


def bronze_losses(
    silver: Positions, bronze: TableState, logs: Mapping[PartitionId, LogRange]
) -> list[tuple[PartitionId, Gap]]:
    """What bronze alone lacks for good, and nobody took notice of.

    Bronze is written some seconds after silver: a worker that is killed between them, and a message that retention removes, or
    a topic that is deleted, before the next one has read it again. Or it was switched on when Kafka no longer had the
    beginning.

    Args:
        logs: what Kafka has of the topic; nothing if there is no topic.
    """
    stands = bronze.positions
    missing = list(stands.lost)
    for p, following in silver.next.items():
        begin = silver.start.get(p, 0)
        if p in stands.next and begin < stands.start.get(p, 0):
            missing.append((p, Gap(begin, min(stands.start[p], following), True)))
        at = stands.next.get(p, begin)
        if at < following and (p not in logs or following <= logs[p].start):
            missing.append((p, Gap(at, following, True)))
    alone = [
        (p, gap)
        for p, gap in missing
        if not any(p == q and s.first <= gap.first and gap.next <= s.next for q, s in silver.lost)
    ]
    return unacknowledged(alone, bronze.losses)


def _former(silver: Positions, present: str | None) -> list[Former]:
    ids = sorted({p.topic_id for p in silver.next} - {present})
    of = {topic_id: [p for p in silver.next if p.topic_id == topic_id] for topic_id in ids}
    return [
        Former(topic_id, len(mine), sum(silver.next[p] - silver.start.get(p, 0) for p in mine))
        for topic_id, mine in of.items()
    ]


def acknowledge_losses(settings: Settings, catalog: Catalog, sources: Sequence[str], why: str) -> int:
    """Take notice of all losses of some sources; gives how many offsets those are.

    Raises:
        Retry: the catalog does not answer.
    """
    topics, states = Topics(settings), StateReader(catalog)
    offsets = 0
    for source in sources:
        silver, bronze = (states.state(f"{layer}.{source}") for layer in ("silver", "bronze"))
        unknown = {
            "silver": unacknowledged(silver.positions.lost, silver.losses),
            "bronze": bronze_losses(silver.positions, bronze, topics.logs(settings.topic(source))),
        }
        for layer, ranges in unknown.items():
            if ranges:
                acknowledge(catalog, f"{layer}.{source}", [Loss(p, g.first, g.next, now(), why) for p, g in ranges])
                offsets += sum(g.next - g.first for _, g in ranges)
    return offsets
