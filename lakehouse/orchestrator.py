"""Starts builds and copies when something was committed: new silver offsets start a build, a complete build the copies.

There is no schedule. A run takes all that is new when it starts; while it runs, more gathers for the next one. The process may
be killed at any moment: what it had begun is found in `gold.builds` and `gold.copies` and goes on.
"""

import fcntl
import logging
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from types import FrameType

from catalog import client
from catalog.client import Catalog, describe
from catalog.maintenance import contents, expire
from catalog.snapshots import StateReader
from lakehouse.copies.copy import Change, Copied, Copies, copied_tables
from lakehouse.copies.rejected import Taken
from lakehouse.copies.server import Server
from lakehouse.errors import LakehouseError, Retry
from lakehouse.gold.build import GoldBuilder
from lakehouse.gold.builds import Build, Builds, TableResult, spared
from lakehouse.gold.engine import Engine
from lakehouse.gold.inspection import Inspector, Result
from lakehouse.gold.models import forget, models, stamps
from lakehouse.gold.upkeep import Crowd, Upkeep, crowd_of_gold, crowds_of
from lakehouse.settings import Settings, settings
from streams.contract import contracts

log = logging.getLogger("lakehouse.orchestrator")
_LOOK_S = 0.5  # between two looks at the catalog; a look costs 20 ms
_TIDY_S = 60.0
_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 15.0
_RENEWED_AGAIN_S = 60.0  # copies that could not be made anew are tried again


@dataclass
class Run:
    """What one turn did: a build and copies, or nothing."""

    build: Build | None = None
    copied: tuple[Copied, ...] = ()


# A backlog has a Parquet writer open for each of its days. By Trino's defaults (pages of 1 MB or 60,000 values) each keeps all
# of its rows as they are, since pages are compressed when they are full: 2 GB of heap for three facts of 1 to 2 million rows
# over 60 days, and an engine that dies of the same build again and again.
WRITERS = {
    "iceberg.parquet_writer_page_size": "64kB",
    "iceberg.parquet_writer_page_value_count": "2000",
}
"""Session properties of Trino for builds."""


class Orchestrator:
    """One turn after another of: build what silver has, copy what gold has."""

    def __init__(self, now: Settings) -> None:
        catalog = client.connect(now)
        client.ensure_namespaces(catalog)
        states = StateReader(catalog)
        self._settings = now
        self.builds = Builds.of(catalog)
        self._engine = Engine(now, session=WRITERS)
        self._builder = GoldBuilder(now, self.builds, states, self._engine, partial(_describe, catalog))
        self.copies = Copies(Server(now), states)
        self._upkeep = Upkeep(self._engine, lambda table: contents(catalog, table).files)
        self._catalog = catalog
        self._ready = False
        self._renewed, self._renewed_s = False, -_RENEWED_AGAIN_S
        self._tidied_s = 0.0
        self._inspected_s = time.monotonic()
        self._failed_s = -_LONGEST_PAUSE_S

    def turn(
        self,
        on_table: Callable[[str, TableResult], None] = lambda table, result: None,
        on_copy: Callable[[Copied], None] = lambda copied: None,
        only: Collection[str] = (),
        full: bool = False,
        patient: bool = True,
    ) -> Run:
        """Build and copy whatever is new. One process at a time a stack: a second one waits.

        Args:
            only, full, patient: as `GoldBuilder.build` takes them.
        Raises:
            Retry: a server does not answer.
        """
        with _turn_lock(self._settings):
            if not self._ready:
                self._engine.end_leftovers()  # a process killed in its upkeep left some without an unfinished build
                self._builder.create_tables()
                self.copies.create_tables()
                self._ready = True
            if not self._renewed and time.monotonic() - self._renewed_s > _RENEWED_AGAIN_S:
                self._renewed = self.copies.renew([_change(b) for b in self._complete()])
                self._renewed_s = time.monotonic()
            build = self._builder.build(on_table, only, full, patient)
            done = Run(build, self._copy(build, on_copy))
            if build is not None and time.monotonic() - self._tidied_s > _TIDY_S:
                self._tidied_s = time.monotonic()
                self._tidy(build)
            return done

    def inspect(
        self, tables: Collection[str] = (), on_result: Callable[[Result], None] = lambda result: None
    ) -> list[Result]:
        """Run the full checks, between two turns; see `Inspector.inspect`."""
        with _turn_lock(self._settings):
            return Inspector(self._settings, self._catalog, self.builds).inspect(tables, on_result)

    def inspect_if_due(self) -> None:
        """Run the full checks if their interval has passed; the first time after one of them."""
        if time.monotonic() - self._inspected_s < self._settings.check_interval_s:
            return
        self._inspected_s = time.monotonic()
        results = self.inspect()
        wrong = [r for r in results if not r.finding.passed]
        log.info("full checks: %d hold, %d do not", len(results) - len(wrong), len(wrong))
        for result in wrong:
            log.error("%s: %s", result.table, result.finding.sentence())

    def _tidy(self, build: Build) -> None:
        """Keep gold's histories short, sparing what the next build goes by, and write small files of all tables together."""
        for name in [*(f"gold.{table}" for table in models()), "gold.builds", "gold.check_results"]:
            _forget(self._settings, self._catalog, name, lambda: build.snapshots)
        for crowd in _crowds():
            try:
                if self._upkeep.write_together(crowd):
                    log.info("%s: its files are written together", crowd.table)
            except Exception as error:  # a matter of speed; what was built stands
                self._ready = False  # the statement may still run: it is ended before the next turn
                log.warning("%s: its files could not be written together: %s", crowd.table, error)

    def _complete(self) -> list[Build]:
        return [b for b in self.builds.read() if b.results is not None]

    def _copy(self, build: Build | None, on_copy: Callable[[Copied], None]) -> tuple[Copied, ...]:
        if build is None and time.monotonic() - self._failed_s < _LONGEST_PAUSE_S:
            return ()
        complete = self._complete()
        if not complete or complete[-1].build_id == self.copies.copied_build():
            return ()
        known = [m for m in models().values() if m.table in copied_tables()]
        facts = [m.table for m in known if m.kind == "fact"]
        others = [m.table for m in known if m.kind != "fact"]
        copied = tuple(self.copies.refresh([_change(b) for b in complete], facts, others, on_copy))
        if any(c.error for c in copied):
            self._failed_s = time.monotonic()
        return copied


