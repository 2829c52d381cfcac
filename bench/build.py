"""`python -m bench.build`: how long a build of few new events takes beside many facts, against making the tables anew.

A worker fills silver with all five sources and ends; builds and copies are then taken in this process, one turn after another,
on servers of the bench's own. Nothing else runs. What is compared is what a system without incremental builds would do: the
same tables from all of silver (`lakehouse build --full`), in the same run.
"""

import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from bench import report
from bench.calls import complete
from bench.servers import BUILDS_NEED, own_servers
from catalog.client import connect
from catalog.snapshots import StateReader
from lakehouse.errors import LakehouseError
from lakehouse.orchestrator import Orchestrator
from lakehouse.settings import settings
from lakehouse.stack.line import worker_command
from lakehouse.stack.process import end, spawn
from sources.generate import Run, run
from sources.mix import DEFAULT_MIX
from sources.publish import Publisher
from streams.contract import contracts

_LIMIT_S, _LOOK_S, _END_S = 600.0, 0.5, 60.0
_FEWEST_USERS = 200


@dataclass(frozen=True)
class Turn:
    """One build with its copies: seconds, rows in facts, and what took how long."""

    seconds: float
    rows: int
    tables: dict[str, float]


@contextmanager
def _worker(folder: Path) -> Iterator[None]:
    process = spawn(worker_command(folder / "faust"), folder / "worker.log", folder, {})
    try:
        yield
    finally:
        end([process], _END_S)


def _publish(folder: Path, events: int, seed: int, users: int, with_reference: bool) -> None:
    """Send events of all five sources through a worker, until silver holds all of them."""
    reader = StateReader(connect(settings()))
    plan = Run(
        events=events,
        seed=1,
        run_id=f"build{seed}",
        users=users,
        with_reference=with_reference,
        sources=DEFAULT_MIX,
    )
    with _worker(folder):
        with Publisher() as publisher:
            run(plan, publisher)
        until = time.monotonic() + _LIMIT_S
        while not all(complete(reader, f"silver.{source}") for source in contracts()):
            if time.monotonic() > until:
                raise LakehouseError(f"the worker is not done after {_LIMIT_S:.0f} s; see {folder}/worker.log")
            time.sleep(_LOOK_S)


def _turn(full: bool = False) -> Turn:
    orchestrator = Orchestrator(settings())
    began = time.monotonic()
    done = orchestrator.turn(full=full)
    seconds = time.monotonic() - began
    if done.build is None or done.build.errors or any(c.error for c in done.copied):
        raise LakehouseError("a build of the bench did not do what it should")
    results = done.build.results or {}
    rows = sum(r.rows for table, r in results.items() if table.startswith("fact_"))
    return Turn(seconds, rows, {table: r.seconds for table, r in results.items()})


def measure(facts: int, events: int, rounds: int, say: report.Say) -> tuple[list[Turn], Turn]:
    """Incremental builds of so many new events beside so many facts, then one full build of all."""
    with own_servers(BUILDS_NEED) as folder:
        users = max(_FEWEST_USERS, facts // 100)
        say(f"{facts:,} events of {users:,} subscribers go to silver")
        _publish(folder, facts, 1, users, with_reference=True)
        say(f"first build: {_turn().seconds:.1f} s")
        turns = []
        cold = 1 if rounds > 1 else 0  # a try in small measures nothing
        for number in range(rounds + cold):
            _publish(folder, events, 2 + number, users, with_reference=False)
            turn = _turn()
            counts = number >= cold
            say(
                f"build of {turn.rows:,} new facts: {turn.seconds:.1f} s{'' if counts else ' (warms up, does not count)'}"
            )
            turns += [turn] if counts else []
        full = _turn(full=True)
        say(f"full build of {full.rows:,} facts: {full.seconds:.1f} s")
        return turns, full


@click.command()
@click.option("--facts", type=click.IntRange(1_000), default=2_000_000, show_default=True, help="Events there already.")
@click.option("--events", type=click.IntRange(100), default=10_000, show_default=True, help="New events a build.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Builds that count.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(facts: int, events: int, rounds: int, as_json: bool) -> None:
    """Time builds of few new events beside many facts, copies to ClickHouse included, against a build of everything."""
    machine = report.machine()
    with report.as_command():
        turns, full = measure(facts, events, rounds, report.progress)
    middle = statistics.median(t.seconds for t in turns)
    if as_json:
        found = {"turns": [asdict(t) for t in turns], "full": asdict(full), "ratio": round(middle / full.seconds, 3)}
        click.echo(json.dumps({"machine": machine, "facts": facts, "events": events, **found}))
        return
    spread = f"{min(t.seconds for t in turns):.1f}-{max(t.seconds for t in turns):.1f}"
    click.echo(f"{events:,} new events, {facts:,} before, {rounds} builds; {machine}")
    click.echo(
        f"build and copies {middle:.1f} s ({spread}); all anew {full.seconds:.1f} s; ratio {middle / full.seconds:.2f}"
    )


if __name__ == "__main__":
    main()
