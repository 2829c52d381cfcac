"""Whatever a viewer sends is answered: with figures, or with one sentence."""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lakehouse.dashboard.model import model
from lakehouse.dashboard.parameters import instant, text, whole
from lakehouse.errors import LakehouseError, Retry, UsageError
from tests.unit.dashboard_app import PlayedDashboard
from tests.unit.embedded import copies

SCOPE = (
    "range",
    "from",
    "to",
    "window",
    "f.city",
    "f.subscriber",
    "f.status",
    "f.currency",
    "compare",
    "offset",
    "bom",
    "f.x",
)
# Each route with what it takes beside its path.
ROUTES = {
    "/": (),
    "/api/model": (),
    "/api/pipeline": (),
    "/api/panel/{page}/{panel}": SCOPE,
    "/api/rows/{cube}": SCOPE,
    "/api/values/{page}/{dimension}": SCOPE,
    "/api/subscribers": ("q",),
    "/api/subscriber/{phone}": (),
    "/api/reason/{source}": ("codes",),
    "/api/message/{source}": ("topic_id", "partition", "offset", "taken"),
    "/api/export/panel/{page}/{panel}.{form}": SCOPE,
    "/api/export/rows/{cube}.{form}": SCOPE,
}
KNOWN = {
    "page": "calls", "panel": "time", "cube": "rejected", "dimension": "city", "form": "csv", "source": "calls",
    "phone": "+201012345678", "range": "7d", "from": "2026-11-20", "to": "2026-11-27", "window": "30", "offset": "0",
    "topic_id": "3plJYU+vTTKSP5tJJ9G09Q", "partition": "0", "taken": "2026-11-20 00:00:00.000000", "q": "010123",
    "codes": "type:amount", "bom": "0", "compare": "1",
}  # fmt: skip
MARK = "zq"
ODD = (
    "0001-01-01", "9999-12-31T23:59:59.999999", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1e400", "-1", "nan",
    "1" * 5000, "9" * 20, "99999d", "\u0663d", "\u0663", "\u00b2", "2026-11-20T25", "1969-12-31", "2106-01-01", "",
    "\x00", "' or 1=1 --",
    "a/b", "../..", "calls/../x", "%", "{from:String}", "\\", "\u202e", "\ud800", "x" * 20_000, "\t", "\r\n",
)  # fmt: skip
ANYTHING = st.one_of(
    st.sampled_from(ODD),
    st.text(alphabet=st.characters(), max_size=30).map(lambda one: f"{MARK}{one}"),
    st.integers().map(str),
    st.floats().map(str),
    st.datetimes().map(str),
    st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat()),
)


@st.composite
def addresses(draw: st.DrawFn) -> tuple[str, str]:
    """A path, decoded as the web server hands it on, and a query."""
    route = draw(st.sampled_from(sorted(ROUTES)))

    def value(name: str) -> str:
        # mostly what is understood, so that the rest of an address is come to
        known = not name.startswith("f.") and draw(st.sampled_from((True, True, True, False)))
        return KNOWN.get(name, "x") if known else draw(ANYTHING)

    path = re.sub(r"{(\w+)}", lambda found: value(found[1]), route)
    taken = ROUTES[route]
    names = draw(st.lists(st.sampled_from(taken), max_size=4)) if taken is SCOPE else list(taken)
    return path, "&".join(f"{name}={quote(value(name).encode(errors='surrogatepass'))}" for name in names)


@pytest.fixture(scope="module")
def dashboard() -> PlayedDashboard:
    return PlayedDashboard()


@pytest.fixture(scope="module")
def real() -> PlayedDashboard:
    """Over a ClickHouse within this process."""
    return PlayedDashboard(copies())


FAILURES = {502: LakehouseError("refused"), 503: Retry("away"), 200: None}


