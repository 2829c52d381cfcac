"""The dashboard as people use it: in a real Chromium, on the real stack."""

import contextlib
import csv
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from viewing import HOSTILE, SARA, Viewer

from bench.browser import wait_until
from lakehouse.dashboard.model import model
from lakehouse.settings import settings

pytestmark = pytest.mark.stack
PAGES = list(model().pages)
RANGE = "range=30d"
# Some events are accepted whose clock is a little ahead: a page shows them when their time has come.
UP_TO_NOW = "event_time between now() - interval 30 day and now()"


def numbers(rows: list[dict[str, Any]]) -> list[float]:
    return [float(value) for value in rows[0].values()]


def click_bar(viewer: Viewer, panel: str, index: int) -> str:
    """Click the bar of a category, as a hand does; gives its name."""
    viewer.page.locator(f'[data-panel="{panel}"] canvas').scroll_into_view_if_needed()
    at = viewer.page.evaluate(
        """([panel, index]) => {
            const element = document.querySelector(`[data-panel="${panel}"] .canvas`);
            const chart = echarts.getInstanceByDom(element);
            const option = chart.getOption(), box = element.getBoundingClientRect();
            const [x, y] = chart.convertToPixel({ seriesIndex: 0 }, [option.series[0].data[index].value / 2, index]);
            return [box.x + x, box.y + y, option.yAxis[0].data[index]];
        }""",
        [panel, index],
    )
    viewer.page.mouse.click(at[0], at[1])
    return str(at[2])


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_whole_and_without_errors(viewer: Viewer, page: str) -> None:
    viewer.open(f"?page={page}&{RANGE}")
    assert viewer.page.locator("#trouble").is_hidden()
    assert viewer.page.locator("main .error").count() == 0
    assert viewer.page.locator("nav a[aria-current]").inner_text() == model().pages[page].title
    drawn = viewer.page.locator("main section:visible").count()
    assert drawn >= 2 or page == "subscribers"
    for panel in model().pages[page].panels if page != "subscribers" else ():
        shown = viewer.page.locator(f'[data-panel="{panel.name}"]')
        assert shown.locator(".value, canvas, table").count() >= 1, panel.name
        assert "copied" in shown.locator("footer").inner_text(), panel.name


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_shows_every_page_without_scrolling_sideways(viewer: Viewer, theme: Any) -> None:
    viewer.page.set_viewport_size({"width": 390, "height": 844})
    viewer.page.emulate_media(color_scheme=theme)
    for page in PAGES:
        viewer.open(f"?page={page}&{RANGE}")
        width = viewer.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, (page, width)


def test_a_filter_changes_the_numbers_to_those_of_a_direct_query(viewer: Viewer, clickhouse: Any) -> None:
    viewer.open(f"?page=calls&{RANGE}")
    everything = viewer.value("calls")
    viewer.page.click('[data-filter="city"]')
    option = viewer.page.locator('.options [role="option"]').nth(1)
    city = option.locator("bdi").inner_text()
    option.locator("input").check()
    viewer.drawn()
    sql = f"""
        select count(), 100 * countIf(f.status in ('completed', 'in-progress')) / count()
        from gold.fact_calls as f join gold.dim_cell_site as c on f.from_cell_sk = c.cell_sk
        where c.city = '{city}' and f.{UP_TO_NOW}
    """
    calls, asr = numbers(clickhouse(sql))
    assert (viewer.value("calls"), viewer.value("asr")) == (calls, pytest.approx(asr))
    assert 0 < calls < everything
    assert f"City of the cell: {city}" in viewer.page.locator("#chips").inner_text()


def test_filters_narrow_each_other(viewer: Viewer, get: Any) -> None:
    region = get("api/values/calls/region", ("range", "30d"))[0][0]
    viewer.open(f"?page=calls&{RANGE}")
    viewer.page.click('[data-filter="cell"]')
    viewer.page.locator('.options [role="option"]').first.wait_for()
    every_cell = viewer.page.locator('.options [role="option"]').count()
    viewer.open(f"?page=calls&{RANGE}&f.region={quote(region)}")
    viewer.page.click('[data-filter="cell"]')
    viewer.page.locator('.options [role="option"]').first.wait_for()
    assert 0 < viewer.page.locator('.options [role="option"]').count() < every_cell


