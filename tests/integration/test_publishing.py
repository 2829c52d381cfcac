"""Publishing to a real Kafka."""

from datetime import UTC, datetime

import polars as pl
import pytest
from confluent_kafka import Consumer, TopicPartition

from lakehouse import kafka_access
from lakehouse.settings import settings
from sources.publish import Publisher
from sources.topics import ensure_topic


@pytest.mark.stack
@pytest.mark.usefixtures("stack")
def test_messages_arrive_in_order_a_null_apart_from_an_empty_one() -> None:
    topic = f"publishing-{datetime.now(UTC).timestamp():.0f}"
    ensure_topic(topic)
    frame = pl.DataFrame(
        {"key": ["01012345678"] * 4, "value": [b"1", None, b"", b"4"]}, schema={"key": pl.String, "value": pl.Binary}
    )
    with Publisher() as publisher:
        publisher.send_frame(topic, frame)
    assert publisher.delivered == 4
    consumer = Consumer({**kafka_access.librdkafka(settings()), "group.id": topic})
    try:
        partitions = consumer.list_topics(topic).topics[topic].partitions
        assert len(partitions) == settings().kafka_partitions
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        messages = consumer.consume(4, timeout=20)
    finally:
        consumer.close()
    assert [message.value() for message in messages] == [b"1", None, b"", b"4"]
    assert {message.timestamp()[0] for message in messages} == {2}, "the time at which Kafka took it"
