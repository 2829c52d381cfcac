"""The dashboard's model, its statements and what it takes from an address."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.copies.copy import view_files
from lakehouse.dashboard.model import Measure, Model, model
from lakehouse.dashboard.query import Statement, in_money, panel_query, rows_query, values_query
from lakehouse.dashboard.rejections import _TOPIC_ID, reason_in_words
from lakehouse.dashboard.scope import Scope, scope_of
from lakehouse.dashboard.subscribers import normalised
from lakehouse.errors import UsageError
from lakehouse.paths import data_file
from lakehouse.settings import settings

START = datetime(2026, 11, 20, tzinfo=UTC)
WEEK = Scope(START, START + timedelta(days=7), zone="Africa/Cairo")
PANELS = [(page.name, panel) for page in model().pages.values() for panel in page.panels]
FACTS = {"calls": "fact_calls", "sms": "fact_sms", "payment": "fact_payment", "recharge": "fact_recharge"} | {
    "support": "fact_support"
}


def scope(address: list[tuple[str, str]]) -> Scope:
    return scope_of(address, model(), "Africa/Cairo")


# -- the files -----------------------------------------------------------------------------------------------------------


def not_kept(cube: str, projection: str, money: bool = True) -> list[str]:
    """The cube's sums over rows of its fact that the fact's projection does not have, word for word."""
    table = data_file("clickhouse/tables", f"{FACTS[cube]}.sql").read_text()
    kept = table.partition(f"projection {projection}")[2].partition("group by")[0]
    of_rows = [m for m in model().cubes[cube].measures.values() if m.sql and m.via is None and (money or not m.money)]
    derived = [m.sql for m in of_rows if "next_contact" not in m.sql]
    return [sql for sql in derived if f"{sql},\n" not in kept and f"{sql}\n" not in kept]


@pytest.mark.parametrize("cube", FACTS)
@pytest.mark.parametrize("projection", ["by_hour", "by_plan"])
def test_every_sum_of_a_fact_is_kept_by_the_hour(cube: str, projection: str) -> None:
    assert not_kept(cube, projection) == []


@pytest.mark.parametrize("cube", ["calls", "sms"])
@pytest.mark.parametrize("projection", ["by_cell", "by_device"])
def test_every_sum_but_those_of_money_is_kept_for_cells_and_handsets(cube: str, projection: str) -> None:
    assert not_kept(cube, projection, money=False) == []


def test_a_view_is_made_after_those_that_it_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "own_1.sql": "create or replace view gold.a as select * from gold.z -- gold.a is all of gold.z",
        "own_2.sql": "-- What gold.a is of.\ncreate or replace view gold.z as select 1 as n",
    }
    own_folder(tmp_path, monkeypatch, files, "clickhouse/views")
    try:
        names = [path.stem for path in view_files()]
    finally:
        monkeypatch.undo()
        settings.cache_clear()
    assert names.index("own_2") < names.index("own_1")
    assert names.index("activity_calls") < names.index("activity") < names.index("usage")


def test_every_figure_says_what_it_means_and_where_that_comes_from() -> None:
    assert [k.name for k in model().kpis.values() if not k.meaning.endswith(".") or not k.source] == []


def test_every_figure_is_shown_somewhere() -> None:
    shown = {kpi for _, panel in PANELS for kpi in panel.kpis}
    assert set(model().kpis) - shown == set()


def own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], under: str = "clickhouse/dashboard"
) -> None:
    for name, text in files.items():
        path = tmp_path / under / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setenv("LAKEHOUSE_EXTENSIONS", f'["{tmp_path}"]')
    settings.cache_clear()


def test_an_operators_figures_and_pages_stand_beside_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kpi = "{long: {title: Long calls, cube: calls, numerator: seconds, unit: seconds, source: us, meaning: Ours.}}"
    page = "{title: Ours, cube: calls, filters: [city], panels: [{name: long, kind: number, kpis: [long]}]}"
    own_folder(tmp_path, monkeypatch, {"kpis_ours.yaml": kpi, "pages/ours.yaml": page})
    try:
        loaded = Model.load()
    finally:
        monkeypatch.undo()
        settings.cache_clear()
    assert set(loaded.pages) == {*model().pages, "ours"}
    assert loaded.kpis["long"].title == "Long calls"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("kpis_ours.yaml", "{a: {title: A, cube: calls, numerator: no, unit: count, source: us, meaning: A.}}", "no"),
        ("kpis_ours.yaml", "{a: {title: A, cube: none, numerator: calls, unit: count, source: us, meaning: A.}}", "none"),
        ("kpis_ours.yaml", "{a: {title: A, cube: calls, numerator: calls, unit: stones, source: us, meaning: A.}}", "stones"),
        ("kpis_ours.yaml", "{a: {title: A, cube: calls, colour: red}}", "colour"),
        ("kpis_ours.yaml", "[unclosed", "kpis_ours.yaml"),
        ("pages/x.yaml", "{title: X, cube: calls, filters: [shoe_size]}", "shoe_size"),
        ("pages/x.yaml", "{title: X, cube: calls, filters: [], panels: [{name: a, kind: pie, kpis: [asr]}]}", "pie"),
        ("pages/x.yaml", "{title: X, cube: calls, filters: [], panels: [{name: a, kind: bar, kpis: [asr, fcr]}]}", "several"),
        ("cubes/x.yaml", "{title: X, from: t, dimensions: {a: {title: A, sql: a, via: nowhere}}}", "nowhere"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_file_is_one_sentence_with_the_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, said: str
) -> None:
    own_folder(tmp_path, monkeypatch, {name: text})
    try:
        with pytest.raises(UsageError, match=said):
            Model.load()
    finally:
        monkeypatch.undo()
        settings.cache_clear()


# -- statements ----------------------------------------------------------------------------------------------------------


@given(value=st.text(min_size=1), dimension=st.sampled_from(sorted(model().cubes["calls"].dimensions)))
def test_no_value_of_a_filter_becomes_part_of_a_statement(value: str, dimension: str) -> None:
    for filters in ({dimension: (value,)}, {dimension: (value, "x")}):
        chosen = Scope(WEEK.start, WEEK.end, filters, zone=WEEK.zone)
        plain = Scope(WEEK.start, WEEK.end, {dimension: ("x",)}, zone=WEEK.zone)
        for panel in (p for _, p in PANELS if p.cube == "calls"):
            assert panel_query(model(), panel, chosen).sql == panel_query(model(), panel, plain).sql
        cube = model().cubes["calls"]
        assert rows_query(cube, chosen).sql == rows_query(cube, plain).sql
        assert values_query(cube, "status", chosen).sql == values_query(cube, "status", plain).sql
        assert rows_query(cube, chosen).parameters[f"v_{dimension}"] == list(filters[dimension])


def test_a_group_does_not_hide_a_column_of_its_name() -> None:
    """ClickHouse takes a name for what the same select calls so, before it takes it for a column."""
    cube = replace(model().cubes["payment"], measures={"here": Measure("countIf(city = 'Cairo')")})
    statement = Statement(cube, WEEK)
    statement.by("city")
    statement.measure("here", cube.measures["here"])
    of_rows = statement.figures().partition("from (")[2]
    assert "countIf(city = 'Cairo') as s_here" in of_rows
    assert "f.user_city as g_city" in of_rows
    assert "as city" not in of_rows


def test_a_range_of_whole_hours_is_asked_by_the_hour() -> None:
    panel = next(p for page, p in PANELS if (page, p.name) == ("calls", "time"))
    assert "f.event_time >=" not in panel_query(model(), panel, WEEK).sql
    odd = Scope(WEEK.start + timedelta(minutes=1), WEEK.end, zone=WEEK.zone)
    assert "toStartOfHour" not in panel_query(model(), panel, odd).sql
    half_hours_off = Scope(WEEK.start, WEEK.end, zone="Asia/Kolkata")
    assert "toStartOfHour" not in panel_query(model(), panel, half_hours_off).sql


@pytest.mark.parametrize(
    ("length", "minutes"),
    [(timedelta(hours=1), 1), (timedelta(hours=24), 15), (timedelta(days=7), 60), (timedelta(days=30), 360)],
)
def test_a_range_is_drawn_in_60_to_200_bars(length: timedelta, minutes: int) -> None:
    found = Scope(START, START + length)
    assert found.bucket_minutes == minutes
    assert 60 <= length / timedelta(minutes=minutes) <= 200


def test_the_period_before_is_as_long_and_ends_where_the_range_begins() -> None:
    assert (WEEK.before.start, WEEK.before.end) == (START - timedelta(days=7), START)


def test_filters_that_a_cube_does_not_know_are_told() -> None:
    chosen = Scope(WEEK.start, WEEK.end, {"city": ("Cairo",), "call_type": ("Local",)})
    assert chosen.ignored(model().cubes["sms"]) == ["call_type"]


# -- addresses -----------------------------------------------------------------------------------------------------------


def test_an_address_names_range_filters_and_window() -> None:
    said = [
        ("from", "2026-11-20T00:00:00Z"),
        ("to", "1795219200"),
        ("f.city", "Cairo"),
        ("f.city", ""),
        ("window", "7"),
    ]
    found = scope(said)
    assert (found.start, found.end) == (START, datetime(2026, 11, 21, tzinfo=UTC))
    assert found.filters == {"city": ("Cairo", "")}
    assert found.window_days == 7


def test_a_time_with_an_offset_is_the_moment_that_it_names() -> None:
    found = scope([("from", "2026-11-20T02:00:00+02:00"), ("to", "2026-11-21T05:30:00+05:30")])
    assert (found.start, found.end) == (START, datetime(2026, 11, 21, tzinfo=UTC))
    assert found.start.tzinfo == UTC


@pytest.mark.parametrize(
    ("sql", "meant"),
    [
        ("sum(amount)", "sumIf(amount, (true) and currency = {money:String})"),
        ("sumIf(amount, status = 'x')", "sumIf(amount, (status = 'x') and currency = {money:String})"),
        ("sum(round(amount, 2))", None),
        ("sum(amount) / sum(other)", None),
        ("sumIf(a, x) / sumIf(b, y)", None),
    ],
)
def test_only_a_plain_sum_is_made_one_of_a_currency(sql: str, meant: str | None) -> None:
    assert in_money(sql) == meant


def test_one_chosen_currency_is_the_one_that_amounts_are_added_in() -> None:
    assert scope([("f.currency", "USD")]).money == "USD"
    assert scope([("f.currency", "USD"), ("f.currency", "EGP")]).money == ""


def test_long_ranges_up_to_now_are_of_whole_hours() -> None:
    found = scope([("range", "7d")])
    assert found.whole_hours
    assert found.end - found.start == timedelta(days=7)
    assert timedelta(0) < found.end - datetime.now(UTC) <= timedelta(hours=1)


@pytest.mark.parametrize(
    "address",
    [
        [("range", "7 days")], [("range", "0d")], [("range", "99999d")], [("from", "yesterday")], [("from", "1e400")],
        [("from", "2026-11-21"), ("to", "2026-11-20")], [("window", "0")], [("window", "x")], [("f.shoe_size", "42")],
        [("f.city", "x")] * 2000, [("city", "x")], [("since", "2026-11-20")],
    ],
)  # fmt: skip
def test_an_address_that_can_not_be_meant_is_refused(address: list[tuple[str, str]]) -> None:
    with pytest.raises(UsageError):
        scope(address)


# -- words ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["+201012345678", "0101 234 5678", "00201012345678", "(010) 1234-5678", "1012345678"])
def test_a_number_is_found_however_it_is_typed(typed: str) -> None:
    assert normalised(typed) == "+201012345678"


def test_every_reason_of_the_examples_is_explained_with_its_rule() -> None:
    silent = []
    for path in sorted(Path("streams/contracts").glob("*.yaml")):
        raw = yaml.safe_load(path.read_text())
        if not isinstance(raw, dict):
            continue
        for kind in ("missing", "type", "invalid", "domain", "range"):
            for field in raw["fields"]:
                said = reason_in_words(raw["source"], f"{kind}:{field['name']}", START)
                if not (said["says"] and said["rule"] and said["fix"]):
                    silent.append(f"{raw['source']} {kind}:{field['name']}")
    assert silent == []


def test_a_range_is_told_with_its_ends() -> None:
    said = reason_in_words("calls", "range:call_duration_seconds", START)
    assert "from 0 to 86400" in said["rule"]
    assert "2026-11-20" in reason_in_words("calls", "range:timestamp", START)["rule"]


@pytest.mark.parametrize(
    ("text", "meant"),
    [("3plJYU+vTTKSP5tJJ9G09Q", True), ("3plJYU_vTTK-P5tJJ9G/9Q", True), ("a' or 1", False), ("", False)],
)
def test_a_topic_id_is_base64_of_either_alphabet_and_nothing_else(text: str, meant: bool) -> None:
    assert bool(_TOPIC_ID.fullmatch(text)) == meant
