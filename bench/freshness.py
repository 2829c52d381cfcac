"""`python -m bench.freshness`: how long events take from Kafka to silver at a walking pace, and what each process spends on it.

The whole stack runs on the machine, as `lakehouse up` starts it; a generator beside it publishes events of five sources at a
steady rate. An event's time is that from Kafka's own stamp (LogAppendTime) to the time of the commit that has it, all of them,
by the files that each commit added. A commit's time is stamped before the catalog has it: a reader sees it some 20 ms later.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click
import polars as pl
import psutil
from pyiceberg.manifest import ManifestEntryStatus
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation, Snapshot

from bench.calls import event_sources
from bench.measure import cpu_seconds
from bench.report import as_command, commit, machine, percentile
from bench.servers import own_folder
from catalog.client import Catalog, connect
from lakehouse.errors import LakehouseError
from lakehouse.settings import settings
from lakehouse.stack.state import StackState

_UP_S, _LOOK_S = 600, 10.0


@dataclass
class Freshness:
    """What was found.

    Attributes:
        late_s: the seconds of each event from Kafka to its commit.
        cores: by process, how much of a core it took.
    """

    seconds: float = 0.0
    late_s: list[float] = field(default_factory=list)
    cores: dict[str, float] = field(default_factory=dict)
    commits: int = 0


class _Commits:
    """Looks at what each commit of silver added, before maintenance lets go of it."""

    def __init__(self, client: Catalog) -> None:
        self._client = client
        self._seen: set[int] = set()

    def look(self, found: Freshness | None) -> None:
        """Take in the commits since the last look; of those before the measuring began nothing is kept."""
        for source in event_sources():
            table = self._client.load_table(f"silver.{source}")
            for snapshot in table.metadata.snapshots:
                if snapshot.snapshot_id in self._seen:
                    continue
                self._seen.add(snapshot.snapshot_id)
                added = snapshot.summary is not None and snapshot.summary.operation is Operation.APPEND
                if found is not None and added:
                    found.commits += 1
                    found.late_s.extend(_late(table, snapshot))


def _late(table: Table, snapshot: Snapshot) -> Iterator[float]:
    for manifest in snapshot.manifests(table.io):
        if manifest.added_snapshot_id != snapshot.snapshot_id:
            continue
        for entry in manifest.fetch_manifest_entry(table.io):
            if entry.status == ManifestEntryStatus.ADDED:
                with table.io.new_input(entry.data_file.file_path).open() as file:
                    times = pl.read_parquet(file.read(), columns=["kafka_timestamp"])["kafka_timestamp"]
                yield from (snapshot.timestamp_ms / 1e3 - times.dt.epoch("us").to_numpy() / 1e6).tolist()


def _processes() -> dict[int, tuple[str, psutil.Process]]:
    """The processes of the stack by pid, each with its name."""
    state = StackState.read(settings().data_dir)
    if state is None or state.phase != "up":
        raise LakehouseError(f"the stack of the bench is not up; see {settings().data_dir}/logs")
    named = {s.process.pid: s.name for s in state.servers if s.process is not None}
    return {pid: (name, psutil.Process(pid)) for pid, name in named.items()}


@contextmanager
def _stack() -> Iterator[None]:
    command = [sys.executable, "-m", "lakehouse.cli.main"]
    subprocess.run([*command, "up", "--detach", "--free-ports"], check=True, timeout=_UP_S)
    settings.cache_clear()
    try:
        yield
    finally:
        subprocess.run([*command, "down"], check=False, timeout=_UP_S)


@contextmanager
def _load(rate: float, folder: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "lakehouse.cli.main", "generate", "--follow", "--rate", str(rate)]
    with (folder / "generate.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def measure(rate: float, seconds: float, warm_s: float) -> Freshness:
    """Run it on a stack of its own.

    Raises:
        LakehouseError: the stack or a server failed.
    """
    found = Freshness()
    with own_folder() as folder, _stack(), _load(rate, folder):
        commits = _Commits(connect(settings()))
        time.sleep(warm_s)
        commits.look(None)
        before = {pid: cpu_seconds(process) for pid, (_, process) in _processes().items()}
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            time.sleep(min(_LOOK_S, max(0.1, seconds - (time.monotonic() - began))))
            commits.look(found)
        found.seconds = time.monotonic() - began
        if not found.late_s:
            raise LakehouseError("no event came to silver in that time")
        for pid, (process_name, process) in _processes().items():
            if pid in before:
                spent = (cpu_seconds(process) - before[pid]) / found.seconds
                found.cores[process_name] = found.cores.get(process_name, 0.0) + spent
    return found


def _said(found: Freshness) -> dict[str, object]:
    return {
        "events": len(found.late_s),
        "commits": found.commits,
        "silver_s": {f"p{round(of * 100)}": round(percentile(found.late_s, of), 2) for of in (0.5, 0.9, 0.99)},
        "silver_s_at_most": round(max(found.late_s), 2),
        "cores": {name: round(share, 3) for name, share in sorted(found.cores.items(), key=lambda one: -one[1])},
    }


@click.command()
@click.option("--rate", type=click.FloatRange(1), default=2_000.0, show_default=True, help="Events a second.")
@click.option("--seconds", type=click.FloatRange(5), default=90.0, show_default=True, help="How long to measure.")
@click.option("--warm", type=click.FloatRange(1), default=45.0, show_default=True, help="Seconds of load before.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(rate: float, seconds: float, warm: float, as_json: bool) -> None:
    """Time events from Kafka to silver at a steady rate, with the whole stack running, and the processor that each takes.

    Starts a stack of its own in a temporary folder on free ports, and ends it. LAKEHOUSE_ variables that tune the line are
    obeyed, those that say where servers are, are not.
    """
    where = machine()
    with as_command():
        found = measure(rate, seconds, warm)
    said = {"bench": "freshness", "machine": where, "commit": commit(), "rate": rate, **_said(found)}
    if as_json:
        click.echo(json.dumps(said, indent=1))
        return
    for name, value in said.items():
        click.echo(f"{name:18} {json.dumps(value) if isinstance(value, dict) else value}")


if __name__ == "__main__":
    main()
