"""`python -m bench.windows`: what keeping a duplicate window with each commit costs, and what it spares a worker that starts.

One partition, no servers. Each commit decides on a batch and keeps the window; the same accepted events are written to a file
of Parquet a commit, as silver has them until they are compacted. In the end the window is found again, and beside it read
back from those files by Polars: from this machine's disk, so without S3 and planning, which makes the peer look better than
it is.
"""

import itertools
import json
import shutil
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import polars as pl

from bench import report
from catalog.offsets import PartitionId
from lakehouse.settings import Settings
from streams.contract import contracts
from streams.duplicates import DuplicateWindow
from streams.window_store import WindowStore

_PARTITION = PartitionId("bench-topic-id-22-chars", 0)
_FIRST_US = 1_795_000_000_000_000


@dataclass(frozen=True)
class Windows:
    """What was measured, seconds.

    Attributes:
        decide_s, keep_s: medians of a commit: telling duplicates, and keeping the window.
        keep_most_s: the longest.
        find_s, read_back_s: of the whole window.
        same: whether both windows say the same of the next batch.
    """

    events: int
    commits: int
    decide_s: float
    keep_s: float
    keep_most_s: float
    find_s: float
    read_back_s: float
    same: bool


def measure(events: int, commits: int, folder: Path) -> Windows:
    """Fill, keep, find and read back one window."""
    settings, contract = Settings(_env_file=None), contracts()["calls"]  # type: ignore[call-arg]
    limits = settings.duplicate_window_events, settings.duplicate_window_s
    store, window = WindowStore(folder / "windows", contract, settings), DuplicateWindow(*limits)
    files, decide, keep = [], [], []
    edges = [events * number // commits for number in range(commits + 1)]
    for first, following in itertools.pairwise(edges):
        ids, times = _batch(first, following)
        began = time.perf_counter()
        window.find(ids, times, pl.repeat(True, len(ids), eager=True))
        decided = time.perf_counter()
        store.keep(_PARTITION, window.snapshot(following), "a batch")
        decide.append(decided - began)
        keep.append(time.perf_counter() - decided)
        files.append(folder / f"{first}.parquet")
        pl.DataFrame({"event_id": ids, "kafka_timestamp": times}).write_parquet(files[-1])
    began = time.perf_counter()
    found = WindowStore(folder / "windows", contract, settings).find(_PARTITION, events, {"a batch"})
    find_s = time.perf_counter() - began
    began = time.perf_counter()
    rows = pl.scan_parquet(files).collect()
    again = DuplicateWindow(*limits)
    again.remember(rows["event_id"], rows["kafka_timestamp"])
    read_back_s = time.perf_counter() - began
    kept = found[1] if found is not None else DuplicateWindow(*limits)
    ids, times = _batch(events - 100, events + 100)
    said = [one.find(ids, times, pl.repeat(True, len(ids), eager=True)).to_list() for one in (kept, again)]
    return Windows(
        events,
        commits,
        statistics.median(decide),
        statistics.median(keep),
        max(keep),
        find_s,
        read_back_s,
        said[0] == said[1] == [True] * 100 + [False] * 100,
    )


def _batch(first: int, following: int) -> tuple[pl.Series, pl.Series]:
    """Events with ids as long as Twilio's, 34 characters."""
    numbers = pl.Series(np.arange(first, following))
    ids = pl.Series(np.char.add("CA", np.char.zfill(numbers.cast(pl.String).to_numpy().astype(str), 32)))
    return ids, (numbers + _FIRST_US).cast(pl.Datetime("us", "UTC"))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--events", type=click.IntRange(1000), multiple=True, default=(200_000, 2_000_000), show_default=True)
@click.option("--commits", type=click.IntRange(10), default=200, show_default=True, help="That the events came by.")
@click.option("--json", "as_json", is_flag=True)
def main(events: tuple[int, ...], commits: int, as_json: bool) -> None:
    """Measure windows of some numbers of accepted events, one after the other."""
    if not as_json:
        click.echo(f"one partition, {commits} commits; {report.machine()}")
    for count in events:
        folder = Path(tempfile.mkdtemp(prefix="bench-windows-"))
        try:
            one = measure(count, commits, folder)
        finally:
            shutil.rmtree(folder)
        if as_json:
            click.echo(json.dumps(asdict(one)))
            continue
        click.echo(
            f"{count:,} events: a commit's duplicates {one.decide_s * 1000:.2f} ms, keeping {one.keep_s * 1000:.2f} ms"
            f" (most {one.keep_most_s * 1000:.1f}); at the start {one.find_s * 1000:.0f} ms found,"
            f" {one.read_back_s * 1000:.0f} ms read back from {commits} files ({one.read_back_s / one.find_s:.0f} to 1);"
            f" {'the same' if one.same else 'NOT THE SAME'}"
        )


if __name__ == "__main__":
    main()
