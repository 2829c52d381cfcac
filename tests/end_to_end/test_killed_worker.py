"""Exactly once under kill -9: the worker dies twice in the middle of a stream."""

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

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
