"""Loads one gold table for one build. Each way may be cut anywhere and repeated: the rows come out the same."""

import logging
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

from catalog.offsets import between
from lakehouse.errors import LakehouseError, Refused, Retry
from lakehouse.gold import checks
from lakehouse.gold.aside import Aside, without
from lakehouse.gold.aside import find as aside_of
from lakehouse.gold.builds import Build, TableResult
from lakehouse.gold.engine import Engine
from lakehouse.gold.intervals import Interval
from lakehouse.gold.merge import merge_statement
from lakehouse.gold.models import Model, gold, quoted
from lakehouse.gold.render import Renderer
from lakehouse.gold.repoint import Moved, follow

log = logging.getLogger(__name__)
# table, column -> comment: put back what a replaced table has lost
Describe = Callable[[str, Mapping[str, str]], None]
# Trino's word for a refusal may hold a value of a row, of any length.
_REASON = 300
# Up to so many touched keys are named in the statement.
_NAMED = 2000


class Loader:
    """Loads tables."""

    def __init__(
        self,
        engine: Engine,
        renderer: Renderer,
        build: Build,
        describe: Describe,
        known: Container[str],
        resumed: bool,
        doubtful: Container[str],
    ) -> None:
        """Prepare for a build.

        Args:
            known: tables that an earlier build loaded.
            resumed: an earlier try of this build may have loaded some.
            doubtful: facts that the last build could not load: its rows may have come all the same.
        """
        self._engine = engine
        self._renderer = renderer
        self._build = build
        self._describe = describe
        self._known = known
        self._resumed = resumed
        self._doubtful = doubtful
        self.aside: dict[str, list[Aside]] = {}
        """By fact, what of its rows was left out."""

    def load(self, model: Model, waits: Sequence[str]) -> int:
        """Bring a table to the build's end; gives the rows written.

        Args:
            waits: dimensions that it points to and that could not be loaded.
        Raises:
            Retry: Trino does not answer.
            LakehouseError: it refuses.
        """
        if model.kind == "fact":
            rows = self._fact(model, waits)
        elif self._build.full:
            rows = self._engine.count(model.replacement(self._select(model)))
        else:
            rows = self._merge(model)
        if self._build.full:
            self._describe(model.table, {c.name: c.comment for c in model.columns})
        return rows

    def _fact(self, model: Model, waits: Sequence[str]) -> int:
        """Write the build's rows, once. Rows with its id mean that an earlier try did, whatever it was told."""
        if not self._build.full and all(i.empty for i in self._build.plan[model.table].values()):
            return 0
        present = self._loaded(model, self._build.build_id) if self._resumed else 0
        if present:
            # an earlier try may have left rows out, and died before it said so
            if self._engine.count(f"select count(*) from (\n{self._select(model)}\n)") != present:
                intervals = self._build.plan[model.table]
                self.aside[model.table] = aside_of(lambda part: self._fails(model, part), intervals)
            return present
        if waits:
            raise LakehouseError(f"waits for {', '.join(waits)}, which could not be loaded")
        if not self._build.full and model.table in self._doubtful and self._holds_some(model):
            raise LakehouseError(
                "rows came of a build that was told to have failed, so that the next could double them;"
                f" `lakehouse build --full --only {model.table}` makes it anew"
            )
        intervals = self._build.plan[model.table]
        try:
            return self._write(model, intervals)
        except Refused as error:
            aside = aside_of(lambda part: self._fails(model, part), intervals)
            if not aside:
                raise
            log.error("%s: %d ranges of offsets are left out: %s", model.table, len(aside), error)
            rows = self._write(model, without(intervals, aside))
            self.aside[model.table] = aside
            return rows

    def _write(self, model: Model, intervals: Mapping[str, Interval]) -> int:
        """Write the rows of some intervals; if they came, whatever the answer was, it is right."""
        select = self._select(model, intervals)
        insert = f"insert into {gold(model.table)} ({model.column_list})\n{select}"
        try:
            return self._engine.count(model.replacement(select) if self._build.full else insert)
        except Retry:
            raise
        except LakehouseError as error:
            # Refused, or ended after its commit: only the table knows. If it does not tell, the build stays unfinished.
            try:
                present = self._loaded(model, self._build.build_id)
            except LakehouseError as unknown:
                raise Retry(f"{model.table}: not known whether its rows came ({error}; {unknown})") from error
            if present:
                return present
            raise

    def _fails(self, model: Model, intervals: Mapping[str, Interval]) -> str | None:
        """Why the columns of some rows can't be worked out; None if they can."""
        columns = ", ".join(f"checksum({c.name})" for c in model.columns)
        try:
            self._engine.run(f"select {columns} from (\n{self._select(model, intervals)}\n)")
        except Retry:
            raise
        except Refused as error:
            return str(error)[:_REASON]
        except LakehouseError as error:  # no row's fault: S3 that is away, a server that fails
            raise Retry(f"{model.table}: which rows it can't take is not known ({error})") from error
        return None

    def _loaded(self, model: Model, build_id: int) -> int:
        return self._engine.count(f"select count(*) from {gold(model.table)} where build_id = {build_id}")

    def _holds_some(self, model: Model) -> int:
        """Rows of a fact that this build is to load, whichever build they came of: the record forgets builds."""
        intervals = self._build.plan[model.table].values()
        ours = " or ".join(between(i.start, i.end) for i in intervals)
        return self._engine.count(f"select count(*) from {gold(model.table)} where {ours}")

    def _merge(self, model: Model) -> int:
        """Make the table hold exactly the model's rows for the keys that they name.

        The touched keys are asked for first: mostly there are none or a few, and a statement that names them is planned and
        run in a fraction of the time of one that looks for them in all of silver's tables, twice.
        """
        key = model.business_key
        if model.kind != "dimension" or key is None:
            return self._engine.count(merge_statement(model, self._select(model), None))
        touched = self._renderer.touched(model, key, self._build.plan[model.table])
        keys = [row[0] for row in self._engine.run(f"select {key} from (\n{touched}\n) limit {_NAMED + 1}")]
        is_text = all(isinstance(k, str) for k in keys)
        if not keys and model.table in self._known:
            return 0
        if keys and is_text and len(keys) <= _NAMED:
            listed = ", ".join(f"({quoted(k)})" for k in keys)
            touched = f"select k as {key} from (values {listed}) as named (k)"
        select = self._select(model, touched=lambda column: touched)
        return self._engine.count(merge_statement(model, select, touched))

    def _select(self, model: Model, intervals: Mapping[str, Interval] | None = None, **more: Any) -> str:
        chosen = self._build.plan[model.table] if intervals is None else intervals
        return self._renderer.render(model, model.sql, chosen, self._build.build_id, **more)

    def repoint(self, model: Model, moved: Mapping[str, Moved], result: TableResult) -> None:
        """Let the rows of a fact follow what moved in its dimensions."""
        if moved:
            days, result.moved = follow(self._engine, self._renderer, model, moved)
            result.repointed = [day.isoformat() for day in days]

    def check(self, model: Model, asked: Sequence[checks.Check]) -> list[str]:
        """Run the build's checks on what was loaded; what failed, in sentences.

        Raises:
            Retry: Trino does not answer.
        """
        concerning = [check for check in asked if check.concerns(model)]
        intervals, build_id = self._build.plan[model.table], self._build.build_id
        found = checks.find(self._engine, self._renderer, concerning, model, intervals, build_id)
        return [finding.sentence() for finding in found if finding.failed]
