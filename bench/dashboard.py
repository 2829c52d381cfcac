"""`python -m bench.dashboard`: how long the panels take, against the same questions asked as an analyst writes them.

On the running stack of LAKEHOUSE_DATA_DIR, with what it holds; it reads only. Each panel of each page is asked for each range
as the dashboard does, and as one statement that joins every row with its dimensions and reads no projection. Both must
give the same figures. Then the first page is opened in a browser, if there is one.
"""

import json
import math
import statistics
import time
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import click
import orjson

from bench import report
from bench.browser import chromium, wait_until
from lakehouse.copies.server import Server
from lakehouse.dashboard import door
from lakehouse.dashboard.model import Dimension, Measure, Model, Panel, model
from lakehouse.dashboard.panels import Panels
from lakehouse.dashboard.query import Query, Statement, in_money, is_of_join, outer, panel_query
from lakehouse.dashboard.scope import Scope, scope_of
from lakehouse.errors import LakehouseError
from lakehouse.settings import settings

_RANGES = ("24h", "7d", "30d", "90d")
_FACTS = ("fact_calls", "fact_sms", "fact_payment", "fact_recharge", "fact_support")
_PEER_LIMITS = {
    "optimize_use_projections": 0,
    "asterisk_include_materialized_columns": 1,
    "max_execution_time": 60,
    "output_format_json_quote_decimals": 1,
}


@dataclass(frozen=True)
class Timing:
    """One panel over one range, in milliseconds: the best of the rounds of each."""

    panel: str
    range: str
    ours: float
    naive: float


class OneStep(Statement):
    """The same question without the two steps: every row is joined, then added up."""

    def _lot(self, name: str, one: Measure) -> Hashable:
        return one.window

    def _figures(self, lot: Mapping[str, Measure]) -> str:
        """As an analyst writes it."""
        first = next(iter(lot.values()))
        keys, joined = self._ways(first, filter(is_of_join, lot.values()))
        named = "".join(f", {sql} as {name}" for name, sql in keys.items())
        rows = f"(select f.*{named} from {self._cube.source} as f where {self.where(first.window)}) as f{self._joins(joined)}"
        return self._selected(rows, self.groups, {name: self._measured(name, one) for name, one in lot.items()})

    def _measured(self, name: str, one: Measure) -> str:
        if one.distinct is not None:
            return f"uniqExact({self._cube.dimensions['subscriber'].sql})"
        if one.money:
            return in_money(one.sql) or ""
        return outer(name, one, money=False) if one.via is not None else one.sql

    def _keeps(self, dimension: Dimension, one: Measure) -> bool:
        return False


def naive_query(known: Model, panel: Panel, scope: Scope) -> Query:
    """A panel's question as one step over the rows."""
    return panel_query(known, panel, scope, OneStep)


def _panels(known: Model) -> Iterator[tuple[str, Panel]]:
    seen = set()
    for page in known.pages.values():
        for panel in page.panels:
            same = (panel.kpis, panel.by, panel.sort, panel.limit)
            if same not in seen:
                seen.add(same)
                yield f"{page.name}/{panel.name}", panel


def _best(ask: Any, rounds: int) -> tuple[float, Any]:
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        answer = ask()
        found.append((time.perf_counter() - began) * 1000)
    return min(found), answer


def _same(ours: list[list[Any]], naive: list[list[Any]]) -> bool:
    """Whether figures agree, as far as sums of floating point do."""

    def plain(rows: list[list[Any]]) -> list[tuple[str, list[float]]]:
        exact = [json.dumps([v for v in row if not isinstance(v, float)]) for row in rows]
        return sorted(zip(exact, [[v for v in row if isinstance(v, float)] for row in rows], strict=True))

    pairs = zip(plain(ours), plain(naive), strict=False)
    return len(ours) == len(naive) and all(
        a == b and len(x) == len(y) and all(math.isclose(p, q, rel_tol=1e-6) for p, q in zip(x, y, strict=True))
        for (a, x), (b, y) in pairs
    )


def measure(rounds: int, say: report.Say) -> list[Timing]:
    """Time every panel.

    Raises:
        LakehouseError: a panel gives other figures than the plain question.
    """
    server = Server(settings().as_reader())
    panels = Panels(server, model())
    found = []
    for name, panel in _panels(panels.model):
        for span in _RANGES:
            scope = panels.with_money(panel, scope_of([("range", span)], panels.model, settings().time_zone))
            query, plain = panel_query(panels.model, panel, scope), naive_query(panels.model, panel, scope)
            ours, answer = _best(lambda query=query: panels.ask(query), rounds)
            naive, raw = _best(
                lambda plain=plain: server.answer(plain.sql, plain.parameters, "JSONCompact", _PEER_LIMITS), rounds
            )
            # any position of a cell that moved may be shown, so sums are left out and figures compared
            figures = [at for at, column in enumerate(answer.columns) if not column.startswith("m_")]
            both = [[[row[at] for at in figures] for row in rows] for rows in (answer.rows, orjson.loads(raw)["data"])]
            if panel.kind != "table" and not panel.least and not _same(*both):
                raise LakehouseError(f"{name}, {span}: the two questions have different answers")
            found.append(Timing(name, span, round(ours, 1), round(naive, 1)))
        say(f"{name}: {', '.join(f'{t.range} {t.ours:.0f} ms ({t.naive:.0f})' for t in found[-len(_RANGES) :])}")
    return found


def opened(rounds: int) -> float | None:
    """Milliseconds until the first page is drawn whole in a browser that has never seen it; None without one."""
    with chromium() as browser:
        if browser is None:
            return None

        def once() -> None:
            context = browser.new_context()
            context.request.get(door.link(settings()))  # the browser's cookie
            page = context.new_page()
            page.goto(f"{settings().dashboard_url}/?page=overview&range=7d")
            wait_until(page)
            context.close()

        return round(_best(once, rounds)[0], 0)


@click.command()
@click.option(
    "--rounds", type=click.IntRange(1), default=3, show_default=True, help="Of each question; the best counts."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(rounds: int, as_json: bool) -> None:
    """Time the dashboard's panels on the running stack against the same questions as one plain statement each."""
    machine = report.machine()
    try:
        facts = sum(int(Server(settings().as_reader()).query(f"select count() from gold.{f}")[0][0]) for f in _FACTS)
        timings = measure(rounds, lambda text: click.echo(text, err=True))
    except LakehouseError as error:
        raise click.ClickException(str(error)) from None
    first_ms = opened(rounds)
    if as_json:
        told = {"machine": machine, "facts": facts, "first_page_ms": first_ms}
        click.echo(json.dumps({**told, "panels": [asdict(t) for t in timings]}))
        return
    click.echo(f"{facts:,} facts, {len(timings) // len(_RANGES)} panels, best of {rounds}; {machine}")
    click.echo(f"first page drawn in {first_ms:.0f} ms" if first_ms is not None else "no browser here")
    for span in _RANGES:
        ours, naive = ([getattr(t, who) for t in timings if t.range == span] for who in ("ours", "naive"))
        told = [
            f"{report.percentile(v, 0.5):.0f} / {report.percentile(v, 0.95):.0f} / {max(v):.0f}" for v in (ours, naive)
        ]
        ratio = statistics.median(n / o for o, n in zip(ours, naive, strict=True))
        click.echo(f"{span:>4}: p50 / p95 / most, ms: {told[0]}; plain: {told[1]}; median ratio {ratio:.1f}")


if __name__ == "__main__":
    main()