def test_a_bar_filters_and_the_next_click_opens_its_rows(viewer: Viewer, clickhouse: Any) -> None:
    viewer.open(f"?page=support&{RANGE}")
    reason = click_bar(viewer, "reason", 2)
    viewer.drawn()
    assert f"f.reason={quote(reason)}".replace("%20", "+") in viewer.page.url.replace("%20", "+")
    sql = f"select count() from gold.fact_support where reason = '{reason}' and {UP_TO_NOW}"
    [cases] = numbers(clickhouse(sql))
    assert viewer.value("cases") == cases > 0
    click_bar(viewer, "reason", 0)
    viewer.page.locator("#row-count").wait_for()
    assert viewer.page.locator("#row-count").get_attribute("data-total") == str(int(cases))
    column = [h.inner_text() for h in viewer.page.locator("#drawer thead th").all()].index("reason")
    cells = viewer.page.locator(f"#drawer tbody tr td:nth-child({column + 1})").all_inner_texts()
    assert set(cells) == {reason}
    assert len(cells) == min(200, int(cases))


def test_a_row_of_a_table_does_the_same(viewer: Viewer) -> None:
    viewer.open(f"?page=support&{RANGE}")
    row = viewer.page.locator('[data-panel="channel"] tbody tr').first
    channel, cases = row.locator("td").nth(0).inner_text(), row.locator("td").nth(1).get_attribute("data-value")
    row.locator("button").click()
    viewer.drawn()
    viewer.page.locator('[data-panel="channel"] tbody tr button').first.click()
    viewer.page.locator("#row-count").wait_for()
    assert viewer.page.locator("#row-count").get_attribute("data-total") == cases
    assert f"Channel: {channel}" in viewer.page.locator("#drawer").inner_text()


def test_a_bar_in_time_narrows_the_range_to_itself(viewer: Viewer) -> None:
    viewer.open(f"?page=messages&{RANGE}")
    viewer.page.locator('[data-panel="time"] [title="As a table or drawn"]').click()
    row = viewer.page.locator('[data-panel="time"] tbody tr').nth(3)
    when, status = row.locator("td").nth(0).inner_text(), row.locator("td").nth(1).inner_text()
    inside = float(row.locator("td").nth(2).get_attribute("data-value") or "nan")
    row.locator("button").click()
    viewer.drawn()
    assert viewer.page.get_by_label("From", exact=True).input_value() == when.replace(" ", "T")[:16]
    viewer.page.locator('[data-panel="time"] tbody tr').first.wait_for()
    rows = viewer.page.locator('[data-panel="time"] tbody tr').all()
    of_status = [r for r in rows if r.locator("td").nth(1).inner_text() == status]
    assert sum(float(r.locator("td").nth(2).get_attribute("data-value") or 0) for r in of_status) == inside


def test_stacked_bars_reach_as_high_as_their_sum(viewer: Viewer) -> None:
    viewer.open(f"?page=calls&{RANGE}")
    series = viewer.page.evaluate(
        """() => echarts.getInstanceByDom(document.querySelector('[data-panel="time"] .canvas')).getOption().series
            .filter((one) => one.type === "bar").map((one) => one.data.map((item) => item.value))"""
    )
    buckets = [[at for at, _ in one] for one in series]
    assert len(series) > 3
    assert all(one == buckets[0] for one in buckets), "ECharts stacks by place: every series needs every bucket"
    assert sum(value for one in series for _, value in one) == viewer.value("calls")


def test_an_address_restores_the_view_and_back_goes_back(viewer: Viewer) -> None:
    viewer.open(f"?page=calls&{RANGE}")
    everything = viewer.value("calls")
    viewer.page.locator('[data-filter="status"]').click()
    viewer.page.locator('.options [role="option"] input').first.check()
    viewer.drawn()
    narrowed, address = viewer.value("calls"), viewer.page.url
    viewer.page.go_back()
    viewer.drawn()
    assert viewer.value("calls") == everything > narrowed
    viewer.page.goto("about:blank")
    viewer.page.goto(address)
    viewer.drawn()
    assert viewer.value("calls") == narrowed
    assert viewer.page.locator("#chips .chip").count() == 1


def test_keys_do_what_the_help_says(viewer: Viewer) -> None:
    viewer.open("?page=overview&range=4d")
    viewer.page.keyboard.press("?")
    assert "busy" not in viewer.page.locator("#keys").inner_text()
    assert "go to a page" in viewer.page.locator("#keys").inner_text()
    viewer.page.keyboard.press("Escape")
    viewer.page.locator("#keys").wait_for(state="hidden")
    viewer.page.keyboard.press("3")
    viewer.drawn()
    assert viewer.page.title().startswith("Messages")
    viewer.page.keyboard.press("c")
    viewer.drawn()
    assert "before:" in viewer.page.locator('[data-panel="messages"] .body').inner_text()


