"""Generates a run: reference data, then events with their defects, handed to Kafka or to files."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol

import numpy as np
import polars as pl

from lakehouse.clock import now
from lakehouse.errors import UsageError
from lakehouse.settings import settings
from sources import calls
from sources.call_faults import call_defects
from sources.defects import Shares, add_copies, available, parse_shares, plant
from sources.expectation import Expectation
from sources.faults import Defect
from sources.population import Population, build_population
from sources.reference import reference_messages
from sources.rhythm import event_times, last_clock_change

DEFAULT_DEFECTS = "0.05"
# messages made at once: 30 MB of JSON, and small enough for a progress bar to move
_CHUNK = 50_000
Generate = Callable[[pl.Series, Population, np.random.Generator, str, int], pl.DataFrame]


class Sink(Protocol):
    """Where messages go."""

    def send_frame(self, source: str, messages: pl.DataFrame) -> None:
        """Take the columns `key` and `value` in row order."""


@dataclass(frozen=True)
class EventSource:
    """A source that can be generated: its good events at given local times, and its defects in a time zone."""

    name: str
    events_at: Generate
    defects: Callable[[str], Sequence[Defect]]


EVENT_SOURCES = {calls.NAME: EventSource(calls.NAME, calls.calls_at, call_defects)}


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


@dataclass
class Outcome:
    """What was put in: records by kind, and the expectation of each event source."""

    run_id: str
    records: dict[str, int] = field(default_factory=dict)
    sources: dict[str, Expectation] = field(default_factory=dict)


def run(plan: Run, sink: Sink, zone: str | None = None) -> Outcome:
    """Generate, and hand everything to the sink, reference data first.

    Args:
        zone: the operator's time zone; None is the one of the settings.

    Raises:
        UsageError: the defects cannot be read.
    """
    zone = zone or settings().time_zone
    end = plan.end or now()
    outcome = Outcome(plan.run_id or new_run_id(end))
    source = EVENT_SOURCES[calls.NAME]
    shares = parse_shares(plan.defects, source.defects(zone))
    population = build_population(plan.seed, users=plan.users)
    if plan.with_reference:
        for kind, records in reference_messages(population).items():
            sink.send_frame(kind, records)
            outcome.records[kind] = records.height
    outcome.sources[source.name] = _events(plan, source, population, shares, end, zone, outcome.run_id, sink)
    return outcome


def _events(
    plan: Run,
    source: EventSource,
    population: Population,
    shares: Shares,
    end: datetime,
    zone: str,
    run_id: str,
    sink: Sink,
) -> Expectation:
    draw = np.random.default_rng([plan.seed, *run_id.encode(), zlib.crc32(source.name.encode())])
    clock = last_clock_change(zone, end)
    defects = available(source.defects(zone), clock, plan.one_line)
    expectation = Expectation()
    copies = round(plan.events * shares.duplicates)
    times = event_times(draw, plan.events - copies, end, plan.days, zone)
    for first in range(0, len(times), _CHUNK):
        part = times.slice(first, _CHUNK)
        good = source.events_at(part, population, draw, run_id, first + 1)
        # the copies are spread evenly over the chunks: each has those up to its own end
        added = round(copies * (first + len(part)) / len(times)) - round(copies * first / len(times))
        messages = add_copies(plant(good, defects, shares, draw, clock), added, draw)
        sink.send_frame(source.name, messages)
        expectation.add(messages)
    return expectation


def new_run_id(moment: datetime) -> str:
    """A short id that grows with time and repeats only within a millisecond, such as `mb2k9x1f`."""
    number = int(moment.timestamp() * 1000)
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits


class FileSink:
    """Writes the events to one file and each kind of reference data beside it, as `FILE-users.ndjson`."""

    def __init__(self, path: Path, on_progress: Callable[[str, int], None] = lambda source, count: None) -> None:
        """Create the file.

        Raises:
            UsageError: it cannot be written.
        """
        self._path = path
        self._on_progress = on_progress
        self.files: dict[str, Path] = {}
        self._open: dict[str, IO[bytes]] = {}

    def __enter__(self) -> "FileSink":
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the files."""
        for stream in self._open.values():
            stream.close()

    def send_frame(self, source: str, messages: pl.DataFrame) -> None:
        """Append one line a message."""
        try:
            if source not in self._open:
                stem = self._path.with_suffix("") if self._path.suffix == ".ndjson" else self._path
                path = self._path if source in EVENT_SOURCES else stem.with_name(f"{stem.name}-{source}.ndjson")
                self.files[source], self._open[source] = path, path.open("wb")
            self._open[source].write(b"\n".join(messages["value"].to_list()) + b"\n")
        except OSError as error:
            raise UsageError(f"cannot write {self._path}: {error.strerror}.") from None
        self._on_progress(source, messages.height)
