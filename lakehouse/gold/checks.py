"""Checks: SQL files that count what is wrong, with a severity and the sentence that a zero proves.

The cheap ones (`trino/checks`) look at a build's own rows, the full ones (`trino/checks/full`) at all of a table.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lakehouse.errors import LakehouseError, Retry, UsageError
from lakehouse.gold.engine import Engine
from lakehouse.gold.intervals import Interval
from lakehouse.gold.models import Model
from lakehouse.gold.render import Renderer
from lakehouse.paths import data_files

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Check:
    """A query that counts what is wrong.

    Attributes:
        severity: `fail` marks a build or an audit as wrong; `warn` is for a person to look at.
        kinds: kinds of tables that it is for.
        needs: what a table must have, such as `amount` or `history`.
        says: the sentence that holds where it counts nothing.
    """

    name: str
    severity: str
    kinds: tuple[str, ...]
    needs: tuple[str, ...]
    says: str
    sql: str

    def concerns(self, model: Model) -> bool:
        """Whether it is for this table."""
        has = {"amount": model.has_amount, "history": model.has_history, "keys": bool(model.foreign_keys)}
        return model.kind in self.kinds and all(has[need] for need in self.needs)


@dataclass(frozen=True)
class Finding:
    """What a check found: how much is wrong, or why it could not be run."""

    check: Check
    wrong: int = 0
    error: str | None = None

    @property
    def passed(self) -> bool:
        """Whether its sentence holds."""
        return not self.wrong and self.error is None

    @property
    def failed(self) -> bool:
        """Whether the table is wrong by it: not only worth a look."""
        return not self.passed and self.check.severity == "fail"

    def sentence(self) -> str:
        """What was found, for a person."""
        if self.error is not None:
            return f"{self.check.name} could not be run: {self.error}"
        return f"{self.check.name}: {self.wrong} against '{self.check.says}'" if self.wrong else self.check.says


def build_checks() -> list[Check]:
    """The checks that follow each build."""
    return [_check(path) for path in data_files("trino/checks", "*.sql")]


def full_checks() -> list[Check]:
    """The checks of whole tables."""
    return [_check(path) for path in data_files("trino/checks/full", "*.sql")]


def _check(path: Path) -> Check:
    text = path.read_text()
    said = dict(re.findall(r"^-- (severity|for|says): (.*)$", text, re.MULTILINE))
    missing = {"severity", "for", "says"} - said.keys()
    if missing:
        raise UsageError(f"{path} needs a comment line `-- {min(missing)}: …`")
    kinds, _, needs = said["for"].partition(" with ")
    return Check(
        path.stem,
        said["severity"],
        tuple(kinds.split(", ")),
        tuple(needs.split(", ")) if needs else (),
        said["says"],
        text,
    )


def find(
    engine: Engine,
    renderer: Renderer,
    asked: Sequence[Check],
    model: Model,
    intervals: Mapping[str, Interval],
    build_id: int,
) -> list[Finding]:
    """Run checks on a table, in one statement if that goes: planning costs more than counting.

    Raises:
        Retry: Trino does not answer.
    """
    if not asked:
        return []
    try:
        queries = [f"({renderer.render(model, check.sql, intervals, build_id)})" for check in asked]
        counts = engine.run("select " + ",\n".join(queries))[0]
    except Retry:
        raise
    except LakehouseError as error:
        if len(asked) == 1:
            return [Finding(asked[0], error=str(error))]
        return [f for check in asked for f in find(engine, renderer, [check], model, intervals, build_id)]
    findings = [Finding(check, int(wrong)) for check, wrong in zip(asked, counts, strict=True)]
    for finding in findings:
        if not finding.passed:
            log.error("build %d: %s: %s", build_id, model.table, finding.sentence())
    return findings
