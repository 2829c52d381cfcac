"""What the dashboard's pages are told, from a ClickHouse within this process."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.dashboard.answers import MOST_BYTES, TEXT_LENGTH, Answer
from lakehouse.dashboard.model import Panel, model
from lakehouse.dashboard.panels import Panels
from lakehouse.dashboard.query import Query
from lakehouse.dashboard.scope import Scope
from tests.unit.dashboard_app import PlayedDashboard
from tests.unit.embedded import copies, reject

DAY = Scope(datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC))


def answer(sql: str, **parameters: Any) -> Answer:
    return Panels(copies(), model()).ask(Query(sql, parameters))


def told(sql: str, **parameters: Any) -> list[Any]:
    """The one row, as a browser reads it: with numbers that are doubles."""
    [row] = orjson.loads(orjson.dumps(answer(sql, **parameters).rows))
    return [float(cell) if isinstance(cell, int) and not isinstance(cell, bool) else cell for cell in row]


@given(number=st.integers(-(2**63), 2**63 - 1))
def test_a_whole_number_arrives_as_it_is(number: int) -> None:
    [cell] = told("select {number:Int64}", number=number)
    assert int(cell) == number
    assert isinstance(cell, str) == (abs(number) >= 2**53)


def test_surrogate_keys_are_text_and_small_numbers_are_numbers() -> None:
    sql = "select toUInt128(7), toInt256(-1), toUInt64(7), null::Nullable(UInt64), toInt32(-7), 0.5, toDecimal64('0.10', 2)"
    assert told(sql) == ["7", "-1", 7.0, None, -7.0, 0.5, "0.1"]


@pytest.mark.parametrize("text", ["", "\u0645\u062d\u0645\u062f", "a\nb\rc", "\x00\u2028", '","'])
def test_text_arrives_as_it_is(text: str) -> None:
    assert told("select {text:String}", text=text) == [text]


def test_text_that_is_no_utf8_is_shown_with_marks() -> None:
    assert told("select 'a\\xff'") == ["a\ufffd"]


def test_an_answer_without_rows_has_its_columns() -> None:
    assert answer("select 1 as a, 2 as b where 0").columns == ["a", "b"]


def rows_of_rejected() -> dict[str, Any]:
    panels = Panels(copies(), model())
    return panels.rows(panels.cube("rejected"), DAY, 0)


def reasons(told: dict[str, Any]) -> list[str]:
    return [row[told["columns"].index("rejection_reason")] for row in told["rows"]]


def test_long_texts_of_rows_are_shortened_and_that_is_said() -> None:
    reject("type:amount", "سبب" * 1_000_000)
    told = rows_of_rejected()
    assert told["cut"]
    assert reasons(told) == ["type:amount", ("سبب" * TEXT_LENGTH)[:TEXT_LENGTH] + "…"]
    assert len(orjson.dumps(told)) < 10_000


def test_texts_that_fit_are_whole() -> None:
    reject("x" * TEXT_LENGTH, "😀" * TEXT_LENGTH)
    told = rows_of_rejected()
    assert not told["cut"]
    assert reasons(told) == ["x" * TEXT_LENGTH, "😀" * TEXT_LENGTH]


def test_long_values_of_a_filter_and_groups_of_a_panel_are_shortened() -> None:
    reject("x" * 5_000)
    panels = Panels(copies(), model())
    long = Panel("long", "table", ("rejected",), by=("reason_code",), cube="rejected")
    copies().run("alter table gold.rejected update codes = [repeat('y', 5000)] where 1 settings mutations_sync = 1")
    told = panels.answer(long, DAY, compare=True)
    assert told["cut"]
    assert told["rows"][0][0] == "y" * TEXT_LENGTH + "…"
    assert panels.values(panels.cube("rejected"), "reason_code", DAY) == [["y" * TEXT_LENGTH + "…", 1]]


def test_rows_that_do_not_fit_into_an_answer_are_left_out_and_that_is_said() -> None:
    found = answer("select number as n, range(10000) as long from numbers(500)")
    assert found.cut
    assert 0 < len(found.rows) < 500
    assert found.size_bytes <= MOST_BYTES
    assert [row[0] for row in found.rows] == list(range(len(found.rows)))


def test_a_file_has_texts_whole() -> None:
    reject("x" * 5_000)
    file = PlayedDashboard(copies()).get("/api/export/rows/rejected.csv", "from=2026-11-20&to=2026-11-21")[2]
    assert b"x" * 5_000 in file


def test_the_page_is_told_what_was_cut() -> None:
    reject("x" * 5_000)
    dashboard = PlayedDashboard(copies())
    for path in ("/api/rows/rejected", "/api/panel/quality/time", "/api/subscribers", "/api/subscriber/+201012345678"):
        scope = "q=0101" if "subscribers" in path else "" if "subscriber" in path else "from=2026-11-20&to=2026-11-21"
        assert orjson.loads(dashboard.get(path, scope)[2])["cut"] == ("rows" in path), path
