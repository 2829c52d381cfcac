"""What the dashboard's pages are told, from a ClickHouse within this process."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.dashboard.answers import Answer
from lakehouse.dashboard.model import model
from lakehouse.dashboard.panels import Panels
from lakehouse.dashboard.query import Query
from tests.unit.embedded import copies


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
