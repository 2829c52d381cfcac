"""`make bench`: one real worker against a hand-written loop over the same topic of calls, turn by turn, in one run; and the
worker again on as many events of all five sources.

Both read the whole topic each round into tables that are not there yet. README.md says what is measured and how.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np
import psutil
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.table import Table

from bench import peer, report
from bench.measure import Racer, Start, racing
from bench.report import Bench, Measured, Round
from bench.servers import own_servers, tuning
from catalog.client import connect
from catalog.snapshots import StateReader, summary
from lakehouse.errors import LakehouseError
from lakehouse.settings import settings
from lakehouse.stack.line import worker_command
from sources.generate import DEFAULT_DEFECTS, Run, run
from sources.mix import DEFAULT_MIX
from sources.publish import Publisher
from streams.contract import contracts
from streams.topics import Topics

PEER_TABLE = "bench.calls"
# A rate below this is a fault, not a result.
_SLOWEST_PER_S = 2_000
_START_LIMIT_S, _LEAST_LIMIT_S = 60.0, 60.0


@dataclass(frozen=True)
class Race:
    """The topic is there, the servers run: what each turn needs.

    Attributes:
        folder: for logs.
        events: messages in the topic.
    """

    folder: Path
    events: int
    client: RestCatalog
    servers: list[psutil.Process]

    @classmethod
    def at(cls, folder: Path, events: int) -> "Race":
        """On the bench's own servers in a folder, which run."""
        supervisor = next(p for p in psutil.Process().children() if "bench.servers" in " ".join(p.cmdline()))
        return cls(folder, events, connect(settings()), supervisor.children(recursive=True))

    @property
    def limit_s(self) -> float:
        """How long a turn may take."""
        return _LEAST_LIMIT_S + self.events / _SLOWEST_PER_S

    def drop(self, tables: Iterable[str]) -> None:
        """Make a turn begin with nothing."""
        for name in tables:
            if self.client.table_exists(name):
                self.client.drop_table(name)

    def prepare(self, defects: str, say: "report.Say", mixed: bool = True) -> None:
        """Fill the topics, and have a worker read the reference records, which warms the servers.

        Args:
            mixed: events of all five sources, too.
        """
        plan = Run(events=self.events, defects=defects, run_id="bench")
        say("reference records")
        publish(Run(events=1, run_id="bench"), "reference")
        self.worker("warm", [name for name, contract in contracts().items() if not contract.is_event])
        say(f"publishing {self.events:,} calls")
        publish(plan, "events")
        if mixed:
            say(f"publishing {self.events:,} events of five sources")
            with topics_of_their_own("mixed-"):
                publish(replace(plan, sources=DEFAULT_MIX), "events")

    def mixed(self, turn: str) -> Measured:
        """One worker over all five sources."""
        with topics_of_their_own("mixed-"):
            return self.worker(f"{turn}-mixed", event_sources())

    def worker(self, turn: str, sources: Iterable[str], workers: int = 1) -> Measured:
        """Faust workers, until silver and bronze of these sources hold all of their topics."""
        partitions = settings().kafka_partitions * len(contracts()) // workers
        starts = [
            Start(
                worker_command(self.folder / f"faust-{turn}-{number}"),
                self.folder / f"worker-{turn}-{number}.log",
                {"LAKEHOUSE_CONSUMER_GROUP": f"bench-{turn}", "LAKEHOUSE_WORKER": f"bench-{turn}-{number}"},
            )
            for number in range(workers)
        ]
        reader = StateReader(self.client)
        silver, bronze = ([f"{layer}.{source}" for source in sources] for layer in ("silver", "bronze"))
        bronze = [name for name in bronze if name.split(".")[1] not in settings().bronze_off]
        with racing(starts, self.servers) as racer:
            racer.until_assigned(r"\[\d+\] is mine from offset", partitions, _START_LIMIT_S)
            racer.until(lambda: all(complete(reader, name) for name in silver), self.limit_s)
            if workers > 1:
                # When one of several ends, the others are given its partitions, and read again what they hold of bronze.
                racer.until(lambda: all(complete(reader, name) for name in bronze), self.limit_s)
            # Bronze commits lazily: a worker that ends commits what it holds, so that no waiting is measured.
            racer.leave()
        late = [name for name in bronze if not complete(reader, name)]
        if late:
            raise LakehouseError(f"{', '.join(late)} lacks rows after the worker's end; see {self.folder}")
        tables = {name: self.client.load_table(name) for name in [*silver, *bronze]}
        return measured(racer, self.events, [tables[n] for n in silver], [tables[n] for n in bronze])

    def by_hand(self, turn: str) -> Measured:
        """The hand-written loop, until its last append has been committed."""
        command = [sys.executable, "-m", "bench.peer", PEER_TABLE, f"by-hand-{turn}"]
        with racing([Start(command, self.folder / f"by-hand-{turn}.log")], self.servers) as racer:
            racer.until_assigned(peer.ASSIGNED, 1, _START_LIMIT_S)
            racer.until(self._peer_has_read_all, self.limit_s)
        return measured(racer, self.events, [self.client.load_table(PEER_TABLE)], [])

    def _peer_has_read_all(self) -> bool:
        if not self.client.table_exists(PEER_TABLE):
            return False
        return int(summary(self.client.load_table(PEER_TABLE)).get(peer.MESSAGES, 0)) >= self.events


def event_sources() -> list[str]:
    """The sources of events."""
    return [name for name, contract in contracts().items() if contract.is_event]


