"""What the audit says where silver was not read from the topic that it is to be read from."""

from collections.abc import Collection
from typing import Any

from catalog.offsets import PartitionId, Positions
from lakehouse.audit.account import Auditor

OLD, NEW = PartitionId("old", 0), PartitionId("new", 0)


class Topics:
    """A Kafka that has these topics."""

    def __init__(self, **names: str) -> None:
        self._names = names

    def names(self, topic_ids: Collection[str]) -> dict[str, str]:
        return {topic_id: name for topic_id, name in self._names.items() if topic_id in topic_ids}


def strangers(kafka: Topics, offered: Collection[PartitionId], *read: PartitionId) -> list[str]:
    unused: Any = None
    one = Auditor(unused, unused, unused, unused, unused, kafka)  # type: ignore[arg-type]
    return one._strangers("calls", offered, Positions(dict.fromkeys(read, 5)))


def test_a_topic_that_was_made_again_is_no_stranger() -> None:
    assert strangers(Topics(new="calls"), [NEW], OLD, NEW) == []


def test_rows_of_another_topic_that_kafka_still_has_are_told() -> None:
    assert strangers(Topics(new="calls", old="sms"), [NEW], OLD, NEW) == [
        "silver has rows of the topic sms too, and is read from calls now"
    ]
