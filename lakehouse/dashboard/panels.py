"""Answers for panels: one query a panel, and one for the period before it."""

import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from lakehouse.copies.server import Server
from lakehouse.dashboard.answers import Answer, ask, texts_of
from lakehouse.dashboard.exports import export
from lakehouse.dashboard.kept import Kept
from lakehouse.dashboard.model import Cube, Model, Page, Panel
from lakehouse.dashboard.parameters import shown
from lakehouse.dashboard.query import (
    Query,
    columns_query,
    count_query,
    needs_money,
    panel_query,
    rows_query,
    values_query,
)
from lakehouse.dashboard.scope import Scope
from lakehouse.errors import UsageError

# Whatever is looked at, the columns are the same.
_ANY = Scope(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
_MONEY_KEPT_S = 60.0
_MONEY = "select currency from gold.{fact} group by currency order by count() desc, currency limit 1"


class Panels:
    """Asks ClickHouse as its read-only user."""

    def __init__(self, server: Server, model: Model, standing: Callable[[], Hashable | None] = lambda: None) -> None:
        """Args:
        standing: a mark of the copies as they stand; answers are kept until it changes, and not at all while it is None.
        """
        self._server = server
        self._kept: Kept[Answer] = Kept(standing, size=lambda answer: answer.size_bytes)
        self.model = model
        self._money: tuple[float, str] = (0.0, "")

    def page(self, name: str) -> Page:
        """A page by name.

        Raises:
            UsageError: there is none.
        """
        if name not in self.model.pages:
            raise UsageError(f"there is no page {shown(name)}; there are {', '.join(self.model.pages)}")
        return self.model.pages[name]

    def panel(self, page: str, name: str) -> Panel:
        """A panel by page and name.

        Raises:
            UsageError: there is none.
        """
        for panel in self.page(page).panels:
            if panel.name == name:
                return panel
        raise UsageError(f"the page {page} has no panel {shown(name)}")

    def cube(self, name: str) -> Cube:
        """A cube by name.

        Raises:
            UsageError: there is none.
        """
        if name not in self.model.cubes:
            raise UsageError(f"there is no cube {shown(name)}; there are {', '.join(self.model.cubes)}")
        return self.model.cubes[name]

    def with_money(self, panel: Panel, scope: Scope) -> Scope:
        """The scope with a currency, where amounts are added: the chosen one, or the most frequent."""
        if scope.money or not needs_money(self.model, [self.model.kpis[k] for k in panel.kpis]):
            return scope
        return replace(scope, money=self._usual_money())

    def _usual_money(self) -> str:
        at, currency = self._money
        if not currency or time.monotonic() - at > _MONEY_KEPT_S:
            for fact in ("fact_calls", "fact_payment"):
                rows = self._server.query(_MONEY.format(fact=fact))
                if rows:
                    self._money = (time.monotonic(), str(rows[0][0]))
                    return self._money[1]
        return currency

    def answer(self, panel: Panel, scope: Scope, compare: bool) -> dict[str, Any]:
        """Rows of a panel, and of the period before where `compare` asks for it.

        Raises:
            Retry: ClickHouse does not answer.
            LakehouseError: it refuses, say a query that took too long.
        """
        scope = self.with_money(panel, scope)
        present = self.ask(panel_query(self.model, panel, scope))
        before = self.ask(panel_query(self.model, panel, scope.before)) if compare else None
        told: dict[str, Any] = {
            "columns": present.columns,
            "rows": present.rows,
            "cut": present.cut or (before is not None and before.cut),
            "took_ms": round(present.took_ms, 1),
            "money": scope.money,
            "ignored": scope.ignored(self.model.cubes[panel.cube]),
            "from": scope.start.timestamp(),
            "to": scope.end.timestamp(),
            "bucket_minutes": scope.bucket_minutes,
        }
        if before is not None:
            told |= {"before": before.rows, "before_from": scope.before.start.timestamp()}
        return told

    def rows(self, cube: Cube, scope: Scope, offset: int) -> dict[str, Any]:
        """A piece of the rows behind the figures, and how many there are; `cut` says that texts are shortened in it."""
        texts = texts_of(self.ask(columns_query(rows_query(cube, _ANY, limit=None))))
        found = self.ask(replace(rows_query(cube, scope, offset=offset), texts=texts))
        total = self.ask(count_query(cube, scope)).rows[0][0]
        ignored = scope.ignored(cube)
        return {"columns": found.columns, "rows": found.rows, "cut": found.cut, "total": total, "ignored": ignored}

    def values(self, cube: Cube, dimension: str, scope: Scope) -> list[list[Any]]:
        """Values of a filter with their numbers of rows, under the other filters."""
        return self.ask(values_query(cube, dimension, scope)).rows

    def ask(self, query: Query) -> Answer:
        """Run one query, or give its answer again while the copies stand as they did."""
        return self._kept.of(query.key, lambda: ask(self._server, query), query.lasts)

    def prepare(self, mark: Hashable | None) -> None:
        """See `Kept.prepare`."""
        self._kept.prepare(mark)

    def export(self, query: Query, form: str, zone: str, bom: bool) -> Iterator[bytes]:
        """A query's whole answer as a file; see `lakehouse.dashboard.exports`."""
        return export(self._server, query, form, zone, bom)