def test_a_key_pressed_right_after_a_dialog_closed_counts(viewer: Viewer) -> None:
    viewer.open("?page=overview&range=4d")
    viewer.page.keyboard.press("?")
    viewer.page.locator("#keys button").wait_for()
    viewer.page.evaluate(
        """() => {
            document.getElementById("keys").close();
            document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "3", bubbles: true}));
        }"""
    )
    assert viewer.page.title().startswith("Messages")


def test_live_mode_shows_what_it_asked_for_though_builds_come_faster(viewer: Viewer) -> None:
    viewer.page.add_init_script(
        """
        const ask = window.fetch, told = { copied_at: 0, error: null, problems: [], waiting: 0, notable: [] };
        window.fetch = async (path, ...rest) => {
            if (path.startsWith("api/panel")) await new Promise((done) => setTimeout(done, 700));
            return ask(path, ...rest);
        };
        window.EventSource = class {
            build = 0;
            constructor() { setInterval(() => this.tell(), 200); }
            tell() { this.onmessage?.({ data: JSON.stringify({ ...told, build: this.build++ }) }); }
        };
        """
    )
    viewer.page.goto(f"{viewer.site}/?page=calls&{RANGE}&live=1")
    for _ in range(2):
        wait_until(viewer.page, "document.body.dataset.loaded !== undefined")
        assert viewer.value("calls") > 0
        viewer.page.evaluate("delete document.body.dataset.loaded")


def test_what_is_typed_by_people_is_shown_as_text_in_its_own_direction(viewer: Viewer) -> None:
    viewer.open(f"?page=subscribers&{RANGE}")
    viewer.page.fill("#subscriber", SARA.removeprefix("+2"))
    viewer.page.keyboard.press("Enter")
    viewer.page.locator("dl.facts").wait_for()
    viewer.drawn()
    name = viewer.page.locator("dl.facts bdi", has_text="سارة محمود")
    assert name.evaluate("e => getComputedStyle(e).direction") == "rtl"
    assert HOSTILE in viewer.page.locator('[data-view="subscriber"]').inner_text()
    viewer.open(f"?page=overview&{RANGE}&f.city={quote(HOSTILE)}")
    assert "hurt" not in viewer.page.title()
    assert viewer.page.locator("img").count() == 0


@pytest.mark.parametrize(
    "value", ["') or 1=1 --", "' union all select 1 --", "{v_city:Array(String)}", "\\'", "%", HOSTILE]
)
def test_a_filter_is_only_ever_a_value(get: Any, value: str, events: None) -> None:
    assert get("api/panel/calls/calls", ("f.city", value))["rows"] == [[0, 0]]


@pytest.mark.parametrize(
    "address", [("f.city; drop table x", "a"), ("range", "7d; select 1"), ("window", "1)"), ("from", "x")]
)
def test_what_can_not_be_meant_is_refused_in_a_sentence(get: Any, address: tuple[str, str]) -> None:
    told = get("api/panel/calls/calls", address)
    assert told["status"] == 400
    assert "Traceback" not in told["error"]


def test_a_rejected_message_tells_why_and_shows_itself(viewer: Viewer) -> None:
    viewer.open(f"?page=quality&{RANGE}&f.source=calls&f.rule=domain")
    viewer.page.click("#open-rejected")
    viewer.page.locator("#row-count").wait_for()
    viewer.page.locator("#drawer tbody button", has_text="why").first.click()
    viewer.page.locator(".why pre").wait_for()
    told = viewer.page.locator(".why").inner_text()
    assert re.search(r"domain:\w+", told)
    assert "Rule: " in told
    assert "To change: " in told
    assert re.search(r"\[\d+\] offset \d+", told)
    assert "sid" in json.loads(viewer.page.locator(".why pre").inner_text())


def test_the_file_holds_what_is_seen(viewer: Viewer, tmp_path: Path) -> None:
    viewer.open(f"?page=calls&{RANGE}")
    viewer.page.locator('[data-panel="plan"] [title="Download"]').click()
    with viewer.page.expect_download() as coming:
        viewer.page.locator('[data-panel="plan"] .download', has_text="CSV").click()
    coming.value.save_as(tmp_path / "plan.csv")
    rows = list(csv.DictReader((tmp_path / "plan.csv").open(encoding="utf-8-sig")))
    viewer.page.locator('[data-panel="plan"] [title="As a table or drawn"]').click()
    seen = viewer.page.locator('[data-panel="plan"] tbody tr').all()
    assert [r["calls"] for r in rows] == [r.locator("td").nth(1).get_attribute("data-value") for r in seen]
    assert len(rows) > 1


