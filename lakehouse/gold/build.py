"""One build of gold: plan, load, complete. Killed anywhere, the next call goes on where it was.

- *Plan*: of each silver table one snapshot, and the offsets between what each gold table has and that snapshot; recorded first.
- *Load*: dimensions side by side, then facts side by side. A dimension is merged (the same rows whenever it is repeated), a
  fact appended under the build's id: rows with that id mean that it is done; then older facts follow what moved in histories. A
  table that fails keeps its watermark and does not stop the others; facts wait only for the dimensions that they point to.
- *Complete*: the cheap checks, then the record.
"""

import logging
import time
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field

from catalog.snapshots import StateReader
from lakehouse.errors import LakehouseError, Retry
from lakehouse.gold.builds import Build, Builds, Plan, TableResult, Watermarks
from lakehouse.gold.checks import build_checks
from lakehouse.gold.engine import Engine
from lakehouse.gold.load import Describe, Loader
from lakehouse.gold.models import Model, broken_models, models
from lakehouse.gold.plan import Planner
from lakehouse.gold.render import Renderer
from lakehouse.gold.repoint import Moved, histories_of, moved
from lakehouse.settings import Settings

log = logging.getLogger(__name__)
_SIDE_BY_SIDE = 3
Progress = Callable[[str, TableResult], None]


class GoldBuilder:
    """Builds gold from silver."""

    def __init__(
        self, settings: Settings, builds: Builds, states: StateReader, engine: Engine, describe: Describe
    ) -> None:
        self._settings = settings
        self._builds = builds
        self._states = states
        self._engine = engine
        self._describe = describe
        self._models = models()
        self._created: set[str] = set()
        self._planner = Planner(self._models, states, most=settings.build_events)

    def build(
        self,
        progress: Progress = lambda table, result: None,
        only: Collection[str] = (),
        full: bool = False,
        patient: bool = True,
    ) -> Build | None:
        """Finish a build that was planned, or plan one if silver holds something new; None if there is nothing to do.

        Args:
            only: these tables, with the dimensions that they point to; nothing means all.
            full: make the tables anew from all of silver, in one commit each.
            patient: leave tables that could not be loaded a moment ago alone.
        Raises:
            Retry: a server does not answer; the build goes on at the next call.
            Fenced: another process builds too.
            UsageError: there is no such table.
        """
        builds = self._builds.read()
        last = next((b for b in reversed(builds) if b.results is not None), None)
        build = builds[-1] if builds and builds[-1].results is None else None
        resumed = build is not None
        if build is not None:
            log.info("build %d was planned and is not complete: it goes on", build.build_id)
            self._engine.end_leftovers()
        else:
            plan = self._planner.plan(last, only, full, patient)
            if plan is None:
                return None
            build = self._builds.record_plan(builds[-1].build_id + 1 if builds else 1, plan, full)
        self._carry_out(build, last, progress, resumed, _doubtful(builds))
        self._builds.record_complete(build)
        if resumed and (full or only):
            return self.build(progress, only, full, patient)  # what was asked for is still to be done
        return build

    def create_tables(self) -> None:
        """Create the gold tables that are missing; one that can't be is left to the build to report.

        Raises:
            Retry: Trino does not answer.
        """
        for model in self._models.values():
            try:
                self._create(model)
            except Retry:
                raise
            except LakehouseError as error:
                log.error("%s could not be created: %s", model.table, error)

    def _create(self, model: Model) -> None:
        if model.table not in self._created:
            self._engine.run(model.ddl())
            self._created.add(model.table)

    def _carry_out(
        self,
        build: Build,
        last: Build | None,
        progress: Progress,
        resumed: bool,
        doubtful: Container[str],
    ) -> None:
        renderer = Renderer(self._settings, self._models, full=build.full)
        known = last.watermarks if last is not None else {}
        loader = Loader(self._engine, renderer, build, self._describe, known, resumed, doubtful)
        run = _Run(build, {table: TableResult(error=reason) for table, reason in broken_models().items()}, progress)
        followed = dict(last.followed) if last is not None else {}
        run.before = {d: self._snapshot(d) for d in {d for own in followed.values() for d in own}}
        self._side_by_side(("generated", "dimension"), run, loader)
        self._see_what_moved(run, followed)
        self._see_who_cannot_follow(run, known, followed)
        self._side_by_side(("fact",), run, loader)
        build.results = run.results
        build.watermarks = _advanced(known, build.plan, run.results)
        build.followed = self._followed(followed, run)

    # -- following histories -------------------------------------------------------------------------------------------

    def _snapshot(self, dimension: str) -> int:
        return self._states.state(f"gold.{dimension}").snapshot_id or 0

    def _see_what_moved(self, run: "_Run", followed: Mapping[str, Mapping[str, int]]) -> None:
        """Find what the rows of each fact must follow. A dimension that failed is followed by a later build."""
        known: dict[tuple[str, int], Moved | None] = {}
        for fact, dimensions in followed.items():
            if fact not in self._models or (run.build.full and fact in run.build.plan):
                continue
            for d in histories_of(self._models[fact], self._models):
                since = dimensions.get(d.table)
                if since is None or d.table in run.failed or not run.may_move(d, since, self._snapshot(d.table)):
                    continue
                try:
                    if (d.table, since) not in known:
                        known[d.table, since] = moved(self._engine, d, since)
                except Retry:
                    raise
                except LakehouseError as error:
                    remedy = f"`lakehouse build --full --only {fact}` makes it anew"
                    run.lagging[fact] = f"its rows can't follow {d.table} ({error}); {remedy}"
                    continue
                found = known[d.table, since]
                if found is not None:
                    run.moved.setdefault(fact, {})[d.table] = found

    def _see_who_cannot_follow(self, run: "_Run", known: Watermarks, followed: Collection[str]) -> None:
        """Find facts that a version of ours loaded which did not note what their rows follow."""
        for fact in (m for m in self._models.values() if m.kind == "fact" and m.table in known):
            if histories_of(fact, self._models) and fact.table not in followed and not run.build.full:
                run.lagging[fact.table] = (
                    "an older version loaded it, and did not note which histories its rows follow;"
                    f" `lakehouse build --full --only {fact.table}` makes it anew"
                )

    def _followed(self, before: dict[str, dict[str, int]], run: "_Run") -> dict[str, dict[str, int]]:
        """What each fact's rows follow after the build."""
        after = dict(before)
        for fact in (m for m in self._models.values() if m.kind == "fact"):
            if (fact.table in run.build.plan or fact.table in before) and fact.table not in run.failed:
                own = before.get(fact.table, {})
                histories = [d.table for d in histories_of(fact, self._models)]
                lasting = {d: own[d] for d in histories if d in run.failed and d in own}
                after[fact.table] = lasting | {d: self._snapshot(d) for d in histories if d not in run.failed}
        return after

    # -- loading -------------------------------------------------------------------------------------------------------

    def _side_by_side(self, kinds: tuple[str, ...], run: "_Run", loader: Loader) -> None:
        todo = [m for m in self._models.values() if m.kind in kinds and run.concerns(m.table)]
        with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="gold") as pool:
            futures = {m.table: pool.submit(self._table, m, run, loader, frozenset(run.failed)) for m in todo}
        for table, future in futures.items():
            run.results[table] = future.result()
            run.progress(table, run.results[table])

    def _table(self, model: Model, run: "_Run", loader: Loader, failed: frozenset[str]) -> TableResult:
        started = time.monotonic()
        result = TableResult(lagging=run.lagging.get(model.table))
        try:
            if model.table in run.build.plan:
                self._create(model)
                result.rows = loader.load(model, sorted(failed & {k.dimension for k in model.foreign_keys}))
                result.aside = [asdict(one) for one in loader.aside.get(model.table, ())]
        except Retry:
            raise
        except Exception as error:  # a file of the operator's can be wrong in any way: it is this table's fault alone
            log.error("%s could not be loaded: %s", model.table, error, exc_info=not isinstance(error, LakehouseError))
            self._created.discard(model.table)
            result.error = _sentence(error)
        else:
            result.failed_checks = self._check(model, run, loader)
        self._follow(model, run, loader, result)
        result.seconds = round(time.monotonic() - started, 3)
        return result

    def _check(self, model: Model, run: "_Run", loader: Loader) -> list[str]:
        """What the build's checks say. What is loaded is loaded: a check that can't be run is one that failed."""
        try:
            return loader.check(model, build_checks()) if model.table in run.build.plan else []
        except Retry:
            raise
        except Exception as error:
            return [f"the checks could not be run: {_sentence(error)}"]

    def _follow(self, model: Model, run: "_Run", loader: Loader, result: TableResult) -> None:
        try:
            loader.repoint(model, run.moved.get(model.table, {}), result)
        except Retry:
            raise
        except Exception as error:
            log.error("%s could not follow its dimensions: %s", model.table, error)
            result.lagging = _sentence(error)


