"""The full checks of gold: whole tables against what they promise, with results in `gold.check_results`."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catalog.client import Catalog
from catalog.ledger import Ledger
from catalog.schemas import Column
from lakehouse.clock import Clock, now
from lakehouse.errors import UsageError
from lakehouse.gold.builds import Build, Builds
from lakehouse.gold.checks import Finding, find, full_checks
from lakehouse.gold.engine import Engine
from lakehouse.gold.intervals import Interval
from lakehouse.gold.models import Model, broken_models, models
from lakehouse.gold.render import Renderer
from lakehouse.settings import Settings

COLUMNS = (
    Column("checked_at", "instant", "when the run of checks ended"),
    Column("build_id", "long", "newest complete build when it was checked"),
    Column("table_name", "string", "gold table"),
    Column("check_name", "string", "file in trino/checks/full"),
    Column("severity", "string", "fail: the table is wrong; warn: a person should look"),
    Column("passed", "bool", "whether the sentence holds"),
    Column("wrong", "long", "how much is against it"),
    Column("says", "string", "the sentence"),
    Column("error", "string", "why it could not be run"),
)
DOC = "Full checks of gold tables: one row a table, check and run"


@dataclass(frozen=True)
class Result:
    """What a check found in a table."""

    table: str
    finding: Finding

    def as_row(self, at: datetime, build_id: int) -> dict[str, Any]:
        """The row of `gold.check_results`."""
        found = self.finding
        return {
            "checked_at": at,
            "build_id": build_id,
            "table_name": self.table,
            "check_name": found.check.name,
            "severity": found.check.severity,
            "passed": found.passed,
            "wrong": found.wrong,
            "says": found.check.says,
            "error": found.error,
        }


class Inspector:
    """Runs the full checks. Gold must not change meanwhile."""

    def __init__(self, settings: Settings, catalog: Catalog, builds: Builds, clock: Clock = now) -> None:
        self._settings = settings
        self._builds = builds
        self._ledger = Ledger(catalog, "gold.check_results", COLUMNS, DOC)
        self._clock = clock

    def inspect(
        self, tables: Collection[str] = (), progress: Callable[[Result], None] = lambda result: None
    ) -> list[Result]:
        """Check tables, record and return what was found.

        Args:
            tables: nothing means all that were built.
        Raises:
            UsageError: there is no such table, or nothing was built yet.
            Retry: a server does not answer.
        """
        known = models()
        tables = [name.removeprefix("iceberg.").removeprefix("gold.") for name in tables]
        broken = [name for name in tables if name in broken_models()]
        if broken:
            raise UsageError(f"{broken[0]} can't be read: {broken_models()[broken[0]]}")
        unknown = [name for name in tables if name not in known]
        if unknown:
            raise UsageError(f"no gold table is called {unknown[0]!r}; there are {', '.join(known)}")
        last = next((b for b in reversed(self._builds.read()) if b.results is not None), None)
        if last is None:
            raise UsageError("nothing was built yet; `lakehouse build` does it as soon as silver holds something")
        engine, renderer = Engine(self._settings, "lakehouse-check"), Renderer(self._settings, known, full=True)
        results = []
        for model in known.values():
            if model.table in last.watermarks and (not tables or model.table in tables):
                for result in _check(engine, renderer, model, last):
                    results.append(result)
                    progress(result)
        self._record(results, last.build_id)
        return results

    def _record(self, results: list[Result], build_id: int) -> None:
        at = self._clock()
        self._ledger.read()
        self._ledger.append([result.as_row(at, build_id) for result in results])

    def newest(self) -> list[dict[str, Any]]:
        """The newest result of each table and check, as rows of `gold.check_results`."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for row in sorted(self._ledger.read(), key=lambda r: r["checked_at"]):
            found[row["table_name"], row["check_name"]] = row
        return list(found.values())


def _check(engine: Engine, renderer: Renderer, model: Model, last: Build) -> list[Result]:
    intervals = _everything(last.watermarks[model.table])
    asked = [check for check in full_checks() if check.concerns(model)]
    return [
        Result(model.table, finding)
        for check in asked
        for finding in find(engine, renderer, [check], model, intervals, last.build_id)
    ]


def _everything(loaded: Mapping[str, tuple[int | None, Any]]) -> dict[str, Interval]:
    """All that a table has taken in of silver."""
    return {source: Interval(source, snapshot, {}, dict(end)) for source, (snapshot, end) in loaded.items()}
