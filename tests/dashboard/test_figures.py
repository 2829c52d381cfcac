"""Every figure of every panel is what an independent reading of the tables gives, whatever is looked at."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from figures import HOUR, Frames, Look

from lakehouse.dashboard.model import TIME, Page, Panel, model
from lakehouse.settings import settings

pytestmark = pytest.mark.stack
PANELS = [pytest.param(p, panel, id=f"{p.name}-{panel.name}") for p in model().pages.values() for panel in p.panels]
# By whole hours; by minutes that are no hours, where no projection helps; and narrowed.
RANGES = {
    "eight days": (HOUR - timedelta(days=8), HOUR, "1h", {}, 30),
    "30 hours off the hour": (HOUR - timedelta(hours=80, minutes=13), HOUR - timedelta(hours=50, minutes=13), "15m", {}, 2),
    "filtered": (HOUR - timedelta(days=7), HOUR, "1h", {"plan": "Prepaid", "status": "completed"}, 7),
    "a city": (HOUR - timedelta(days=40), HOUR, "6h", {"city": "Cairo"}, 30),
    "a reason": (HOUR - timedelta(days=1), HOUR, "15m", {"source": "calls", "rule": "domain"}, 30),
}  # fmt: skip


@pytest.fixture(scope="module")
def frames(trino: Any, events: None, settled: Any) -> Frames:
    settled()  # a build between two looks would make them differ
    return Frames(trino)


def close(found: Any, expected: Any) -> bool:
    """Amounts and counts to the last digit, quotients as far as floating point goes."""
    if expected is None or found is None:
        return found is expected
    if isinstance(expected, Decimal):
        return Decimal(str(found)) == expected
    if isinstance(expected, int):
        return int(found) == expected
    return float(found) == pytest.approx(float(expected), rel=1e-9, abs=1e-12)


def groups_of(answer: dict[str, Any], panel: Panel) -> dict[tuple[str, ...], dict[str, Any]]:
    names = answer["columns"]
    at = [names.index("wall" if name == TIME else name) for name in panel.by]
    return {tuple(row[i] for i in at): dict(zip(names, row, strict=True)) for row in answer["rows"]}


def wanted(panel: Panel, all_groups: dict[tuple[str, ...], dict[str, Any]]) -> list[dict[str, Any]]:
    """The groups that the panel lets through, in its order."""
    enough = [g for g in all_groups.values() if all((g[kpi] or 0) >= least for kpi, least in panel.least.items())]
    key = panel.sort or panel.kpis[0]
    known = sorted((g for g in enough if g[key] is not None), key=lambda g: g[key], reverse=not panel.ascending)
    return [*known, *(g for g in enough if g[key] is None)]


def looks(frames: Frames) -> Iterator[tuple[str, Look]]:
    for name, (start, end, bucket, filters, window) in RANGES.items():
        yield name, Look(start, end, bucket, filters, window, frames.most_frequent, settings().time_zone)


@pytest.mark.parametrize(("page", "panel"), PANELS)
def test_a_panel_shows_what_the_tables_hold(page: Page, panel: Panel, frames: Frames, get: Any) -> None:
    for name, look in looks(frames):
        filters = [(f"f.{dimension}", value) for dimension, value in look.filters.items()]
        span = [("from", look.start.timestamp()), ("to", look.end.timestamp()), ("window", look.window)]
        answer = get(f"api/panel/{page.name}/{panel.name}", *span, *filters)
        assert "error" not in answer, (name, answer)
        assert answer["ignored"] == [d for d in look.filters if not frames.knows(panel.cube, d)], name
        kpis = list(dict.fromkeys([*panel.kpis, *panel.least, *filter(None, [panel.sort])]))
        expected = frames.expected(panel.cube, look, list(panel.by), kpis)
        found = groups_of(answer, panel)
        left = wanted(panel, expected) if panel.by else list(expected.values())
        limited = panel.by and TIME not in panel.by and panel.kind != "heatmap"
        assert len(found) == (min(panel.limit, len(left)) if limited else len(left)), name
        for group, row in found.items():
            for kpi in panel.kpis:
                assert close(row[kpi], expected[group][kpi]), (name, group, kpi, row[kpi], expected[group][kpi])
        if limited:
            key = panel.sort or panel.kpis[0]
            order = [row.get(key) for row in found.values()]
            assert all(close(f, g[key]) for f, g in zip(order, left, strict=False)), (name, order)


def test_the_ranges_hold_something(frames: Frames) -> None:
    for name, look in looks(frames):
        cubes = {"a reason": ["rejected"]}.get(name, ["calls", "usage", "activity"])
        assert all(len(frames.rows(cube, look)) > 20 for cube in cubes), name


def test_the_period_before_is_the_same_question_a_range_earlier(get: Any, events: None) -> None:
    start, end = HOUR - timedelta(days=4), HOUR
    now = get("api/panel/calls/asr", ("from", start.timestamp()), ("to", end.timestamp()), ("compare", 1))
    then = get("api/panel/calls/asr", ("from", (start - (end - start)).timestamp()), ("to", start.timestamp()))
    assert now["before"] == then["rows"]
    assert then["rows"][0][0] > 0


def test_rows_as_a_file_are_the_rows_behind_the_figure(get: Any, trino: Any, events: None) -> None:
    import io

    import polars as pl

    span = [("from", (HOUR - timedelta(days=8)).timestamp()), ("to", HOUR.timestamp()), ("f.channel", "chat")]
    figure = get("api/panel/support/cases", *span)["rows"][0][0]
    listed = get("api/rows/support", *span)
    csv = pl.read_csv(io.BytesIO(get("api/export/rows/support.csv", *span, raw=True)), infer_schema=False)
    parquet = pl.read_parquet(io.BytesIO(get("api/export/rows/support.parquet", *span, raw=True)))
    assert figure == listed["total"] == len(csv) == len(parquet) > 0
    since = f"timestamp '{HOUR - timedelta(days=8):%Y-%m-%d %H:%M:%S} UTC'"
    ids = trino(f"select support_id from iceberg.gold.fact_support where channel = 'chat' and event_time >= {since}")
    assert sorted(csv["support_id"]) == sorted(row["support_id"] for row in ids)
    assert set(csv["channel"]) == {"chat"}


def test_a_filter_that_no_text_can_be_is_refused(get: Any, events: None) -> None:
    assert get("api/panel/calls/calls", ("f.city", "\0"))["status"] == 400