def test_live_mode_shows_new_events_by_itself(viewer: Viewer, lakehouse: Any, settled: Any) -> None:
    viewer.open("?page=messages&range=24h&live=1")
    before = viewer.value("messages")
    of_now = ("--follow", "--events", "300", "--rate", "300", "--sources", "sms", "--defects", "none")
    lakehouse("generate", *of_now, "--no-reference", "--users", "400", "--seed", "11")
    wait_until(
        viewer.page,
        "was => Number(document.querySelector('[data-panel=messages] .value').dataset.value) >= was + 300",
        before,
    )
    settled()


# -- a stopped ClickHouse ------------------------------------------------------------------------------------------------


class Way:
    """A way to ClickHouse that can be cut: a port that passes bytes on, or is not there."""

    def __init__(self, port: int, target: tuple[str, int]) -> None:
        self._port, self._target = port, target
        self._open: list[socket.socket] = []
        self._door: socket.socket | None = None

    def connect(self) -> None:
        door = socket.create_server(("127.0.0.1", self._port))
        self._door = door
        threading.Thread(target=self._accept, args=(door,), daemon=True).start()

    def cut(self) -> None:
        for one in [self._door, *self._open]:
            if one is not None:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
        self._open.clear()

    def _accept(self, door: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = door.accept()
                far = socket.create_connection(self._target)
                self._open += [near, far]
                for a, b in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=(a, b), daemon=True).start()

    @staticmethod
    def _pass(a: socket.socket, b: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while some := a.recv(65536):
                b.sendall(some)
            b.shutdown(socket.SHUT_WR)


@pytest.fixture
def way_and_site(stack: dict[str, str], events: None) -> Iterator[tuple[Way, str]]:
    """A dashboard of its own over a way that can be cut."""
    host, _, port = stack["LAKEHOUSE_CLICKHOUSE_URL"].rpartition("//")[2].partition(":")
    ours, web = _free_port(), _free_port()
    way, site = Way(ours, (host, int(port))), f"http://127.0.0.1:{web}"
    way.connect()
    own = {"LAKEHOUSE_CLICKHOUSE_URL": f"http://127.0.0.1:{ours}", "LAKEHOUSE_DASHBOARD_URL": site}
    command = [sys.executable, "-m", "lakehouse.cli.main", "dashboard"]
    process = subprocess.Popen(command, env={**os.environ, **stack, **own}, stdout=subprocess.DEVNULL)
    try:
        _wait(lambda: socket.create_connection(("127.0.0.1", web), timeout=1).close())
        yield way, site
    finally:
        process.terminate()
        process.wait(20)
        way.cut()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])


def _wait(until: Callable[[], object]) -> None:
    limit = time.monotonic() + 60
    while True:
        try:
            until()
            return
        except OSError:
            if time.monotonic() > limit:
                raise
            time.sleep(0.1)


def test_a_stopped_clickhouse_is_said_and_the_page_recovers(viewer: Viewer, way_and_site: tuple[Way, str]) -> None:
    way, viewer.site = way_and_site
    viewer.page.context.request.get(f"{viewer.site}/?token={settings().dashboard_token.get_secret_value()}")
    viewer.open(f"?page=calls&{RANGE}")
    figure = viewer.value("calls")
    way.cut()
    viewer.page.keyboard.press("r")
    viewer.page.locator("#trouble:visible").wait_for()
    assert "ClickHouse" in viewer.page.locator("#trouble").inner_text()
    viewer.page.locator('[data-panel="calls"] footer', has_text="not refreshed").wait_for()
    assert viewer.value("calls") == figure
    viewer.page.locator("#freshness", has_text="ClickHouse does not answer").wait_for()
    way.connect()
    viewer.page.locator("#trouble").wait_for(state="hidden")
    viewer.drawn()
    assert viewer.value("calls") == figure
    assert "not refreshed" not in viewer.page.locator('[data-panel="calls"] footer').inner_text()
    # the browser itself logs what could not be fetched; that, and only that
    assert viewer.errors
    assert [said for said in viewer.errors if "503" not in said] == []
    viewer.page.close()
    viewer.errors.clear()
    viewer.foreign.clear()
