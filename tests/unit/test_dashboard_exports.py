"""The dashboard's files as a browser gets them."""

import csv
import io
import json
from datetime import UTC, datetime

import pytest

from lakehouse.csv_cells import BOM
from lakehouse.dashboard.exports import export
from lakehouse.dashboard.model import Panel, model
from lakehouse.dashboard.query import panel_query, rows_query
from lakehouse.dashboard.scope import Scope
from lakehouse.settings import settings
from tests.unit.dashboard_app import PlayedDashboard
from tests.unit.embedded import copies, reject

WEEK = Scope(datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 27, tzinfo=UTC), zone="Africa/Cairo", money="EGP")
PANELS = [pytest.param(p, id=f"{page.name}-{p.name}") for page in model().pages.values() for p in page.panels]


@pytest.fixture
def dashboard() -> PlayedDashboard:
    return PlayedDashboard()


@pytest.mark.parametrize("path", ["/api/export/rows/calls.csv", "/api/export/panel/calls/time.csv"])
def test_a_csv_file_begins_with_a_byte_order_mark_unless_that_is_left_out(
    dashboard: PlayedDashboard, path: str
) -> None:
    assert dashboard.get(path)[2] == BOM + b"n\n1\n"
    assert dashboard.get(path, "bom=0")[2] == b"n\n1\n"


def test_times_of_a_file_are_those_of_the_screen(dashboard: PlayedDashboard) -> None:
    dashboard.get("/api/export/rows/calls.csv")
    assert dashboard.clickhouse.asked[-1][1]["zone"] == settings().time_zone


def test_parquet_is_neither_described_nor_marked(dashboard: PlayedDashboard) -> None:
    assert dashboard.get("/api/export/rows/calls.parquet")[2] == b"1\n"
    assert len(dashboard.clickhouse.asked) == 1


@pytest.mark.parametrize(("form", "query"), [("csv", "bom=yes"), ("csv", "bom="), ("xlsx", "")])
def test_a_file_that_can_not_be_meant_is_refused(dashboard: PlayedDashboard, form: str, query: str) -> None:
    status, _, body = dashboard.get(f"/api/export/rows/calls.{form}", query)
    assert status == 400
    assert set(json.loads(body)) == {"error"}


@pytest.mark.parametrize("panel", PANELS)
def test_every_panel_can_be_a_file(panel: Panel) -> None:
    query = panel_query(model(), panel, WEEK, moments=True)
    file = b"".join(export(copies(), query, "csv", WEEK.zone, False)).decode()
    assert set(panel.kpis) <= set(file.splitlines()[0].split(","))


@pytest.mark.parametrize("cube", model().cubes)
def test_the_rows_of_every_cube_can_be_a_file(cube: str) -> None:
    query = rows_query(model().cubes[cube], WEEK, limit=None)
    file = b"".join(export(copies(), query, "csv", WEEK.zone, False)).decode()
    assert tuple(file.splitlines()[0].split(",")) == model().cubes[cube].rows


def test_a_file_of_rejected_messages_runs_nothing_and_carries_its_zone() -> None:
    reject("=HYPERLINK(1)", "type:amount")
    file = b"".join(export(copies(), rows_query(model().cubes["rejected"], WEEK, limit=None), "csv", WEEK.zone, False))
    rows = list(csv.DictReader(io.StringIO(file.decode())))
    assert [row["rejection_reason"] for row in rows] == ["'=HYPERLINK(1)", "type:amount"]
    assert {(row["kafka_timestamp"], row["event_time"], row["phone_number"]) for row in rows} == {
        ("2026-11-20T12:00:00.000000+02:00", "", "'+201012345678")
    }
    assert [row["kafka_offset"] for row in rows] == ["0", "1"]
