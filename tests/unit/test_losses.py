"""Losses that somebody took notice of, told apart from those of which nobody did."""

from datetime import UTC, datetime

from catalog.losses import Loss, unacknowledged
from catalog.offsets import Gap, PartitionId, Positions
from catalog.snapshots import TableState
from lakehouse.audit.topics import bronze_losses
from streams.topics import LogRange

P, Q = PartitionId("t", 0), PartitionId("t", 1)
LOGS = {P: LogRange(0, 500), Q: LogRange(0, 50)}
AT = datetime(2026, 11, 28, tzinfo=UTC)


def loss(first: int, following: int, partition: PartitionId = P) -> Loss:
    return Loss(partition, first, following, AT, "a test")


def test_a_loss_is_known_once_all_of_it_was_taken_notice_of() -> None:
    gap = Gap(10, 20, True)
    positions = Positions({P: 30}, {P: 0}, {P: (Gap(3, 5, False), gap)})
    assert unacknowledged(positions.lost, []) == [(P, gap)]
    assert unacknowledged(positions.lost, [loss(10, 19)]) == [(P, gap)]
    assert unacknowledged(positions.lost, [loss(10, 20, Q)]) == [(P, gap)]
    assert unacknowledged(positions.lost, [loss(10, 20)]) == []


def test_a_loss_that_grew_is_unknown_again() -> None:
    positions = Positions({P: 40}, {P: 0}, {P: (Gap(10, 30, True),)})
    assert unacknowledged(positions.lost, [loss(10, 20)]) == [(P, Gap(10, 30, True))]
    assert loss(10, 20).within(loss(10, 30))
    assert not loss(10, 30).within(loss(10, 20))
    assert loss(10, 20).covers(P, Gap(15, 30, True)) == 5


def test_bronze_alone_lacks_what_silver_has_and_kafka_no_longer() -> None:
    silver = Positions({P: 100, Q: 50}, {}, {P: (Gap(5, 9, True),)})
    bronze = Positions({P: 100, Q: 40}, {}, {P: (Gap(5, 9, True), Gap(60, 70, True))})
    alone = [(P, Gap(60, 70, True))]
    assert bronze_losses(silver, TableState(1, bronze, AT), LOGS) == alone
    assert bronze_losses(silver, TableState(1, bronze, AT), {}) == [*alone, (Q, Gap(40, 50, True))]
    assert bronze_losses(silver, TableState(1, bronze, AT, (loss(60, 70),)), LOGS) == []


def test_bronze_alone_lacks_the_beginning_that_kafka_forgot_before_its_first_commit() -> None:
    silver = Positions({P: 500, Q: 50}, {P: 3, Q: 0})
    late = TableState(1, Positions({P: 500}, {P: 300}), AT)
    assert bronze_losses(silver, late, LOGS) == [(P, Gap(3, 300, True))]
    assert bronze_losses(silver, TableState(1, Positions(), AT), LOGS) == []
    gone = {P: LogRange(500, 500), Q: LogRange(40, 60)}
    assert bronze_losses(silver, TableState(1, Positions(), AT), gone) == [(P, Gap(3, 500, True))]
    none = bronze_losses(silver, TableState(1, Positions(), AT), {})
    assert none == [(P, Gap(3, 500, True)), (Q, Gap(0, 50, True))]
