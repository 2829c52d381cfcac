"""Generates a run: reference data, then events with their defects, handed to Kafka or to files."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from lakehouse.clock import now
from lakehouse.settings import settings
from sources.contract_faults import source_defects
from sources.defects import available, parse_shares
from sources.expectation import Expectation
from sources.feed import Feed
from sources.mix import EVENT_SOURCES, apportion
from sources.population import Population, build_population
from sources.publish import Interrupted
from sources.reference import reference_messages
from sources.rhythm import event_times, last_clock_change
from sources.scene import Scene
from sources.sinks import Sink

DEFAULT_DEFECTS = "0.05"
# messages made at once: 30 MB of JSON, and small enough for a progress bar to move
CHUNK = 50_000


@dataclass(frozen=True)
class Run:
    """What to generate.

    Attributes:
        events: messages in all, copies included.
        seed: draws population and events; the same run gives the same bytes.
        run_id: part of every event's id; None takes one from the time.
        end: no event is later; None is now.
        defects: as `parse_shares` reads it.
        one_line: leave out the defects that a file of one message a line cannot hold.
        sources: weights by name; `DEFAULT_MIX` has all. Calls alone here, because most tests and benches are about them.
        burst: messages of all sources together that are sent before each source's next ones: small where a run is slow,
            so that it has all sources whenever it is stopped.
    """

    events: int = 10_000
    seed: int = 1
    run_id: str | None = None
    days: int = 3
    defects: str = DEFAULT_DEFECTS
    users: int = 20_000
    with_reference: bool = True
    end: datetime | None = None
    one_line: bool = False
    sources: Mapping[str, float] = field(default_factory=lambda: {"calls": 1.0})
    burst: int = 2_000


@dataclass
class Outcome:
    """What was put in: records by kind, and the expectation of each event source.

    Attributes:
        interrupted: the user stopped it; the numbers are those of what was sent until then.
    """

    run_id: str
    records: dict[str, int] = field(default_factory=dict)
    sources: dict[str, Expectation] = field(default_factory=dict)
    interrupted: bool = False


def run(plan: Run, sink: Sink, zone: str | None = None) -> Outcome:
    """Generate events of the past days, and hand everything to the sink, reference data first.

    Args:
        zone: the operator's time zone; None is the one of the settings.

    Raises:
        UsageError: the defects cannot be read.
    """
    zone, end = zone or settings().time_zone, plan.end or now()
    production = Production(plan, sink, zone, end, plan.run_id or new_run_id(end))
    counts = apportion(plan.events, plan.sources)
    schedules = {
        feed.name: _Schedule(
            event_times(feed.draw, counts[feed.name], end, plan.days, zone), feed.copies_of(counts[feed.name])
        )
        for feed in production.feeds
    }
    chunks = math.ceil(plan.events / CHUNK)

    def events() -> None:
        for number in range(chunks):
            parts = {name: count * (number + 1) // chunks - count * number // chunks for name, count in counts.items()}
            production.send({f.name: f.batch(parts[f.name], schedules[f.name]) for f in production.feeds})

    return production.finished(events)


class _Schedule:
    """Hands out times that were drawn before, in order, the first ones last: copies need none, so that some are left over."""

    def __init__(self, times: pl.Series, left_over: int) -> None:
        self._times = pl.concat([times.slice(left_over), times.head(left_over)])
        self._first = 0

    def __call__(self, count: int) -> pl.Series:
        taken = self._times.slice(self._first, count)
        self._first += count
        return taken


class Production:
    """A run under way: the feeds of all its sources, and the account of what was sent.

    Attributes:
        feeds: one a source, in the order in which a batch is made.
        outcome: what was sent so far.
    """

    def __init__(self, plan: Run, sink: Sink, zone: str, end: datetime, run_id: str) -> None:
        """Draw the population and read the defects.

        Args:
            end: the clock changes before it are those of the defects.

        Raises:
            UsageError: the defects cannot be read.
        """
        self._plan, self._sink = plan, sink
        clock = last_clock_change(zone, end)
        chosen = [source for name, source in EVENT_SOURCES.items() if name in plan.sources]
        defects = {source.name: source_defects(source.name, zone) for source in chosen}
        shares = parse_shares(plan.defects, defects)
        self._population: Population = build_population(plan.seed, users=plan.users)
        scene = Scene(self._population, run_id)
        self.feeds = [
            Feed(s, scene, available(defects[s.name], clock, plan.one_line), shares[s.name], clock, plan.seed)
            for s in chosen
        ]
        self.outcome = Outcome(run_id, sources={source.name: Expectation() for source in chosen})

    def finished(self, events: Callable[[], None]) -> Outcome:
        """Send the reference data if the plan wants it, then the events, until they end or the user stops it."""
        try:
            if self._plan.with_reference:
                for kind, records in reference_messages(self._population).items():
                    self._send(kind, records, self.outcome.records)
            events()
        except Interrupted:
            self.outcome.interrupted = True
        return self.outcome

    def send(self, frames: Mapping[str, pl.DataFrame]) -> None:
        """Send a batch of each source, a burst of all at a time, and count what was sent."""
        sent = dict.fromkeys(frames, 0)
        bursts = math.ceil(sum(frame.height for frame in frames.values()) / self._plan.burst)
        try:
            for number in range(bursts):
                for source, frame in frames.items():
                    first, last = (frame.height * part // bursts for part in (number, number + 1))
                    if first < last:
                        self._send(source, frame.slice(first, last - first), sent)
        finally:
            for source, frame in frames.items():
                self.outcome.sources[source].add(frame.head(sent[source]))

    def _send(self, source: str, messages: pl.DataFrame, sent: dict[str, int]) -> None:
        taken = messages.height
        try:
            self._sink.send_frame(source, messages)
        except Interrupted as stopped:
            taken = stopped.taken
            raise
        finally:
            sent[source] = sent.get(source, 0) + taken


def new_run_id(moment: datetime) -> str:
    """A short id that grows with time and repeats only within a millisecond, such as `mb2k9x1f`."""
    number = int(moment.timestamp() * 1000)
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits
