"""One build of gold: plan, load, complete. Killed anywhere, the next call goes on where it was.

- *Plan*: of each silver table one snapshot, and the offsets between what each gold table has and that snapshot; recorded first.
- *Load*: dimensions side by side, then facts side by side. A dimension is merged (the same rows whenever it is repeated), a
  fact appended under the build's id: rows with that id mean that it is done. A table that fails keeps its watermark and does
  not stop the others; facts wait only for the dimensions that they point to.
- *Complete*: the cheap checks, then the record.
"""

import logging
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from catalog.offsets import Offsets
from catalog.snapshots import StateReader, TableState
from lakehouse.errors import LakehouseError, Retry
from lakehouse.gold.builds import Build, Builds, Plan, TableResult, Watermarks
from lakehouse.gold.engine import Engine
from lakehouse.gold.intervals import Interval
from lakehouse.gold.models import Model, Renderer, gold, models, sources_of
from lakehouse.paths import data_folder
from lakehouse.settings import Settings

log = logging.getLogger(__name__)
_SIDE_BY_SIDE = 3
Progress = Callable[[str, TableResult], None]


@dataclass(frozen=True)
class Check:
    """A query that counts what is wrong, with the sentence that it proves."""

    name: str
    severity: str
    kinds: str
    says: str
    sql: str


def checks() -> list[Check]:
    """The checks of `trino/checks`."""
    return [_check(path) for path in sorted((data_folder("trino") / "checks").glob("*.sql"))]


def _check(path: Path) -> Check:
    text = path.read_text()
    said = dict(re.findall(r"^-- (severity|for|says): (.*)$", text, re.MULTILINE))
    return Check(path.stem, said["severity"], said["for"], said["says"], text)


class GoldBuilder:
    """Builds gold from silver."""

    def __init__(self, settings: Settings, builds: Builds, states: StateReader, engine: Engine) -> None:
        self._builds = builds
        self._states = states
        self._engine = engine
        self._models = models()
        self._renderer = Renderer(settings, self._models)

    def create_tables(self) -> None:
        """Create the gold tables that are missing."""
        for model in self._models.values():
            self._engine.run(model.ddl())

    def build(self, progress: Progress = lambda table, result: None) -> Build | None:
        """Finish a build that was planned, or plan one if silver holds something new; None if it does not.

        Raises:
            Retry: a server does not answer; the build goes on at the next call.
            Fenced: another process builds too.
        """
        builds = self._builds.read()
        last = next((b for b in reversed(builds) if b.results is not None), None)
        build = builds[-1] if builds and builds[-1].results is None else None
        if build is not None:
            log.info("build %d was planned and is not complete: it goes on", build.build_id)
            self._engine.end_leftovers()
        else:
            plan = self._plan(last.watermarks if last is not None else {})
            if plan is None:
                return None
            build = self._builds.record_plan(builds[-1].build_id + 1 if builds else 1, plan)
        build.results = self._load(build, progress)
        build.watermarks = _advanced(last.watermarks if last is not None else {}, build.plan, build.results)
        self._builds.record_complete(build)
        return build

    # -- plan ----------------------------------------------------------------------------------------------------------

    def _plan(self, watermarks: Watermarks) -> Plan | None:
        states: dict[str, TableState] = {}
        plan: Plan = {}
        for model in self._models.values():
            if model.kind == "generated":
                if model.table not in watermarks:
                    plan[model.table] = {}
                continue
            sources = sources_of(model, self._models)
            for source in sources:
                if source not in states:
                    states[source] = self._states.state(f"silver.{source}")
            intervals = {s: self._interval(s, states[s], watermarks.get(model.table, {})) for s in sources}
            if model.table not in watermarks or not all(i.empty for i in intervals.values()):
                plan[model.table] = intervals
        moved = any(not i.empty for intervals in plan.values() for i in intervals.values())
        return plan if moved else None

    def _interval(self, source: str, state: TableState, loaded: Mapping[str, tuple[int | None, Offsets]]) -> Interval:
        snapshot, start = loaded.get(source, (None, {}))
        for partition, offset in start.items():
            if state.positions.next.get(partition, 0) < offset:
                raise LakehouseError(
                    f"silver.{source} went back: gold has its offsets up to {offset} of {partition}. Somebody rolled the"
                    " table back; gold must be built anew from it."
                )
        since = self._states.ingested_since(f"silver.{source}", snapshot) if state.snapshot_id != snapshot else None
        return Interval(source, state.snapshot_id, dict(start), dict(state.positions.next), since)

    # -- load ----------------------------------------------------------------------------------------------------------

    def _load(self, build: Build, progress: Progress) -> dict[str, TableResult]:
        results: dict[str, TableResult] = {}
        for kinds in (("generated", "dimension"), ("fact",)):
            todo = [m for m in self._models.values() if m.kind in kinds and m.table in build.plan]
            with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="gold") as pool:
                futures = {m.table: pool.submit(self._load_table, m, build, results) for m in todo}
            for table, future in futures.items():
                results[table] = future.result()
                progress(table, results[table])
        return results

    def _load_table(self, model: Model, build: Build, before: Mapping[str, TableResult]) -> TableResult:
        started = time.monotonic()
        result = TableResult()
        waits = [k.dimension for k in model.foreign_keys if k.dimension in before and before[k.dimension].error]
        try:
            if model.kind == "fact":
                result.rows = self._append_fact(model, build, sorted(set(waits)))
            else:
                result.rows = self._merge(model, build)
        except Retry:
            raise
        except LakehouseError as error:
            log.error("build %d: %s could not be loaded: %s", build.build_id, model.table, error)
            result.error = str(error)
        else:
            result.failed_checks = self._check(model, build)
        result.seconds = round(time.monotonic() - started, 3)
        return result

    def _append_fact(self, model: Model, build: Build, waits: list[str]) -> int:
        """Append the build's rows. Rows with its id mean that an earlier try did, whatever it was told."""
        loaded = f"select count(*) from {gold(model.table)} where build_id = {build.build_id}"
        present = self._engine.count(loaded)
        if present:
            return present
        if waits:
            raise LakehouseError(f"waits for {', '.join(waits)}, which could not be loaded")
        select = self._renderer.render(model, model.sql, build.plan[model.table], build.build_id)
        try:
            return self._engine.count(f"insert into {gold(model.table)} ({model.column_list})\n{select}")
        except Retry:
            raise
        except LakehouseError:
            # Refused, or ended after its commit: only the table knows.
            present = self._engine.count(loaded)
            if present:
                return present
            raise

    def _merge(self, model: Model, build: Build) -> int:
        """Make the table hold exactly the model's rows for the keys that they name."""
        intervals = build.plan[model.table]
        select = self._renderer.render(model, model.sql, intervals, build.build_id)
        key = model.business_key
        touched = self._renderer.touched(model, key, intervals) if model.kind == "dimension" and key else None
        return self._engine.count(merge_statement(model, select, touched))

    def _check(self, model: Model, build: Build) -> list[str]:
        failed = []
        for check in checks():
            words = check.kinds.split(" with ")
            if words[0] != model.kind or (words[1:] == ["amount"] and not model.has_amount):
                continue
            sql = self._renderer.render(model, check.sql, build.plan[model.table], build.build_id)
            try:
                wrong = self._engine.count(sql)
            except Retry:
                raise
            except LakehouseError as error:
                failed.append(f"{check.name} could not be run: {error}")
                continue
            if wrong:
                log.error("build %d: %s: not true that %s (%d)", build.build_id, model.table, check.says, wrong)
                failed.append(f"{check.name}: {wrong} against '{check.says}'")
        return failed


