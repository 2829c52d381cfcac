"""Exactly once under kill -9: the worker dies twice in the middle of a stream."""

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from lakehouse.settings import settings

pytestmark = pytest.mark.stack

EVENTS = 60_000
RATE = 6_000


def _worker_pid(lakehouse: Any) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        done = subprocess.run(
            [sys.executable, "-m", "lakehouse.cli.main", "status", "--json"],
            capture_output=True,
            text=True,
            check=False,
        )
        for server in json.loads(done.stdout)["servers"]:
            if server["name"] == "worker-0" and server["state"] == "up" and server["pid"]:
                return int(server["pid"])
        time.sleep(0.5)
    raise AssertionError("the worker did not come back within a minute")


def test_a_worker_killed_twice_leaves_every_offset_once(lakehouse: Any, settled: Any, trino: Any) -> None:
    before = settled()["sources"]["calls"]
    command = [sys.executable, "-m", "lakehouse.cli.main", "generate", "--events", str(EVENTS), "--rate", str(RATE)]
    command += ["--sources", "calls", "--no-reference", "--users", "400", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as publishing:
        for _ in range(2):
            time.sleep(3)
            os.kill(_worker_pid(lakehouse), signal.SIGKILL)
        said, _ = publishing.communicate(timeout=120)
    expected = json.loads(said)["expected"]["calls"]
    after = settled()["sources"]["calls"]
    for count in ("produced", "accepted", "rejected", "duplicates"):
        assert after[count] - before[count] == expected[count], count
    assert after["gold"] == after["clickhouse"] == after["accepted"]
    assert after["bronze"] == after["produced"]
    for table in ("silver.calls", "bronze.calls"):
        for row in trino(
            "select kafka_partition, count(*) as rows, count(distinct kafka_offset) as offsets, max(kafka_offset) + 1 as stands"
            f" from {table} group by kafka_topic_id, kafka_partition"
        ):
            assert row["rows"] == row["offsets"] == row["stands"], (table, row)


def test_a_worker_that_was_killed_reads_partitions_that_came_meanwhile(lakehouse: Any, settled: Any) -> None:
    """Started again it has its former place in the group, but does not know that it leads it (KIP-814)."""
    before, topic = settled()["sources"]["support"], settings().topic("support")
    kafka = {"bootstrap.servers": settings().kafka_bootstrap}
    admin = AdminClient(kafka)
    count = len(admin.list_topics(topic, timeout=10).topics[topic].partitions)
    os.kill(_worker_pid(lakehouse), signal.SIGKILL)
    admin.create_partitions([NewPartitions(topic, count + 1)])[topic].result()
    producer = Producer({**kafka, "topic.metadata.refresh.interval.ms": 500})
    while len(producer.list_topics(topic, timeout=10).topics[topic].partitions) == count:
        time.sleep(0.2)
    for _ in range(10):
        producer.produce(topic, b"not JSON", partition=count)
    assert producer.flush(30) == 0
    after = settled()["sources"]["support"]
    assert after["produced"] - before["produced"] == after["rejected"] - before["rejected"] == 10
    assert after["bronze"] == after["produced"]
