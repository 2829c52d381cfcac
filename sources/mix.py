"""Which event sources can be generated, and how many of a run's events each gets."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from lakehouse.errors import UsageError, did_you_mean
from sources.calls import calls_at
from sources.payment import payments_at
from sources.recharge import recharges_at
from sources.scene import Scene
from sources.sms import sms_at
from sources.support import cases_at

# Makes one clean event a local time (naive, sorted): every one keeps every rule of its contract, and carries no warning
# once the population's reference data was loaded. The number is that of the first event, as part of its `sid`. Gives the
# columns `key` (text), `value` (JSON as bytes) and, where the contract has an amount, `amount` (hundredths) and `currency`.
Generate = Callable[[pl.Series, Scene, np.random.Generator, int], pl.DataFrame]


@dataclass(frozen=True)
class EventSource:
    """A source that can be generated; its defects are derived from its contract."""

    name: str
    events_at: Generate


# In the order in which a batch is made: support cases follow payments that failed.
EVENT_SOURCES = {
    source.name: source
    for source in (
        EventSource("calls", calls_at),
        EventSource("sms", sms_at),
        EventSource("recharge", recharges_at),
        EventSource("payment", payments_at),
        EventSource("support", cases_at),
    )
}
# An operator's day: about three calls for two text messages, and the money's events an order of magnitude below. Support
# gets more than its real share (one contact in some hundred events), so that a small run has some of each reason.
DEFAULT_MIX: Mapping[str, float] = {"calls": 0.45, "sms": 0.30, "recharge": 0.10, "payment": 0.08, "support": 0.07}


def parse_sources(text: str) -> dict[str, float]:
    """Read `--sources`: names joined by commas, each with `=weight` or of weight 1; in the order of `EVENT_SOURCES`.

    Raises:
        UsageError: no such source, one named twice, or a weight that is no number above 0.
    """
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, equals, weight = (piece.strip() for piece in part.partition("="))
        if name not in EVENT_SOURCES:
            hint = did_you_mean(name, EVENT_SOURCES)
            raise UsageError(
                f"--sources: no event source is called {name!r}.{hint} There are: {', '.join(EVENT_SOURCES)}."
            )
        if name in weights:
            raise UsageError(f"--sources {text}: {name} is there twice.")
        weights[name] = _weight(part, weight) if equals else 1.0
    return {name: weights[name] for name in EVENT_SOURCES if name in weights}


def _weight(part: str, number: str) -> float:
    try:
        weight = float(number)
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise UsageError(f"--sources: {part.strip()!r} has no weight above 0; write calls,sms or calls=3,sms=2.")
    return weight


def apportion(events: int, weights: Mapping[str, float]) -> dict[str, int]:
    """Split a number by weights, each part within 1 of its share; the parts add up (method of the largest remainder)."""
    total = math.fsum(weights.values())
    exact = {name: events * weight / total for name, weight in weights.items()}
    counts = {name: int(share) for name, share in exact.items()}
    by_remainder = sorted(weights, key=lambda name: counts[name] - exact[name])
    for name in by_remainder[: events - sum(counts.values())]:
        counts[name] += 1
    return counts