@dataclass
class _Run:
    """A build as it goes: what came of its tables, and what moved in histories.

    Attributes:
        before: snapshots of dimensions with history when the build began.
        moved: by fact and dimension with history, what the fact's older rows must follow.
        lagging: facts that can't follow, with the reason.
    """

    build: Build
    results: dict[str, TableResult]
    progress: Progress
    before: dict[str, int] = field(default_factory=dict)
    moved: dict[str, dict[str, Moved]] = field(default_factory=dict)
    lagging: dict[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> set[str]:
        """Tables that are not up to date."""
        return {table for table, r in self.results.items() if r.error or r.lagging}

    def may_move(self, dimension: Model, since: int, now: int) -> bool:
        """Whether versions may differ from those of a snapshot: members that are only inferred take no one's place."""
        if since == now:
            return False
        intervals = self.build.plan.get(dimension.table, {})
        recorded = dimension.reads is None or dimension.reads not in intervals or not intervals[dimension.reads].empty
        return recorded or self.build.full or since != self.before.get(dimension.table)

    def concerns(self, table: str) -> bool:
        """Whether there is anything to do for a table."""
        return table not in self.results and (table in self.build.plan or table in self.moved or table in self.lagging)


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, LakehouseError) else f"{type(error).__name__}: {error}"


def _doubtful(builds: Sequence[Build]) -> set[str]:
    """The tables that the last build with them could not load."""
    found: set[str] = set()
    for build in builds:
        for table, result in (build.results or {}).items():
            if result.error is not None:
                found.add(table)
            elif table in build.plan:
                found.discard(table)
    return found


def _advanced(before: Watermarks, plan: Plan, results: Mapping[str, TableResult]) -> Watermarks:
    """The watermarks after a build: those of its tables at the plan's end, save where loading failed."""
    after = dict(before)
    for table, intervals in plan.items():
        if table in results and results[table].error is None:
            after[table] = {source: (i.snapshot_id, i.end) for source, i in intervals.items()}
    return after
