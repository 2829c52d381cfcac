"""Every panel of the Grafana dashboard runs on ClickHouse as the reader, and says what the KPIs of the same name say."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from figures import HOUR

from lakehouse.copies.server import Server
from lakehouse.dashboard.model import TIME, Panel, model
from lakehouse.dashboard.query import panel_query
from lakehouse.dashboard.scope import Scope
from lakehouse.settings import settings

pytestmark = pytest.mark.stack

FILE = Path(__file__).resolve().parents[2] / "clickhouse" / "grafana" / "dashboards" / "telecom.json"
DASHBOARD: dict[str, Any] = json.loads(FILE.read_text())
SQL: dict[str, str] = {panel["title"]: panel["targets"][0]["rawSql"] for panel in DASHBOARD["panels"]}
COLUMNS = {
    "Answer-seizure ratio": ["asr"],
    "Drop rate": ["drop_rate"],
    "Minutes per subscriber": ["mou"],
    "SMS delivery rate": ["delivery_rate"],
    "Support cases": ["cases"],
    "Calls per minute": ["time", "calls_per_minute"],
    "Revenue by currency": ["time", "currency", "revenue"],
    "Recharges by status": ["status", "recharges"],
    "Open support cases": ["time", "open_cases"],
    "Rejected by reason": ["reason", "rejected"],
    "Freshness of the copies": ["table_name", "build", "rows_written", "last_copied", "age"],
}
FIGURES = ["asr", "drop_rate", "mou", "delivery_rate", "cases"]
# Days by whole hours; some hours that begin and end within one.
RANGES = [(HOUR - timedelta(days=8), HOUR), (HOUR - timedelta(hours=70, seconds=1999), HOUR + timedelta(seconds=1033))]
INTERVAL_S = 300
Rows = list[dict[str, Any]]


def expanded(sql: str, start: datetime, end: datetime) -> str:
    """The SQL as the plugin's macros leave it (pkg/macros/macros.go of grafana-clickhouse-datasource 4.20.0)."""
    macros = {
        r"\$__fromTime\b": f"toDateTime({start.timestamp():.0f})",
        r"\$__toTime\b": f"toDateTime({end.timestamp():.0f})",
        r"\$__interval_s\b": str(INTERVAL_S),
        r"\$__timeInterval\(([^()]+)\)": rf"toStartOfInterval(toDateTime(\1), INTERVAL {INTERVAL_S} second)",
    }
    for macro, text in macros.items():
        sql = re.sub(macro, text, sql)
    for variable in DASHBOARD["templating"]["list"]:
        sql = sql.replace(f"${{{variable['name']}}}", variable["current"]["value"])
    assert "$" not in sql
    return sql


@pytest.fixture(scope="module", params=RANGES, ids=["days", "hours"])
def span(request: pytest.FixtureRequest) -> tuple[datetime, datetime]:
    found: tuple[datetime, datetime] = request.param
    return found


@pytest.fixture(scope="module")
def shown(clickhouse: Callable[[str], Rows], span: tuple[datetime, datetime]) -> Callable[[str], Rows]:
    """What a panel shows of the span."""
    return lambda title: clickhouse(expanded(SQL[title], *span))


@pytest.fixture(scope="module")
def known(stack: dict[str, str], span: tuple[datetime, datetime]) -> Callable[..., Rows]:
    """What the dashboard's own model says of the span: a figure by dimensions."""
    server = Server(settings().as_reader())

    def ask(kpi: str, *by: str, money: str = "") -> Rows:
        panel = Panel(kpi, "table", (kpi,), by=by, limit=1000, cube=model().kpis[kpi].cube)
        query = panel_query(model(), panel, Scope(*span, money=money))
        rows = server.query(query.sql, **query.parameters)
        assert TIME not in by
        return [{**dict(zip(by, row, strict=False)), kpi: row[-1]} for row in rows]

    return ask


def test_no_panel_is_without_its_columns_here() -> None:
    assert list(SQL) == [title for title in SQL if title in COLUMNS]
    assert len(SQL) == len(DASHBOARD["panels"]) == len(COLUMNS)


@pytest.mark.parametrize("title", COLUMNS)
def test_a_panel_has_its_columns_and_something_to_show(events: None, shown: Callable[[str], Rows], title: str) -> None:
    rows = shown(title)
    assert rows
    assert list(rows[0]) == COLUMNS[title]


@pytest.mark.parametrize("kpi", FIGURES)
def test_a_figure_is_that_of_the_kpi(events: None, shown: Any, known: Any, kpi: str) -> None:
    title = next(title for title, columns in COLUMNS.items() if columns == [kpi])
    [found], [expected] = shown(title), known(kpi)
    # no generated call is dropped: a failed one has no duration
    assert expected[kpi] is not None if kpi == "drop_rate" else expected[kpi] > 0
    assert float(found[kpi]) == pytest.approx(float(expected[kpi]), rel=1e-9)


def test_calls_a_minute_add_up_to_the_calls(events: None, shown: Any, known: Any) -> None:
    counted = sum(row["calls_per_minute"] * INTERVAL_S / 60 for row in shown("Calls per minute"))
    assert counted == pytest.approx(known("calls")[0]["calls"])


def test_revenue_is_that_of_each_currency(events: None, shown: Any, known: Any) -> None:
    rows = shown("Revenue by currency")
    for currency in {row["currency"] for row in rows}:
        total = sum(row["revenue"] for row in rows if row["currency"] == currency)
        assert total == known("usage_revenue", money=currency)[0]["usage_revenue"]


@pytest.mark.parametrize(
    ("title", "kpi", "mine", "theirs"),
    [
        ("Recharges by status", "recharges", "status", "status"),
        ("Rejected by reason", "rejected", "reason", "reason_code"),
    ],
)
def test_groups_are_those_of_the_kpi(
    events: None, shown: Any, known: Any, title: str, kpi: str, mine: str, theirs: str
) -> None:
    found = {row[mine]: row[kpi] for row in shown(title)}
    expected = {row[theirs]: row[kpi] for row in known(kpi, theirs)}
    assert found.items() <= expected.items()
    assert len(found) == min(20, len(expected))
    assert sorted(found.values()) == sorted(expected.values())[-len(found) :]


def test_open_cases_are_those_that_are_not_resolved_yet(
    events: None, shown: Any, clickhouse: Any, span: tuple[datetime, datetime]
) -> None:
    rows = shown("Open support cases")
    for at in (rows[len(rows) // 2]["time"].replace(tzinfo=UTC) + timedelta(seconds=INTERVAL_S), span[1]):
        moment = min(at, span[1])
        last = [row for row in rows if row["time"].replace(tzinfo=UTC) < moment][-1]
        [counted] = clickhouse(
            "select countIf(event_time + toIntervalSecond(resolution_time_seconds) >= at) as n,"
            f" toDateTime64({moment.timestamp():.0f}, 6, 'UTC') as at from gold.fact_support where event_time < at"
        )
        assert last["open_cases"] == counted["n"]


def test_all_copies_of_the_audit_are_listed(events: None, shown: Any, clickhouse: Any) -> None:
    rows = {row["table_name"]: row for row in shown("Freshness of the copies")}
    facts = {"fact_calls", "fact_sms", "fact_payment", "fact_recharge", "fact_support", "*"}
    assert facts <= rows.keys()
    newest = clickhouse("select max(build_id) as build from gold.copies where table_name = '*'")[0]["build"]
    assert rows["*"]["build"] == newest
    assert all(row["age"] >= 0 for row in rows.values())
