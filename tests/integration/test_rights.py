"""Who is let in does what is his to do, and nothing else: workers, producers and readers of each server."""

from typing import Any

import pytest
import redis
import requests
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from trino.exceptions import TrinoQueryError

from catalog import client
from lakehouse import kafka_access, redis_access, trino_access
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


def _trino(sql: str, writes: bool = False, **session: str) -> list[list[Any]]:
    with trino_access.connect(settings(), writes=writes, source="a test", session=session) as connection:
        rows: list[list[Any]] = connection.cursor().execute(sql).fetchall()
        return rows


PROCEDURES = (
    "optimize", "optimize_manifests", "expire_snapshots(retention_threshold => '7d')", "drop_extended_stats",
    "remove_orphan_files(retention_threshold => '7d')", "rollback_to_snapshot(1)",
)  # fmt: skip


@pytest.mark.parametrize("procedure", PROCEDURES)
@pytest.mark.parametrize(
    "statement",
    [
        "alter table iceberg.silver.calls execute {}",
        "explain analyze alter table iceberg.silver.calls execute {}",
        "execute immediate 'alter table iceberg.silver.calls execute {quoted}'",
    ],
)
def test_the_reader_runs_no_procedure_of_a_table(stack: Any, statement: str, procedure: str) -> None:
    """Trino's file-based rules do not look at these: a rollback would take rows out of silver and gold."""
    before = client.connect(settings()).load_table("silver.calls").metadata_location
    with pytest.raises(TrinoQueryError) as refused:
        _trino(statement.format(procedure, quoted=procedure.replace("'", "''")))
    assert refused.value.error_name in ("QUERY_REJECTED", "SYNTAX_ERROR", "NOT_SUPPORTED"), refused.value
    assert client.connect(settings()).load_table("silver.calls").metadata_location == before


def test_the_owner_runs_procedures_and_the_reader_reads(stack: Any) -> None:
    _trino("alter table iceberg.silver.calls execute optimize", writes=True)
    assert _trino("select 1") == [[1]]
    assert _trino("show schemas from iceberg")
    assert _trino("explain select 1")
    assert _trino("describe iceberg.silver.calls")


@pytest.mark.parametrize(
    "statement",
    [
        "set session iceberg.remove_orphan_files_min_retention = '0s'",
        "set session iceberg.expire_snapshots_min_retention = '0s'",
        "select * from system.runtime.tasks",
        "select * from system.runtime.transactions",
        "analyze iceberg.silver.calls",
    ],
)
def test_the_reader_lifts_no_bound_and_sees_no_trace_of_others(stack: Any, statement: str) -> None:
    with pytest.raises(TrinoQueryError) as refused:
        _trino(statement)
    assert refused.value.error_name in ("PERMISSION_DENIED", "QUERY_REJECTED")


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
def test_no_page_of_another_origin_is_let_in_by_s3_or_clickhouse(stack: Any, origin: str) -> None:
    ask = {"Origin": origin, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}
    clickhouse = {"X-ClickHouse-User": settings().clickhouse_reader}
    for url, more in ((f"{settings().s3_endpoint}/lakehouse/x", {}), (settings().clickhouse_url, clickhouse)):
        # of ClickHouse a page has to ask first, since it must name who asks in a header
        for method in ("OPTIONS",) if more else ("OPTIONS", "GET"):
            answer = requests.request(method, url, headers={**ask, **more}, timeout=30)
            allowed = answer.headers.get("Access-Control-Allow-Origin", "")
            assert allowed not in ("*", origin), (method, url, dict(answer.headers))
