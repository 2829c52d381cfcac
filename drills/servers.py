"""Drills on servers: Kafka, Redis, the engines, and the orchestrator between them."""

import errno
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drills.field import DrillFailed, Field, Outcome
from lakehouse import redis_access
from lakehouse.settings import settings

STEPS = (
    ("before-plan", 1), ("after-plan", 1), ("before-statement", 20), ("after-statement", 20), ("before-complete", 1),
    ("after-complete", 1), ("before-copy-statement", 8), ("after-copy-statement", 8),
)  # fmt: skip
"""Where the orchestrator is killed, and up to which time of passing."""


def _killed(field: Field, name: str, rng: random.Random, short: bool) -> Iterator[None]:
    """kill -9 of a server now and then; goes on each time when it is up again."""
    for _ in range(1 if short else 3):
        time.sleep(rng.uniform(1, 4))
        field.kill(name)
        time.sleep(rng.uniform(2, 6))
        field.process(name)
        yield


def broker(field: Field, rng: random.Random, short: bool, outcome: Outcome) -> None:
    """Kafka killed and started again; Kafka that does not answer for a minute."""
    for _ in _killed(field, "kafka", rng, short):
        outcome.count("killed")
    silent = field.process("kafka")
    silent.send(signal.SIGSTOP)
    try:
        time.sleep(15 if short else 60)
    finally:
        silent.send(signal.SIGCONT)
    outcome.count("silent")
    time.sleep(5)


def empty_redis() -> None:
    """Remove every key of the lakehouse; its users may not flush."""
    with redis_access.client(settings()) as server:
        for name in server.scan_iter("lakehouse:*", count=1000):
            server.unlink(name)


def cache(field: Field, rng: random.Random, short: bool, outcome: Outcome) -> None:
    """Redis killed and emptied; workers whose clocks are wrong by five minutes either way."""
    for _ in _killed(field, "redis", rng, short):
        outcome.count("Redis killed")
        empty_redis()
        outcome.count("Redis emptied")
    skew, skewed = field.dir / "skew", field.dir / "skewed"
    try:
        for seconds in (300,) if short else (300, -300):
            skew.write_text(str(seconds))
            skewed.unlink(missing_ok=True)
            field.kill(rng.choice(field.workers()))
            field.until(skewed.exists, "a worker with a wrong clock")
            outcome.count(f"a clock {seconds:+d} s")
            time.sleep(rng.uniform(10, 15))
    finally:
        skew.unlink()
    field.restart_workers()


def engines(field: Field, rng: random.Random, short: bool, outcome: Outcome) -> None:
    """The orchestrator killed at each step of a build and its copies; Trino and ClickHouse killed within statements."""
    for step, most in rng.sample(STEPS, 3) if short else STEPS:
        field.process("orchestrator")
        field.kill_at(step, rng.randint(1, most))
        outcome.count(f"orchestrator killed {step}")
    for _ in range(1 if short else 5):
        field.kill_at("before-statement", rng.randint(1, 20), "trino", rng.uniform(0.02, 0.6))
        outcome.count("Trino killed within a statement")
        field.process("trino", 180)
    for _ in range(1 if short else 5):
        field.kill_at("before-copy-statement", rng.randint(1, 8), "clickhouse", rng.uniform(0.005, 0.08))
        outcome.count("ClickHouse killed within a statement")
        field.process("clickhouse")


def disk(field: Field, rng: random.Random, short: bool, outcome: Outcome) -> None:
    """The disk of the data folder is full for a while, then it is not."""
    ballast = field.data_dir / "ballast"
    for _ in range(1 if short else 3):
        time.sleep(rng.uniform(1, 4))
        try:
            if not _fill(ballast):
                raise DrillFailed("the disk did not become full")
            time.sleep(rng.uniform(15, 25))
        finally:
            ballast.unlink(missing_ok=True)
        outcome.count("disk full")
        time.sleep(rng.uniform(5, 10))


def _fill(ballast: Path) -> bool:
    """Write until nothing fits any more, and go on for what others give up; whether it came to that."""
    block = bytes(1 << 20)
    full = False
    for _ in range(3):
        try:
            with ballast.open("ab", buffering=0) as file:
                while file.write(block):
                    pass
        except OSError as error:
            full = full or error.errno == errno.ENOSPC
        time.sleep(0.5)
    return full


@contextmanager
def small_disk(megabytes: int = 3000) -> Iterator[Path | None]:
    """A folder on a file system of its own, in memory; None where it can't be mounted (it takes root)."""
    folder = Path(tempfile.mkdtemp(prefix="drill-disk-"))
    options = f"size={megabytes}m"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "drill", folder], capture_output=True, check=False)
    try:
        yield folder if done.returncode == 0 else None
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", "--lazy", folder], check=False)
        folder.rmdir()