@given(address=addresses(), failure=st.sampled_from(sorted(FAILURES)))
@settings(max_examples=400)
@example(("/api/panel/calls/time", "from=0001-01-01"), 200)
@example(("/api/panel/calls/time", "from=0001-01-01&to=0001-01-02&compare=1"), 200)
@example(("/api/rows/calls", "offset=" + "1" * 5000), 200)
@example(("/api/message/calls", "topic_id=3plJYU%2BvTTKSP5tJJ9G09Q&partition=0&offset=0&taken=0001-01-01"), 200)
@example(
    ("/api/message/calls", f"topic_id=3plJYU%2BvTTKSP5tJJ9G09Q&partition=0&offset={'1' * 5000}&taken=2026-11-20"), 200
)
@example(("/api/subscriber/\ud800", ""), 200)
@example(("/api/reason/\ud800", "codes=a"), 200)
def test_every_address_is_answered(dashboard: PlayedDashboard, address: tuple[str, str], failure: int) -> None:
    for server in (dashboard.clickhouse, dashboard.trino):
        server.asked.clear()
        server.fails = FAILURES[failure]
    status, _, body = dashboard.get(*address)
    assert status in {200, 400, 404, failure}
    if status == 400:
        sentence = json.loads(body)["error"]
        assert sentence.isprintable()
        assert len(sentence) < 500
    for sql, _ in (*dashboard.clickhouse.asked, *dashboard.trino.asked):
        assert MARK not in sql, "what a viewer sends is a value and no statement"
        assert "\x00" not in sql


@given(address=addresses())
@settings(max_examples=150)
def test_what_is_let_through_is_understood_by_clickhouse(real: PlayedDashboard, address: tuple[str, str]) -> None:
    assert real.get(*address)[0] in {200, 400, 404}


@pytest.mark.parametrize(
    "address",
    [
        ("/api/panel/calls/time", "from=9999-01-01"), ("/api/panel/calls/time", "to=1960-01-01"), 
        ("/api/rows/calls", "offset=-1"),
        ("/api/rows/calls", "f.city=%00"), ("/api/message/calls/../x", ""), ("/api/message/a", "partition=0"),
        ("/api/message/calls", "topic_id=3plJYU%2BvTTKSP5tJJ9G09Q&partition=2147483648&offset=0&taken=2026-11-20"),
        ("/api/subscribers", "q=%00%00%00"), ("/api/rows/calls.csv", ""), ("/api/nowhere", ""),
    ],
)  # fmt: skip
def test_what_can_not_be_meant_is_refused_before_a_server_is_asked(dashboard: PlayedDashboard, address: Any) -> None:
    dashboard.clickhouse.asked.clear()
    assert dashboard.get(*address)[0] in {400, 404}
    assert dashboard.clickhouse.asked == []


def test_every_route_is_in_this_test(dashboard: PlayedDashboard) -> None:
    """Server-sent events end when the viewer goes, and take nothing."""
    there = {route.path for route in dashboard.app.routes} - {"/api/events", "/static"}
    assert there == set(ROUTES)


def test_every_word_of_an_address_is_in_this_test() -> None:
    from lakehouse.dashboard import scope

    assert {*scope._SAID, *scope._BESIDE} - {"page", "live"} <= set(SCOPE)
    assert {name.removeprefix("f.") for name in SCOPE if name.startswith("f.")} - {"x"} <= set(
        model().cubes["calls"].dimensions
    )


def test_a_fault_of_ours_is_told_without_its_insides_and_logged_whole(
    dashboard: PlayedDashboard, caplog: pytest.LogCaptureFixture
) -> None:
    dashboard.clickhouse.fails = ValueError("the password is 1234")
    try:
        with caplog.at_level(logging.ERROR):
            for path in ("/api/rows/calls", "/api/export/rows/calls.csv"):
                status, _, body = dashboard.get(path)
                assert status == 500
                assert json.loads(body) == {"error": "The dashboard could not answer that. Its log says why."}
    finally:
        dashboard.clickhouse.fails = None
    assert "Traceback" in caplog.text
    assert "the password is 1234" in caplog.text


@given(at=st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2105, 12, 31), timezones=st.just(UTC)))
def test_a_time_is_read_as_it_was_meant(at: datetime) -> None:
    assert instant(at.isoformat(), "from") == at
    assert instant(at.replace(tzinfo=None).isoformat(sep=" "), "from") == at


@given(value=st.text(alphabet=st.characters()))
def test_a_text_is_taken_as_it_is_or_refused(value: str) -> None:
    try:
        assert text(value, "q") == value
    except UsageError:
        assert "\x00" in value or any("\ud800" <= sign <= "\udfff" for sign in value)


@given(number=st.integers(min_value=0), most=st.integers(0, 2**63 - 1))
def test_a_number_is_taken_up_to_its_limit(number: int, most: int) -> None:
    if number <= most:
        assert whole(str(number), "offset", most) == number
    else:
        with pytest.raises(UsageError, match="offset is a whole number from 0 to"):
            whole(str(number), "offset", most)