def tables_of(sources: Iterable[str]) -> list[str]:
    """The silver and bronze tables of sources."""
    return [f"{layer}.{source}" for source in sources for layer in ("silver", "bronze")]


def complete(reader: StateReader, name: str) -> bool:
    """Whether a table of the line stands at the end of its topic."""
    topic = settings().topic(name.split(".")[1])
    topics = Topics(settings())
    stands = reader.state(name).positions.next
    ends = topics.log_ranges(topic, topics.partitions([topic])[topic])
    return all(stands.get(partition, 0) >= log.end for partition, log in ends.items() if log.end)


def measured(racer: Racer, events: int, first: list[Table], lazy: list[Table]) -> Measured:
    """A turn by the snapshots of its tables: those that events must be in, and those that may come later."""
    silver_s = max(map(_committed_at, first)) - racer.seen.began
    everything = max(map(_committed_at, [*first, *lazy]))
    return Measured(
        events_per_s=events / silver_s,
        events_per_s_with_bronze=events / (everything - racer.seen.began),
        warm_events_per_s=_warm_rate(first, racer.seen.began),
        cpu_s_per_million=racer.seen.cpu_s(everything) * 1e6 / events,
        servers_cpu_s_per_million=racer.seen.cpu_s_of_servers(everything) * 1e6 / events,
        peak_mb=racer.seen.peak / 1e6,
        commits=sum(len(table.metadata.snapshots) for table in [*first, *lazy]),
        rows=sum(int(summary(table).get("total-records", 0)) for table in first),
    )


def _warm_rate(tables: Iterable[Table], began: float) -> float:
    """Rows a second between the moments at which 30 and 95 % of them were committed, as if they came evenly between commits."""
    snapshots = sorted((s for table in tables for s in table.metadata.snapshots), key=lambda s: s.timestamp_ms)
    added = [int(s.summary.get("added-records", 0) or 0) if s.summary is not None else 0 for s in snapshots]
    rows = np.concatenate([[0], np.cumsum(added)])
    times = np.array([began, *(s.timestamp_ms / 1000 for s in snapshots)])
    first, last = np.interp([0.3 * rows[-1], 0.95 * rows[-1]], rows, times)
    return float(0.65 * rows[-1] / max(last - first, 1e-3))


def _committed_at(table: Table) -> float:
    snapshot = table.current_snapshot()
    return snapshot.timestamp_ms / 1000 if snapshot is not None else 0.0


@contextmanager
def topics_of_their_own(prefix: str) -> Iterator[None]:
    """Within it, event sources have other topics, here and in processes that are started."""
    names = {name: prefix + name for name, contract in contracts().items() if contract.is_event}
    os.environ["LAKEHOUSE_TOPICS"] = json.dumps(names)
    settings.cache_clear()
    try:
        yield
    finally:
        del os.environ["LAKEHOUSE_TOPICS"]
        settings.cache_clear()


def publish(plan: Run, only: str) -> None:
    """Generate a run and send of it the events only, or the reference records only."""

    class Part(Publisher):
        def send_frame(self, source: str, messages: object) -> None:
            if contracts()[source].is_event == (only == "events"):
                super().send_frame(source, messages)  # type: ignore[arg-type]

    with Part() as publisher:
        run(plan, publisher)


def bench(events: int, rounds: int, defects: str, say: "report.Say") -> Bench:
    """Run it all on servers of its own.

    Raises:
        LakehouseError: a server or a contestant failed; what it printed is in the message.
    """
    machine = report.machine()
    with own_servers() as folder:
        race = Race.at(folder, events)
        race.prepare(defects, say)
        done: list[Round] = []
        for number in range(1, rounds + 1):
            race.drop([*tables_of(event_sources()), PEER_TABLE])
            worker = race.worker(str(number), ["calls"])
            say(f"round {number}: worker       {report.line(worker)}")
            by_hand = race.by_hand(str(number))
            say(f"round {number}: by hand      {report.line(by_hand)}")
            race.drop(tables_of(event_sources()))
            mixed = race.mixed(str(number))
            say(f"round {number}: five sources {report.line(mixed)}")
            for one in (worker, mixed):
                if one.rows != events:
                    raise LakehouseError(f"silver holds {one.rows:,} rows of {events:,} messages")
            done.append(Round(worker, by_hand, mixed))
        return Bench(events, defects, datetime.now(UTC).isoformat(timespec="minutes"), machine, tuning(), done)


@click.command()
@click.option("--events", type=click.IntRange(1_000), default=1_000_000, show_default=True, help="Calls in the topic.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Turns of each contestant.")
@click.option("--defects", default=DEFAULT_DEFECTS, show_default=True, help="As of `lakehouse generate`.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--write", is_flag=True, help="Put the table into bench/RESULTS.md.")
def main(events: int, rounds: int, defects: str, as_json: bool, write: bool) -> None:
    """Race one worker, with all it does, against a hand-written loop over the same topic.

    Starts servers of its own in a temporary folder on free ports and ends them; LAKEHOUSE_ variables that tune the
    line (commit interval, buffer, partitions) are obeyed, those that say where servers are, are not.
    """
    with report.as_command():
        result = bench(events, rounds, defects, report.progress)
    click.echo(json.dumps(report.to_json(result)) if as_json else report.table(result))
    if write:
        click.echo(f"written: {report.write(result)}", err=True)


if __name__ == "__main__":
    main()
