"""Checks: SQL files that count what is wrong, with a severity and the sentence that a zero proves.

The cheap ones (`trino/checks`) look at a build's own rows, the full ones (`trino/checks/full`) at all of a table.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lakehouse.errors import LakehouseError, Retry
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
    engine: Engine, renderer: Renderer, check: Check, model: Model, intervals: Mapping[str, Interval], build_id: int
) -> Finding:
    """Run a check on a table.

    Raises:
        Retry: Trino does not answer.
    """
    try:
        wrong = engine.count(renderer.render(model, check.sql, intervals, build_id))
    except Retry:
        raise
    except LakehouseError as error:
        return Finding(check, error=str(error))
    if wrong:
        log.error("build %d: %s: not true that %s (%d)", build_id, model.table, check.says, wrong)
    return Finding(check, wrong)
