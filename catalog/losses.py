"""Lost offsets that an operator has taken notice of, as a property of the silver table that lacks them."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.table import Table

from catalog.faults import answering
from catalog.offsets import Gap, PartitionId

ACKNOWLEDGED = "lakehouse.acknowledged-losses"


@dataclass(frozen=True)
class Loss:
    """A half-open range of offsets that are lost, who of them took notice when, and why they are."""

    partition: PartitionId
    first: int
    next: int
    at: datetime
    why: str

    def covers(self, partition: PartitionId, gap: Gap) -> int:
        """How many offsets of a gap it is about."""
        return max(0, min(self.next, gap.next) - max(self.first, gap.first)) if partition == self.partition else 0

    def within(self, other: "Loss") -> bool:
        """Whether another one is about all of it."""
        return self.partition == other.partition and other.first <= self.first and self.next <= other.next


def acknowledged(table: Table) -> tuple[Loss, ...]:
    """What an operator has taken notice of."""
    raw = json.loads(table.properties.get(ACKNOWLEDGED, "[]"))
    return tuple(
        Loss(PartitionId(topic_id, partition), first, following, datetime.fromtimestamp(at, UTC), why)
        for topic_id, partition, first, following, at, why in raw
    )


def acknowledge(client: RestCatalog, name: str, losses: Iterable[Loss]) -> None:
    """Add to what was taken notice of; a range that lies within a new one is taken up by it.

    Raises:
        Retry: the catalog does not answer.
    """
    with answering(name):
        table = client.load_table(name)
        new = tuple(losses)
        kept = [old for old in acknowledged(table) if not any(old.within(one) for one in new)]
        every = sorted([*kept, *new], key=lambda loss: (loss.partition, loss.first))
        said = [[*one.partition, one.first, one.next, one.at.timestamp(), one.why] for one in every]
        with table.transaction() as transaction:
            transaction.set_properties({ACKNOWLEDGED: json.dumps(said)})


def unacknowledged(lost: Iterable[tuple[PartitionId, Gap]], known: Collection[Loss]) -> list[tuple[PartitionId, Gap]]:
    """Lost ranges of which some offsets were not taken notice of."""
    return [(p, gap) for p, gap in lost if sum(one.covers(p, gap) for one in known) < gap.next - gap.first]
