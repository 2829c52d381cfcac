"""Events as they happen: a stream that goes on until it is stopped, with the time of now."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from lakehouse.clock import Clock, now
from lakehouse.settings import settings
from sources.generate import CHUNK, Outcome, Production, Run, new_run_id
from sources.publish import Interrupted
from sources.rhythm import local_times
from sources.sinks import Sink

DEFAULT_RATE = 200.0
# seconds between two batches: short enough to look like a stream, long enough to cost nothing
_SLICE_S = 0.5
# one look at Ctrl-C in this many seconds
_NAP_S = 0.1
# a machine that slept, or a rate that it cannot keep, must not end in a flood: older arrears are let go
_MOST_ARREARS_S = 5.0


def follow(
    plan: Run,
    sink: Sink,
    rate: float = DEFAULT_RATE,
    limit: int | None = None,
    stop_asked: Callable[[], bool] = lambda: False,
    zone: str | None = None,
    clock: Clock = now,
    nap: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Hand the reference data to the sink, then events of now, `rate` a second, until the limit or a stop.

    A given run id gets the moment added to it: started again, the stream has other ids.

    Args:
        plan: its `events`, `days` and `end` do not count.
        rate: messages of all sources a second.
        limit: messages in all; None is no end.
        stop_asked: looked at ten times a second.
        zone: the operator's time zone; None is the one of the settings.

    Raises:
        UsageError: the defects cannot be read.
    """
    zone = zone or settings().time_zone
    started = clock()
    run_id = new_run_id(started) if plan.run_id is None else f"{plan.run_id}-{new_run_id(started)}"
    production = Production(plan, sink, zone, started, run_id)
    return production.finished(lambda: _stream(production, plan, rate, limit, stop_asked, zone, clock, nap))


def _stream(
    production: Production,
    plan: Run,
    rate: float,
    limit: int | None,
    stop_asked: Callable[[], bool],
    zone: str,
    clock: Clock,
    nap: Callable[[float], None],
) -> None:
    draw = np.random.default_rng([plan.seed, *production.outcome.run_id.encode()])
    weights = np.array([plan.sources[feed.name] for feed in production.feeds])
    last, sent, arrears = clock(), 0, 0.0
    while limit is None or sent < limit:
        until = last + timedelta(seconds=_SLICE_S)
        while (moment := clock()) < until:
            if stop_asked():
                raise Interrupted
            nap(min(_NAP_S, (until - moment).total_seconds()))
        arrears = min(arrears + (moment - last).total_seconds() * rate, _MOST_ARREARS_S * rate)
        count = min(int(arrears), CHUNK, CHUNK if limit is None else limit - sent)
        arrears -= count
        sent += count
        shares = draw.multinomial(count, weights / weights.sum()).tolist()
        times = _Moments(draw, last, moment, zone)
        production.send({f.name: f.batch(n, times) for f, n in zip(production.feeds, shares, strict=True) if n})
        last = moment


class _Moments:
    """Draws times between two instants."""

    def __init__(self, draw: np.random.Generator, first: datetime, last: datetime, zone: str) -> None:
        self._draw, self._zone = draw, zone
        self._first, self._last = (int(moment.timestamp() * 1_000_000) for moment in (first, last))

    def __call__(self, count: int) -> pl.Series:
        instants = np.sort(self._draw.integers(self._first, self._last, count, endpoint=True))
        return local_times(pl.Series("time", instants).cast(pl.Datetime("us", "UTC")), self._zone)
