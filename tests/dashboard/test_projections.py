"""What the dashboard asks of long histories is answered from what facts keep by the hour, and a range is found by the key."""

from datetime import timedelta
from typing import Any

import pytest
from figures import HOUR

from lakehouse.copies.server import Server
from lakehouse.dashboard.model import Page, Panel, model
from lakehouse.dashboard.panels import Panels
from lakehouse.dashboard.query import panel_query
from lakehouse.dashboard.scope import Scope
from lakehouse.settings import settings

pytestmark = pytest.mark.stack
FACTS = ("fact_calls", "fact_payment", "fact_recharge", "fact_sms", "fact_support")
PANELS = [(page, panel) for page in model().pages.values() for panel in page.panels if panel.cube != "rejected"]


def from_rows(panel: Panel) -> bool:
    """Whether it asks for what is not kept: sums by agent, and the case after a case."""
    return "repeat_rate" in panel.kpis or bool({"agent", "department"} & set(panel.by))


@pytest.mark.parametrize(
    ("page", "panel"), [pytest.param(*both, id=f"{both[0].name}-{both[1].name}") for both in PANELS]
)
def test_a_panel_over_whole_hours_reads_no_rows_of_facts(page: Page, panel: Panel, events: None, settled: Any) -> None:
    server = Server(settings().as_reader())
    scope = Scope(HOUR - timedelta(days=8), HOUR, {}, 30, zone=settings().time_zone)
    query = panel_query(model(), panel, Panels(server, model()).with_money(panel, scope))
    plan = " ".join(str(row[0]) for row in server.query(f"explain {query.sql}", **query.parameters))
    read = {fact for fact in FACTS if f"(gold.{fact})" in plan}
    assert bool(read) == from_rows(panel), plan


@pytest.mark.parametrize("fact", FACTS)
def test_a_range_of_time_is_found_by_the_key(fact: str, events: None, settled: Any) -> None:
    server = Server(settings().as_reader())
    since = f"toDateTime64('{HOUR - timedelta(hours=30):%Y-%m-%d %H:%M:%S}', 6, 'UTC')"
    plan = server.query(f"explain indexes = 1 select sum(kafka_offset) from gold.{fact} where event_time >= {since}")
    lines = [str(row[0]).strip(" │└─") for row in plan]
    key = lines[lines.index("PrimaryKey") :]
    assert "toStartOfHour(event_time)" in key[:4], lines
