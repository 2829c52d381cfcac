"""Who is let in does what is his to do, and nothing else: workers, producers and readers of each server."""

from typing import Any

import pytest
import redis
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from catalog import client
from lakehouse import kafka_access, redis_access
from lakehouse.settings import settings
from lakehouse.stack.kafka_users import PRODUCER

pytestmark = pytest.mark.stack


def test_redis_lets_workers_do_their_work_and_nothing_else(stack: Any) -> None:
    with redis_access.client(settings()) as worker:
        worker.set("lakehouse:test:door", "1", ex=5)
        assert int(worker.execute_command("HELLO")[b"version"].split(b".")[0]) >= 9
        for words in (
            "CONFIG GET *", "CONFIG SET dir /tmp", "MODULE LIST", "DEBUG SLEEP 0", "FLUSHALL", "FLUSHDB",
            "EVAL return(1) 0", "KEYS *", "ACL LIST", "SHUTDOWN", "REPLICAOF 127.0.0.1 1", "SAVE", "CLIENT LIST", "MONITOR",
            "SET else 1", "GET else",
        ):  # fmt: skip
            with pytest.raises(redis.exceptions.ResponseError, match=r"permission|not allowed"):
                worker.execute_command(*words.split())
    with redis_access.client(settings().as_reader()) as reader:
        reader.get("lakehouse:references:users:version")
        for words in (
            "SET lakehouse:references:users:version 1",
            "GET lakehouse:turn:x",
            "DEL lakehouse:references:users:version",
        ):
            with pytest.raises(redis.exceptions.NoPermissionError):
                reader.execute_command(*words.split())


def as_producer() -> dict[str, Any]:
    secret = settings().kafka_producer_password
    return kafka_access.librdkafka(
        settings().model_copy(update={"kafka_sasl_username": PRODUCER, "kafka_sasl_password": secret})
    )


def sent(where: dict[str, Any], topic: str) -> str | None:
    """What Kafka says of a message; None if it took it."""
    answers: list[Any] = []
    producer = Producer({**where, "message.timeout.ms": 5000})
    producer.produce(topic, b"{}", on_delivery=lambda error, message: answers.append(error and error.name()))
    producer.flush(10)
    return answers[0] if answers else "_TIMED_OUT"


def read(where: dict[str, Any], topic: str) -> set[str]:
    consumer = Consumer({**where, "group.id": "a-test", "enable.auto.commit": False, "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = {m.error().name() if m.error() else "a message" for m in consumer.consume(1, 10)}
    consumer.close()
    return found


def test_kafka_knows_who_may_send_and_who_may_read(stack: Any) -> None:
    topic = settings().topic("support")
    nobody = {"bootstrap.servers": settings().kafka_bootstrap, "log_level": 0}
    wrong = {**as_producer(), "sasl.password": "wrong"}
    for where in (nobody, wrong):
        with pytest.raises(KafkaException):
            AdminClient(where).list_topics(timeout=3)
    reader = kafka_access.librdkafka(settings().as_reader())
    assert sent(as_producer(), topic) is None
    assert sent(reader, topic) == "TOPIC_AUTHORIZATION_FAILED"
    assert read(reader, topic) <= {"a message", "_PARTITION_EOF"}
    assert read(as_producer(), topic) <= {"TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED"}
    assert read(reader, "__consumer_offsets") & {"a message", "_PARTITION_EOF"} == set()
    member = Consumer({**reader, "group.id": settings().consumer_group})
    member.subscribe([topic])
    assert {m.error().name() for m in member.consume(1, 5)} == {"GROUP_AUTHORIZATION_FAILED"}
    member.close()


def test_the_reader_of_tables_changes_none(stack: Any) -> None:
    catalog = client.connect(settings().as_reader())
    assert {"silver"} <= {name for name, *_ in catalog.list_namespaces()}
    name = next(iter(catalog.list_tables("silver")))
    table = catalog.load_table(name)
    for change in (
        lambda: table.transaction().set_properties({"a": "b"}).commit_transaction(),
        lambda: catalog.drop_table(name),
        lambda: catalog.create_namespace("mine"),
        lambda: table.io.delete(table.metadata_location),
        lambda: table.io.new_output(f"{table.location()}/data/x").create().write(b"x"),
    ):
        with pytest.raises(Exception, match=r"(?i)denied|not authorized|not found|not exist"):
            change()
    assert client.connect(settings()).load_table(name).metadata_location == table.metadata_location
