"""The bench runs: in small, on servers of its own."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest


def _start(tmp_path: Path, *options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "bench.calls", "--events", "3000", "--rounds", "1", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # an address from outside must be left alone: this one would be refused
        env={**os.environ, "TMPDIR": str(tmp_path), "LAKEHOUSE_KAFKA_BOOTSTRAP": "kafka.example:1"},
    )


def _descendants(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.stack
def test_one_command_races_both_on_the_same_topic(tmp_path: Path) -> None:
    process = _start(tmp_path, "--json")
    printed, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    found = json.loads(printed)
    (pair,) = found["rounds"]
    assert pair["worker"]["rows"] == found["events"] == 3000
    assert 2_900 < pair["by_hand"]["rows"] < 3000, "lines that are no JSON object are dropped"
    assert pair["mixed"]["rows"] == 3000
    assert pair["worker"]["commits"] >= 2
    for who in ("worker", "by_hand", "mixed"):
        assert all(pair[who][name] > 0 for name in ("events_per_s", "cpu_s_per_million", "peak_mb"))
    assert not list(tmp_path.iterdir()), "its folder is gone"


@pytest.mark.stack
def test_ctrl_c_leaves_no_process_and_no_folder(tmp_path: Path) -> None:
    process = _start(tmp_path)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("reference")
    running = _descendants(process)
    assert len(running) >= 4, "supervisor, Kafka, SeaweedFS, Redis"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=600)
    assert process.returncode != 0
    limit = time.monotonic() + 10
    while any(one.is_running() for one in running) and time.monotonic() < limit:
        time.sleep(0.1)
    assert not [one for one in running if one.is_running()]
    assert not list(tmp_path.iterdir())


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose name leaves room: a socket's path has 107 bytes at most, and a stack of the bench's own lies in it."""
    with tempfile.TemporaryDirectory(prefix="b") as folder:
        yield Path(folder)


def _json_of(tmp_path: Path, *command: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", *command, "--json"],
        capture_output=True,
        text=True,
        timeout=900,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir()), "its folder is gone"
    return dict(json.loads(done.stdout[done.stdout.index("{") :]))


@pytest.mark.stack
def test_builds_are_timed_against_a_full_one(short_path: Path) -> None:
    found = _json_of(short_path, "bench.build", "--facts", "2000", "--events", "300", "--rounds", "1")
    assert 0 < found["turns"][0]["rows"] < 300, "accepted ones"
    assert found["full"]["rows"] > 2000
    assert found["ratio"] > 0


@pytest.mark.stack
def test_two_workers_race_the_hand_written_loop(short_path: Path) -> None:
    """Flink takes part where somebody has its jars: 300 MB are not fetched for a test."""
    who = ("two workers", "by hand")
    options = [word for name in who for word in ("--only", name)]
    found = _json_of(short_path, "bench.race", "--events", "3000", "--rounds", "1", *options)
    assert {name: len(turns) for name, turns in found["turns"].items()} == dict.fromkeys(who, 1)
    [two], [by_hand] = found["turns"]["two workers"], found["turns"]["by hand"]
    assert two["rows"] == 3000 > by_hand["rows"] > 2900
    assert two["warm_events_per_s"] > 0


@pytest.mark.stack
def test_freshness_is_measured_on_a_whole_stack(short_path: Path) -> None:
    found = _json_of(short_path, "bench.freshness", "--rate", "200", "--seconds", "8", "--warm", "6")
    assert found["events"] > 200
    assert 0 < found["silver_s"]["p50"] <= found["silver_s"]["p99"] <= found["silver_s_at_most"]
    assert {"worker-0", "trino", "kafka", "clickhouse"} <= set(found["cores"])
