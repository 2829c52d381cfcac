"""`python -m bench.commits`: many workers that commit to one table each second, by turns and each for itself.

On servers of its own. Each writer is a process with a partition of its own, as a worker has; all go through the fence. First
they take turns (`catalog.turns`), then they race, in the same run and on the same catalog. Afterwards each table is read, and
every offset must be there once.
"""

import json
import multiprocessing
import os
import random
import signal
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pyarrow as pa

from bench import report
from bench.servers import own_servers
from catalog import client, commit
from catalog.commit import PartitionBatch
from catalog.fenced import FencedTable
from catalog.lineage import Standing
from catalog.offsets import PartitionId
from catalog.schemas import LINEAGE
from catalog.turns import Turns
from lakehouse.audit.coverage import covered, difference, size, together, told_by
from lakehouse.clock import now
from lakehouse.deadline import Deadline
from lakehouse.errors import LakehouseError
from lakehouse.settings import settings

_TOPIC = "bench-topic-id-22-chars"
_ROWS = 1000
_DEADLINE_S = 20.0


@dataclass(frozen=True)
class Fairness:
    """What a number of writers came to.

    Attributes:
        latencies_s: of all commits, from the call to its answer.
        commits: per writer, in order.
        tries, lost: requests to the catalog, and those that were refused.
        dropped: batches that did not land in time, and were sent again.
    """

    latencies_s: list[float]
    commits: list[int]
    tries: int
    lost: int
    dropped: int


def write(number: int, table_name: str, by_turns: bool, seconds: float, result: str) -> None:
    """One writer: a batch a second, from where its table stands."""
    table = client.connect(settings()).load_table(table_name)
    turns = Turns.at(settings()) if by_turns else None
    fenced = FencedTable(table, turns)
    told: dict[str, Any] = {"latencies": [], "tries": 0, "lost": 0, "dropped": 0}
    _count_tries(told)
    partition = PartitionId(_TOPIC, number)
    until = time.monotonic() + seconds
    first = 0
    time.sleep(random.random())
    while time.monotonic() < until:
        began = time.monotonic()
        try:
            fenced.append([a_batch(partition, first)], Deadline.after(_DEADLINE_S))
            told["latencies"].append(time.monotonic() - began)
            first += _ROWS
        except LakehouseError:
            told["dropped"] += 1
            first = fenced.positions().next.get(partition, 0)
        time.sleep(max(0.0, 1.0 - (time.monotonic() - began)))
    Path(result).write_text(json.dumps(told))


def _count_tries(told: dict[str, Any]) -> None:
    send = commit.OneTry.send

    def counted(self: commit.OneTry) -> None:
        told["tries"] += 1
        try:
            send(self)
        except BaseException:
            told["lost"] += 1
            raise

    commit.OneTry.send = counted  # type: ignore[method-assign]


def a_batch(partition: PartitionId, first: int) -> PartitionBatch:
    """A thousand rows of a partition from an offset on."""
    offsets = pa.array(range(first, first + _ROWS), pa.int64())
    at = pa.array([now()] * _ROWS, pa.timestamp("us", "UTC"))
    rows = pa.table(
        {
            "kafka_topic": pa.array(["bench"] * _ROWS, pa.large_string()),
            "kafka_topic_id": pa.array([_TOPIC] * _ROWS, pa.large_string()),
            "kafka_partition": pa.array([partition.partition] * _ROWS, pa.int32()),
            "kafka_offset": offsets,
            "kafka_timestamp": at,
            "ingested_at": at,
        }
    )
    return PartitionBatch(partition, first, first + _ROWS, rows, (), 0)


def race(writers: int, seconds: float, by_turns: bool, kill: bool = False) -> Fairness:
    """Let writers commit side by side for some seconds; every offset must be in the table once afterwards.

    Args:
        kill: kill -9 a writer each second, and start another one in its place.
    Raises:
        LakehouseError: an offset is missing, or there twice.
    """
    name = f"silver.bench_{writers}_{'turns' if by_turns else 'race'}{'_killed' if kill else ''}"
    catalog = client.connect(settings())
    client.ensure_namespaces(catalog)
    FencedTable.ensure(catalog, name, LINEAGE, "a bench's")
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        files = [f"{folder}/{number}.json" for number in range(writers)]
        running = [context.Process(target=write, args=(n, name, by_turns, seconds, files[n])) for n in range(writers)]
        for one in running:
            one.start()
        if kill:
            _kill_some(running, seconds)
        for one in running:
            one.join()
        told = [json.loads(Path(file).read_text()) for file in files if Path(file).exists()]
    standing = Standing.of(catalog, name)
    assert standing is not None
    held = together(covered(piece.rows) for piece in standing.pieces())
    catalog.drop_table(name)
    if wrong := size(difference(held, told_by(standing.positions))) or standing.contradictions():
        raise LakehouseError(f"{name}: {wrong} offsets are not there once")
    return Fairness(
        [latency for one in told for latency in one["latencies"]],
        [len(one["latencies"]) for one in told],
        *(sum(one[what] for one in told) for what in ("tries", "lost", "dropped")),
    )


def _kill_some(running: list[Any], seconds: float) -> None:
    """kill -9 of a quarter of the writers, one after the other, in the middle of what they do."""
    until = time.monotonic() + seconds
    for one in random.sample(running, max(1, len(running) // 4)):
        time.sleep(min(seconds / len(running), max(0.0, until - time.monotonic())))
        if one.pid is not None and one.is_alive():
            os.kill(one.pid, signal.SIGKILL)


def said(found: Fairness) -> str:
    """One line of figures."""
    seconds = found.latencies_s or [0.0]
    lost = 100 * found.lost / max(1, found.tries)
    return (
        f"{len(found.latencies_s)} batches landed by {found.tries} requests, {lost:.0f} % of them refused; a batch took"
        f" {statistics.median(seconds):.2f} s (p99 {report.percentile(seconds, 0.99):.2f}, most {max(seconds):.2f});"
        f" {min(found.commits)} to {max(found.commits)} a writer; {found.dropped} dropped and sent again"
    )


@click.command()
@click.option("--writers", multiple=True, type=click.IntRange(1), default=(1, 8, 32), show_default=True)
@click.option("--seconds", type=click.FloatRange(5), default=30.0, show_default=True, help="Of each race.")
def main(writers: tuple[int, ...], seconds: float) -> None:
    """Time commits of many workers to one table: by turns, and each for itself."""
    with own_servers():
        click.echo(report.machine())
        for count in writers:
            for by_turns in (True, False):
                found = race(count, seconds, by_turns)
                click.echo(f"{count:>3} writers {'by turns' if by_turns else 'racing  '}: {said(found)}")
        found = race(max(writers), seconds, by_turns=True, kill=True)
        click.echo(f"{max(writers):>3} writers by turns, a quarter of them killed: {said(found)}")


if __name__ == "__main__":
    main()