def _crowds() -> Iterator[Crowd]:
    for model in models().values():
        if (crowd := crowd_of_gold(model)) is not None:
            yield crowd
    for source in contracts():
        yield from crowds_of(source)


def _describe(catalog: Catalog, table: str, docs: Mapping[str, str]) -> None:
    describe(catalog, f"gold.{table}", docs)


def _change(build: Build) -> Change:
    """What a build did beyond appending, as the copies must know it."""
    results = {t: r for t, r in (build.results or {}).items() if not r.error}
    replaced = frozenset(t for t in results if build.full and t in build.plan)
    days = {t: [date.fromisoformat(day) for day in r.repointed] for t, r in results.items() if r.repointed}
    return Change(build.build_id, replaced, days, _taken(build))


def _taken(build: Build) -> Taken | None:
    """What gold had of silver after a build."""
    if not build.watermarks:
        return None  # shortened
    since: dict[str, datetime | None] = {}
    for intervals in build.plan.values():
        for source, interval in intervals.items():
            if not interval.empty:
                earlier = since.get(source, interval.ingested_from)
                at = interval.ingested_from
                since[source] = min(earlier, at) if earlier is not None and at is not None else None
    return Taken(build.ends, since)


@contextmanager
def _turn_lock(now: Settings) -> Iterator[None]:
    """One turn at a time: gold tables have one writer."""
    now.data_dir.mkdir(parents=True, exist_ok=True)
    with (now.data_dir / "gold.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _forget(now: Settings, catalog: Catalog, name: str, kept: Callable[[], Collection[int]]) -> None:
    """Expire a table's old snapshots, and say so."""
    if gone := expire(catalog, name, kept, timedelta(seconds=now.snapshots_kept_s)):
        log.info("%s: %d old snapshots forgotten", name, gone)


def _gone_by(builds: Builds) -> set[int]:
    return spared(builds.read())


def _forget_forever(now: Settings) -> None:
    """Keep the histories of silver and bronze short, beside the turns.

    They grow with each commit of a worker: in a build of an hour each commit would have 3,600 snapshots to work through.
    Those of gold grow with builds, and are left alone while one is under way.
    """
    builds: Builds | None = None
    catalog: Catalog | None = None
    while True:
        time.sleep(_TIDY_S)
        for name in (f"{layer}.{source}" for layer in ("silver", "bronze") for source in contracts()):
            try:
                catalog = catalog or client.connect(now)
                builds = builds or Builds.of(catalog)
                _forget(now, catalog, name, partial(_gone_by, builds))
            except Exception as error:  # a matter of speed
                log.warning("%s: old snapshots could not be forgotten: %s", name, error)


def run_forever(now: Settings, stop: Callable[[], bool]) -> None:
    """Take turns until told to stop; wait out what passes, report what does not."""
    threading.Thread(target=_forget_forever, args=(now,), name="forget", daemon=True).start()
    pause = _PAUSE_S
    orchestrator: Orchestrator | None = None
    read = stamps()
    while not stop():
        try:
            if (found := stamps()) != read:
                log.info("gold models were changed; they are read anew")
                forget()
                read, orchestrator = found, None
            orchestrator = orchestrator or Orchestrator(now)
            done = orchestrator.turn()
            pause = _PAUSE_S
            orchestrator.inspect_if_due()
            if done.build is not None:
                _report(done)
            else:
                time.sleep(_LOOK_S)
        except Retry as error:
            log.warning("%s; next try in %.0f s", error, pause)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        except Exception as error:
            log.error("%s; next try in %.0f s", error, _LONGEST_PAUSE_S, exc_info=not isinstance(error, LakehouseError))
            time.sleep(_LONGEST_PAUSE_S)
            orchestrator = None


def _report(done: Run) -> None:
    assert done.build is not None
    assert done.build.results is not None
    tables = ", ".join(f"{name} {r.rows:,}" for name, r in done.build.results.items())
    copied = ", ".join(f"{c.table} {c.error or format(c.rows, ',')}" for c in done.copied)
    log.info("build %d: %s; copied: %s", done.build.build_id, tables, copied or "nothing")


def main() -> None:
    """`python -m lakehouse.orchestrator`: until SIGTERM or Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("pyiceberg").setLevel(logging.WARNING)
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        if len(asked) > 1 or number == signal.SIGTERM:
            raise SystemExit(0)  # a turn may be cut anywhere

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    run_forever(settings(), lambda: bool(asked))


if __name__ == "__main__":
    main()
