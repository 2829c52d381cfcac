"""What CSV files hold: the same rule in ClickHouse, which writes the dashboard's, and in `lakehouse sql`."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from typing import Any

import clickhouse_connect
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.cli.sql_clickhouse import ClickHouseSession
from lakehouse.cli.sql_csv import write_csv
from lakehouse.csv_cells import BOM, escaped, kind_of
from lakehouse.dashboard.exports import export
from lakehouse.dashboard.model import model
from lakehouse.dashboard.query import Query, panel_query
from lakehouse.dashboard.scope import Scope
from lakehouse.settings import settings
from tests.unit.embedded import clickhouse

CAIRO = timezone(timedelta(hours=3))
FORMULAS = [
    "=1+1",
    "+201012345678",
    "-2",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\nx",
    "  =1",
    "\u200f+2010",
    "\ufeff=1",
    "＝1",
    "\x00@x",
]
HARMLESS = ["", "a=1", "2-1", "'=1", " a", "محمد", "0101", "a\n=1", "(-1)"]
# Signs that decide, and others beside them.
TEXTS = st.text(
    alphabet=st.one_of(st.sampled_from("=+-@＝\t\r\n \u200f\x00'\",;a"), st.characters(exclude_categories=["Cs"]))
)


def file_of_dashboard(sql: str, parameters: dict[str, Any] | None = None, bom: bool = False) -> bytes:
    return b"".join(export(clickhouse(), Query(sql, parameters or {}), "csv", "Africa/Cairo", bom))


def file_of_sql(names: Sequence[str], types: Sequence[str], *rows: Sequence[Any], bom: bool = False) -> bytes:
    out = io.BytesIO()
    write_csv(iter([rows]), names, types, out, bom)
    return out.getvalue()


def read(file: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(file.decode(), newline="")))


@pytest.mark.parametrize("text", FORMULAS)
def test_text_that_a_spreadsheet_would_run_has_an_apostrophe_before_it(text: str) -> None:
    assert escaped(pl.Series([text])).to_list() == [f"'{text}"]


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert escaped(pl.Series([text])).to_list() == [text]


@given(texts=st.lists(st.one_of(st.none(), TEXTS), min_size=1, max_size=20))
def test_clickhouse_and_polars_escape_alike(texts: list[str | None]) -> None:
    values = ", ".join(f"{{t{at}:Nullable(String)}}" for at, text in enumerate(texts) if text is not None) or "null"
    given = {f"t{at}": text for at, text in enumerate(texts) if text is not None}
    found = file_of_dashboard(f"select arrayJoin([{values}]::Array(Nullable(String))) as t, 1 as n", given)
    rows = [[text, 1] for text in texts if text is not None] or [[None, 1]]
    assert read(found) == read(file_of_sql(["t", "n"], ["varchar", "bigint"], *rows))


@given(text=TEXTS)
def test_no_cell_of_text_begins_with_a_formula(text: str) -> None:
    [[name], [cell]] = read(file_of_sql([text or "a"], ["varchar"], [text]))
    for shown in (name, cell):
        assert shown.strip()[:1] not in tuple("=+-@＝＋－＠")
        assert shown in ("a", text, f"'{text}")


def test_numbers_are_known_by_their_type_and_never_escaped() -> None:
    sql = (
        "select -1 as whole, toDecimal64('-1.50', 4) as amount, -0.5::Nullable(Float64) as ratio, -7::Int128 as key,"
        " '-1' as text, nan as no_number, -inf as endless"
    )
    assert read(file_of_dashboard(sql))[1] == ["-1", "-1.5", "-0.5", "-7", "'-1", "", ""]
    types = ["integer", "decimal(18, 4)", "double", "decimal(38, 0)", "varchar", "double", "real"]
    row = [-1, Decimal("-1.50"), -0.5, Decimal(-7), "-1", float("nan"), float("-inf")]
    assert read(file_of_sql(list("abcdefg"), types, row))[1] == ["-1", "-1.50", "-0.5", "-7", "'-1", "", ""]


def test_names_of_columns_are_escaped_too() -> None:
    assert read(file_of_dashboard('select 1 as `=1+1`, 2 as `a,"b`'))[0] == ["'=1+1", 'a,"b']
    assert read(file_of_sql(["=1+1", 'a,"b'], ["bigint", "bigint"], [1, 2]))[0] == ["'=1+1", 'a,"b']


def test_null_is_an_empty_cell_and_empty_text_is_told_from_it() -> None:
    sql = "select null::Nullable(String) as a, '' as b, null::LowCardinality(Nullable(String)) as c, null::Nullable(Int64) as d"
    assert file_of_dashboard(sql) == b'a,b,c,d\n,"",,\n'
    assert file_of_sql(list("abcd"), ["varchar", "varchar", "varchar", "bigint"], [None, "", None, None]) == (
        b'a,b,c,d\n,"",,\n'
    )


def test_times_of_the_dashboard_carry_the_offset_of_the_operators_zone() -> None:
    sql = (
        "select toDateTime64('2026-07-01 00:00:00.123456', 6, 'UTC') as summer, toDateTime('2026-01-01 00:00:00', 'UTC') as"
        " winter, null::Nullable(DateTime64(6, 'UTC')) as never, toDate('2026-01-02') as day"
    )
    assert read(file_of_dashboard(sql))[1] == [
        "2026-07-01T03:00:00.123456+03:00", "2026-01-01T02:00:00+02:00", "", "2026-01-02",
    ]  # fmt: skip


def test_times_of_sql_carry_the_offset_that_they_have() -> None:
    types = ["timestamp(6) with time zone", "timestamp(6) with time zone", "timestamp(6)"]
    row = [datetime(2026, 7, 1, 1, 2, 3, 4, UTC), datetime(2026, 7, 1, tzinfo=CAIRO), datetime(2026, 7, 1)]
    assert read(file_of_sql(list("abc"), types, row))[1] == [
        "2026-07-01T01:02:03.000004+00:00", "2026-07-01T00:00:00+03:00", "2026-07-01T00:00:00",
    ]  # fmt: skip


def test_times_that_clickhouse_answers_to_sql_carry_their_offset_too(monkeypatch: pytest.MonkeyPatch) -> None:
    make = clickhouse_connect.get_client
    monkeypatch.setattr(
        clickhouse_connect, "get_client", lambda **words: make(interface="chdb", tz_mode=words.get("tz_mode"))
    )
    clickhouse().run("create database if not exists gold")
    sql = "select toDateTime64('2026-07-01 00:00:00', 6, 'UTC') as a, toDateTime64('2026-07-01 03', 0, 'Africa/Cairo') as b"
    out = io.BytesIO()
    with ClickHouseSession(settings()).result(sql, lambda words: None) as result:
        write_csv(result.blocks, result.names, result.types, out, False)
    assert read(out.getvalue())[1] == ["2026-07-01T00:00:00+00:00", "2026-07-01T03:00:00+03:00"]


def test_a_bar_in_time_carries_its_offset_in_a_file() -> None:
    """On the page it is local text: the page says the zone."""
    panel = next(p for page in model().pages.values() for p in page.panels if "time" in p.by)
    scope = Scope(datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC), zone="Africa/Cairo")
    assert ", bucket as wall" in panel_query(model(), panel, scope, moments=True).sql
    assert ", toString(bucket) as wall" in panel_query(model(), panel, scope).sql


def test_what_is_neither_number_nor_time_is_text_in_one_cell() -> None:
    sql = (
        "select [1, -2] as list, tuple(-1, '=x') as pair, map('a', -1) as map, cast('=' as Enum8('=' = 1)) as enum,"
        " toIPv4('1.2.3.4') as address, true as yes, null as nothing"
    )
    assert read(file_of_dashboard(sql))[1] == ["[1,-2]", "(-1,'=x')", "{'a':-1}", "'=", "1.2.3.4", "true", ""]


def test_a_byte_order_mark_comes_first_where_it_is_wanted() -> None:
    assert file_of_dashboard("select 'محمد' as name", bom=True) == BOM + 'name\n"محمد"\n'.encode()
    assert file_of_sql(["name"], ["varchar"], ["محمد"], bom=True) == BOM + "name\nمحمد\n".encode()
    assert not file_of_dashboard("select 1 as a").startswith(BOM)


def test_a_file_keeps_the_order_of_its_rows_and_comes_in_pieces() -> None:
    sql = "select number as n, repeat('x', 20) as t from numbers(300000) order by n desc"
    pieces = list(export(clickhouse(), Query(sql, {}), "csv", "UTC", False))
    assert max(map(len, pieces)) <= 1 << 20
    numbers = [int(row[0]) for row in read(b"".join(pieces))[1:]]
    assert all(one > after for one, after in pairwise(numbers))
    assert len(numbers) == 300_000


def test_parquet_is_left_to_clickhouse() -> None:
    file = b"".join(
        export(clickhouse(), Query("select '=1' as t, null::Nullable(Int8) as n", {}), "parquet", "UTC", True)
    )
    assert pl.read_parquet(file).rows() == [("=1", None)]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Nullable(DateTime64(6, 'UTC'))", "moment"), ("timestamp(6) with time zone", "moment"), ("UInt256", "whole"),
        ("SimpleAggregateFunction(sum, Decimal(38, 4))", "decimal"), ("real", "single"), ("Float64", "double"),
        ("LowCardinality(Nullable(String))", "text"), ("interval day to second", "text"), ("array(bigint)", "text"),
        ("Bool", "truth"), ("Date32", "date"), ("time(6)", "text"), ("", "text"),
    ],
)  # fmt: skip
def test_types_of_both_engines_say_what_a_column_holds(name: str, kind: str) -> None:
    assert kind_of(name) == kind
