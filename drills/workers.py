"""Drills on workers: killed, killed at each step of a commit, suspended, joining and leaving."""

import random
import signal
import statistics
import time
from contextlib import suppress

from bench.report import percentile
from drills.field import DrillFailed, Field, Outcome, Watch
from lakehouse.errors import Retry
from lakehouse.settings import settings
from streams.topics import Topics

STEPS = ("before-write", "after-data-files", "before-commit", "after-answer", "before-kafka")


def kill(field: Field, rng: random.Random, short: bool, outcome: Outcome) -> None:
    """kill -9 of a worker at random moments, and at each named step of a commit."""
    slowest, others, calm = [], [], []

    def stood_still() -> list[float]:
        began = time.monotonic()
        time.sleep(rng.uniform(3, 5) if short else rng.uniform(13, 16))  # in small nothing is measured
        return watch.longest_still(began, time.monotonic()) or [0.0]

    with Watch() as watch:
        for _ in range(0 if short else 8):
            calm.append(stood_still()[0])
        for _ in range(2 if short else 30):
            time.sleep(rng.uniform(1, 6))
            field.kill(rng.choice(field.workers()))
            outcome.count("killed at random")
            still = stood_still()
            slowest.append(still[-1])
            others.append(still[0])
        for step in rng.sample(STEPS, 2) if short else STEPS:
            field.process(field.workers()[0])
            field.kill_at(step, rng.randint(1, 3))
            outcome.count(f"killed {step}")
    outcome.notes.append(f"partitions of the killed committed again after {_told(slowest)}")
    outcome.notes.append(f"others after {_told(others)}")
    if calm:
        outcome.notes.append(f"while nobody was killed, they paused for {_told(calm)}")


def suspend(field: Field, rng: random.Random, short: bool, outcome: Outcome) -> None:
    """SIGSTOP of a worker for longer than the session time-out, then SIGCONT: the zombie must not append."""
    for _ in range(1 if short else 5):
        time.sleep(rng.uniform(1, 3))
        zombie = field.process(rng.choice(field.workers()))
        zombie.send(signal.SIGSTOP)
        try:
            time.sleep(rng.uniform(10, 16))  # the session ends after 8 s
        finally:
            zombie.send(signal.SIGCONT)
        outcome.count("suspended and woken")
        time.sleep(rng.uniform(2, 5))


def storm(field: Field, rng: random.Random, short: bool, outcome: Outcome) -> None:
    """Workers join and leave every few seconds, politely or not, one to six of them, always under new names."""
    topics, group, members = Topics(settings()), settings().consumer_group, set[str]()
    with field.more_workers(0) as extra:
        until = time.monotonic() + (25 if short else 120)
        while time.monotonic() < until:
            time.sleep(rng.uniform(2, 5))
            with suppress(Retry):
                members |= topics.members(group).keys()
            for one in [one for one in extra if one.poll() is not None]:
                extra.remove(one)
                outcome.count(f"ended by itself with code {one.returncode}")
            if extra and (len(extra) == 4 or rng.random() < 0.5):
                one = extra.pop(rng.randrange(len(extra)))
                number = rng.choice((signal.SIGTERM, signal.SIGKILL))
                one.send_signal(number)
                outcome.count("left" if number == signal.SIGTERM else "killed")
                if number == signal.SIGKILL:
                    one.wait()
            else:
                extra.append(field.another_worker())
                outcome.count("started")
    joined = sum("drill-" in name for name in members)
    if not joined:
        raise DrillFailed("no worker came to join the group")
    outcome.count("joined", joined)


def _told(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.1f} s (p95 {percentile(seconds, 0.95):.1f} s)"
