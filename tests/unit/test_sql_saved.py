"""Saved queries without a server: what their heads say, and how values are bound."""

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from lakehouse.cli.main import main
from lakehouse.cli.sql_saved import find, given_values, saved_queries
from lakehouse.errors import UsageError
from lakehouse.paths import data_folder
from lakehouse.settings import settings


@pytest.fixture
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An operator's folder of saved queries for Trino; another one for ClickHouse is beside it."""
    for engine in ("trino", "clickhouse"):
        (tmp_path / engine / "queries").mkdir(parents=True)
    monkeypatch.setenv("LAKEHOUSE_EXTENSIONS", json.dumps([str(tmp_path)]))
    settings.cache_clear()
    yield tmp_path / "trino" / "queries"
    monkeypatch.undo()
    settings.cache_clear()


def bound(folder: Path, text: str, engine: str = "trino", **given: str) -> tuple[str, Any]:
    (folder / "mine.sql").write_text(text)
    statement = find(engine, "mine").statement(given)
    return statement.text, statement.values


HEAD = """-- How many?
-- param who text = x: a name
-- param n integer = 3: a number
-- param share number = 0.5: a share
-- param day date = today-2: a day
"""


@pytest.mark.parametrize("engine", ["trino", "clickhouse"])
def test_every_saved_query_can_be_read_and_uses_what_it_declares(engine: str) -> None:
    found = saved_queries(engine)
    assert len(found) >= 5
    assert {one.name for one in found} >= {path.stem for path in (data_folder(engine) / "queries").glob("*.sql")}
    for query in found:
        required = {one.name: "x" for one in query.parameters if one.default is None}
        statement = query.statement(required)
        for one in query.parameters:
            assert f":{one.name}" in query.text, (query.name, one.name)
        assert bool(statement.values) == bool(query.parameters)


def test_values_go_to_the_engine_by_place_and_never_into_the_text(ours: Path) -> None:
    text, values = bound(
        ours,
        HEAD
        + "select ':who', \"a:n\" /* :n */ from t where a = :who and b > :n -- :day\n and c=:n and d between :share and :day;",
        who="it's; drop table t --",
        n="-7",
    )
    assert text.count("?") == 5
    assert "drop" not in text
    assert "':who'" in text
    assert '"a:n" /* :n */' in text
    today = datetime.now(ZoneInfo(settings().time_zone)).date()
    assert values == ["it's; drop table t --", -7, -7, Decimal("0.5"), today - timedelta(days=2)]


def test_clickhouse_binds_by_name_and_type(ours: Path) -> None:
    folder = ours.parent.parent / "clickhouse" / "queries"
    text, values = bound(
        folder, HEAD + "select :who, '2026-01-01'::Date, n ? :n : 0, :day", "clickhouse", day="2026-11-30"
    )
    assert text == "select {who:String}, '2026-01-01'::Date, n ? {n:Int64} : 0, {day:Date32}"
    assert values == {"who": "x", "n": 3, "day": date(2026, 11, 30)}


def test_a_query_without_parameters_is_sent_as_it_is(ours: Path) -> None:
    assert bound(ours, "-- Is it?\n-- A remark.\n\nselect 1\n") == ("select 1", None)


@pytest.mark.parametrize(
    ("text", "given", "said"),
    [
        ("select 1", {}, "first line of a saved query is its question"),
        ("-- param a text: b\nselect 1", {}, "first line of a saved query is its question"),
        ("-- Q?\n-- param a text b\nselect :a", {}, "is to be `-- param name type = default: meaning`"),
        ("-- Q?\n-- param a word: b\nselect :a", {}, "a needs a type out of text, integer, number, date"),
        ("-- Q?\n-- param a text: b\n-- param a text: b\nselect :a", {}, "two parameters have the same name"),
        ("-- Q?\nselect 1; select 2", {}, "one statement, not 2"),
        ("-- Q?\n", {}, "one statement, not 0"),
        ("-- Q?\nselect :a", {}, "uses :a, which no line"),
        ("-- Q?\n-- param a text: b\nselect ?, :a", {"a": "1"}, "write a parameter as :name"),
        (HEAD + "select :n", {"n": "1 or 1"}, "n takes integer, not '1 or 1'"),
        (HEAD + "select :n", {"n": "9223372036854775808"}, "n takes integer"),
        (HEAD + "select :n", {"share": "NaN"}, "share takes number"),
        (
            HEAD + "select :n",
            {"day": "1.12.2026"},
            "day takes date, not '1.12.2026'; write 2026-11-30, today or today-7",
        ),
        (HEAD + "select :n", {"m": "1"}, "mine has no parameter 'm'; it takes who (text), n (integer), share (number)"),
        ("-- Q?\n-- param a text: who it is\nselect :a", {}, "mine needs --param a=...: who it is"),
    ],
)
def test_a_mistake_is_told_with_what_to_do(ours: Path, text: str, given: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError) as error:
        bound(ours, text, **given)
    assert said in str(error.value)


@pytest.mark.parametrize("option", ["a", "=1"])
def test_a_parameter_is_written_as_name_and_value(option: str) -> None:
    with pytest.raises(UsageError, match="write name=value"):
        given_values([option])


def test_a_value_may_hold_the_sign_and_comes_once() -> None:
    assert given_values(["a=b=c", "d="]) == {"a": "b=c", "d": ""}
    with pytest.raises(UsageError, match="a is given twice"):
        given_values(["a=1", "a=2"])


def test_an_operators_query_is_beside_ours_and_may_take_the_place_of_one(ours: Path) -> None:
    (ours / "mine.sql").write_text("-- Mine?\nselect 1")
    (ours / "plan_differs.sql").write_text("-- Another one?\nselect 2")
    found = {one.name: one for one in saved_queries("trino")}
    assert found["mine"].question == "Mine?"
    assert found["plan_differs"].question == "Another one?"
    assert "calls_by_brand" in found


def test_a_file_that_cannot_be_read_stops_no_other(ours: Path) -> None:
    (ours / "broken.sql").write_text("select 1")
    assert find("trino", "plan_differs").question.startswith("Whose plan")
    with pytest.raises(UsageError, match=r"broken\.sql: the first line"):
        find("trino", "broken")


def test_a_query_is_found_in_the_engine_that_has_it() -> None:
    assert find(None, "plan_differs").engine == "trino"
    assert find(None, "revenue_per_day").engine == "clickhouse"


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["sql", *arguments])
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_an_unknown_name_is_told_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    said = fails(capsys, "--run", "plan_difers")
    assert "there is no saved query 'plan_difers'. Did you mean plan_differs? There are: arriving_now, " in said
    assert "Did you mean revenue_per_day?" in fails(capsys, "--run", "revenue_per_dya")
    assert "there is no saved query 'revenue_per_day'" in fails(capsys, "--engine", "trino", "--run", "revenue_per_day")
    assert "give one of them" in fails(capsys, "--run", "plan_differs", "select 1")
    assert "name it with --run" in fails(capsys, "--param", "a=1", "select 1")


def test_the_list_has_questions_and_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    main(["sql", "--list"])
    text = capsys.readouterr().out
    assert "where_is_call\n    Where is this call: " in text
    assert "revenue_per_day  [clickhouse]\n    Revenue per day" in text
    assert "--param event_id=  id that the source gave (sid) (text, to be given)" in text
    main(["sql", "--list", "--json"])
    told = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert told["calls_by_brand"]["parameters"] == [
        {"name": "since", "type": "date", "default": "today-7", "meaning": "first day, in UTC"}
    ]
    assert Path(told["calls_by_brand"]["file"]).is_file()