def merge_statement(model: Model, select: str, touched: str | None) -> str:
    """One MERGE that makes a dimension hold the selected rows, and no others of the touched business keys.

    Repeating it changes nothing. Rows that did not change are left alone, so that copies see what did.

    Args:
        select: the rows of the touched keys as they are to be.
        touched: a query of those keys; None if the rows replace nothing (generated tables).
    """
    sk, key, table, columns = model.surrogate_key, model.business_key, gold(model.table), model.column_list
    names = [c.name for c in model.columns]
    differs = " or ".join(f"t.{n} is distinct from s.{n}" for n in names if n != sk)
    updates = ", ".join(f"{n} = s.{n}" for n in names if n != sk)
    values = ", ".join(f"s.{n}" for n in names)
    present = f"union all\nselect {columns}, true from {table} where {key} in (\n{touched}\n)" if touched else ""
    return f"""merge into {table} t using (
with fresh as (
{select}
),
both as (
select {columns}, false as is_old from fresh
{present}
),
judged as (
select *, is_old and count_if(not is_old) over (partition by {sk}) = 0 as is_gone from both
)
select {columns}, is_gone from judged where not is_old or is_gone
) s on t.{sk} = s.{sk}
when matched and s.is_gone then delete
when matched and ({differs}) then update set {updates}
when not matched then insert ({columns}) values ({values})"""


def _advanced(before: Watermarks, plan: Plan, results: Mapping[str, TableResult]) -> Watermarks:
    """The watermarks after a build: those of its tables at the plan's end, save where loading failed."""
    after = dict(before)
    for table, intervals in plan.items():
        if results[table].error is None:
            after[table] = {source: (i.snapshot_id, i.end) for source, i in intervals.items()}
    return after
