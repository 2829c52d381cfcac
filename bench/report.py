"""What a bench found: numbers, their table, and the place in RESULTS.md."""

import os
import platform
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import click
import psutil

from lakehouse.errors import LakehouseError, UsageError

Say = Callable[[str], None]
RESULTS = Path(__file__).resolve().parent / "RESULTS.md"
_BEGIN, _END = "<!-- bench: begin -->", "<!-- bench: end -->"
_TITLES = {
    "events_per_s": "events/s, silver",
    "events_per_s_with_bronze": "events/s, bronze too",
    "warm_events_per_s": "events/s, warm",
    "cpu_s_per_million": "CPU s per million",
    "servers_cpu_s_per_million": "servers' CPU s per million",
    "peak_mb": "peak memory, MB",
    "commits": "commits",
    "rows": "rows",
}


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which so many of all lie; of few values, the highest."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


@dataclass(frozen=True)
class Measured:
    """One turn of one contestant.

    Attributes:
        events_per_s: from the assignment to the last commit to silver (to its table, of the hand-written loop).
        events_per_s_with_bronze: to the last commit of all; the same where there is no bronze.
        warm_events_per_s: between 30 and 95 % of the rows.
        cpu_s_per_million: of its process, to the last commit of all.
        servers_cpu_s_per_million: of Kafka, S3, catalog and Redis in the same time.
        peak_mb: the most resident memory, in millions of bytes, start-up included.
        commits: snapshots that it made.
        rows: in silver (in its table).
    """

    events_per_s: float
    events_per_s_with_bronze: float
    warm_events_per_s: float
    cpu_s_per_million: float
    servers_cpu_s_per_million: float
    peak_mb: float
    commits: int
    rows: int


@dataclass(frozen=True)
class Round:
    """A turn of each, one after the other: calls by the worker, calls by hand, all five sources by the worker."""

    worker: Measured
    by_hand: Measured
    mixed: Measured


@dataclass(frozen=True)
class Bench:
    """All rounds, and under which circumstances."""

    events: int
    defects: str
    at: str
    machine: str
    tuning: dict[str, str]
    rounds: list[Round]


def machine() -> str:
    """What the numbers depend on; asked before the bench itself is a load."""
    memory = psutil.virtual_memory().total / 1e9
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, {memory:.0f} GB, Python {platform.python_version()}, load {load:.1f} at the start"


def commit() -> str:
    """The commit that is measured, with a mark where the checkout has changes."""
    said = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return said.stdout.strip()


@contextmanager
def as_command() -> Iterator[None]:
    """What a bench's command does inside: SIGTERM ends it and its servers, and what went wrong is a sentence."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield
    except (LakehouseError, subprocess.SubprocessError) as error:
        raise click.ClickException(str(error)) from None


def progress(text: str) -> None:
    """Tell how far a bench is, beside its result."""
    click.echo(text, err=True)


def line(one: Measured) -> str:
    """A turn in a line."""
    return (
        f"{one.events_per_s:9,.0f} events/s (all {one.events_per_s_with_bronze:,.0f}, warm {one.warm_events_per_s:,.0f})"
        f"  {one.cpu_s_per_million:5.1f} CPU s per million  {one.peak_mb:5.0f} MB  {one.commits} commits"
    )


def ratios(found: Bench, name: str, of: str = "worker", over: str = "by_hand") -> list[float]:
    """One contestant over another, round by round."""
    return [getattr(getattr(each, of), name) / getattr(getattr(each, over), name) for each in found.rounds]


def table(found: Bench) -> str:
    """As Markdown, readable as it is: median of the rounds, least and most behind it."""
    rows = [["", "worker", "by hand", "ratio", "five sources", "to calls"]]
    for name, title in _TITLES.items():
        worker, by_hand, mixed = (
            _spread([float(getattr(getattr(r, who), name)) for r in found.rounds], 0)
            for who in ("worker", "by_hand", "mixed")
        )
        to_calls = _spread(ratios(found, name, "mixed", "worker"), 2)
        rows.append([title, worker, by_hand, _spread(ratios(found, name), 2), mixed, to_calls])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    said = "".join(f", {name}={value}" for name, value in found.tuning.items())
    count = f"{len(found.rounds)} round{'s' if len(found.rounds) > 1 else ''}"
    head = f"{found.events:,} calls, defects {found.defects}, {count}, {found.at}; {found.machine}{said}"
    return "\n".join([head, "", *lines])


def _spread(values: list[float], digits: int) -> str:
    middle = f"{statistics.median(values):,.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):,.{digits}f}-{max(values):,.{digits}f})"


def to_json(found: Bench) -> dict[str, Any]:
    """Everything, with the medians of the ratios."""
    middle = {f.name: round(statistics.median(ratios(found, f.name)), 3) for f in fields(Measured)}
    mixed = {f.name: round(statistics.median(ratios(found, f.name, "mixed", "worker")), 3) for f in fields(Measured)}
    return {**asdict(found), "ratio": middle, "mixed_to_calls": mixed}


def write(found: Bench, file: Path = RESULTS) -> Path:
    """Replace the table in RESULTS.md.

    Raises:
        UsageError: the file lacks the two marks.
    """
    text = file.read_text()
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise UsageError(f"{file} lacks the marks {_BEGIN} and {_END}; put them where the table shall stand.")
    file.write_text(f"{before}{begin}\n{table(found)}\n{end}{after}")
    return file
