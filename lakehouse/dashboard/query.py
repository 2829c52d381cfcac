"""From a panel and what a viewer chose to one SQL statement with parameters.

All text in a statement comes from the model's files. What a viewer sends is looked up there by name, or bound as a parameter,
so that no filter can change the statement.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from lakehouse.dashboard.model import TIME, Cube, Dimension, Kpi, Measure, Model, Panel
from lakehouse.errors import UsageError

# A range of up to so many hours is drawn in buckets of so many minutes: 100 to 200 bars on a screen.
_BUCKETS = ((3, 1), (12, 5), (48, 15), (8 * 24, 60), (45 * 24, 6 * 60), (200 * 24, 24 * 60), (10**9, 7 * 24 * 60))
# Whole hours and days, where a bucket is some: they begin at midnight of the zone, so many minutes need not.
_UNITS = (("day", 24 * 60), ("hour", 60), ("minute", 1))
_GROUPS = 20_000
ROWS = 200
FILTER_VALUES = 500


@dataclass(frozen=True)
class Scope:
    """What a viewer looks at.

    Attributes:
        start, end: the time range, half-open, aware.
        filters: by dimension the values that are let through; the empty text is an unknown value.
        window_days: how far back a subscriber counts as active.
        money: the currency in which amounts are added.
        zone: the operator's time zone.
    """

    start: datetime
    end: datetime
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    window_days: int = 30
    money: str = ""
    zone: str = "UTC"

    @property
    def before(self) -> "Scope":
        """The period of equal length that ends where this one begins."""
        start = self.start - (self.end - self.start)
        return Scope(start, self.start, self.filters, self.window_days, self.money, self.zone)

    @property
    def bucket_minutes(self) -> int:
        """Width of a bar in time."""
        hours = (self.end - self.start) / timedelta(hours=1)
        return next(minutes for limit, minutes in _BUCKETS if hours <= limit)

    def ignored(self, cube: Cube) -> list[str]:
        """Filters that this cube knows nothing of."""
        return [name for name in self.filters if name not in cube.dimensions]


@dataclass(frozen=True)
class Query:
    """A statement and its parameters."""

    sql: str
    parameters: dict[str, Any]


class Statement:
    """Gathers a statement over a cube: joins and parameters as they are needed."""

    def __init__(self, cube: Cube, scope: Scope) -> None:
        self._cube = cube
        self._scope = scope
        self._joined: dict[str, dict[str, str]] = {}
        self._parameters: dict[str, Any] = {
            "from": _instant(scope.start),
            "to": _instant(scope.end),
            "tz": scope.zone,
            "window": scope.window_days,
            "money": scope.money,
        }

    def dimension(self, name: str) -> str:
        """The expression of a group, as text; null is the empty text."""
        one = _dimension(self._cube, name)
        if one.each:
            return f"arrayJoin(arrayDistinct(arrayMap(code -> {one.sql}, {one.each})))"
        if one.via is None:
            return _text(one)
        self._joined.setdefault(one.via, {})[f"j_{one.via}_{name}"] = one.sql
        return f"ifNull(toString(j_{one.via}_{name}), '')"

    def measure(self, one: Measure) -> str:
        """The expression of a sum."""
        if one.via is None:
            return one.sql

        def joined(found: re.Match[str]) -> str:
            assert one.via is not None
            name = f"j_{one.via}_{found[1]}"
            self._joined.setdefault(one.via, {})[name] = found[1]
            return name

        return re.sub(rf"\bj_{one.via}\.(\w+)", joined, one.sql)

    def where(self) -> str:
        """Time range and filters."""
        conditions = [f"f.{self._cube.time} >= {self._cube.since}", f"f.{self._cube.time} < {{to:DateTime64(6)}}"]
        for name, values in self._scope.filters.items():
            if name in self._cube.dimensions:
                conditions.append(self._filter(name, values))
        return " and ".join(conditions)

    def _filter(self, name: str, values: tuple[str, ...]) -> str:
        one = self._cube.dimensions[name]
        self._parameters[f"v_{name}"] = list(values)
        chosen = f"in {{v_{name}:Array(String)}}"
        if one.each:
            return f"arrayExists(code -> {one.sql} {chosen}, {one.each})"
        if one.via is None:
            return f"{_text(one)} {chosen}"
        join = self._cube.joins[one.via]
        return f"f.{join.key} in (select {join.column} from {join.table} where {_text(one)} {chosen})"

    def source(self) -> str:
        """The cube's rows with the joins that were asked for."""
        parts = [f"{self._cube.source} as f"]
        for via, columns in self._joined.items():
            join = self._cube.joins[via]
            listed = "".join(f", {sql} as {name}" for name, sql in columns.items())
            parts.append(
                f"any left join (select {join.column} as j_{via}_key{listed} from {join.table}) as j_{via}"
                f" on f.{join.key} = j_{via}.j_{via}_key"
            )
        return "\n".join(parts)

    def query(self, sql: str) -> Query:
        """The statement with those parameters that it names."""
        used = {name: value for name, value in self._parameters.items() if f"{{{name}:" in sql}
        return Query(sql, used)


def panel_query(model: Model, panel: Panel, scope: Scope) -> Query:
    """Figures of a panel by its groups.

    Columns: of `time` the bucket's start and end in epoch seconds and its start as local text (`time`, `until`, `wall`); each
    other dimension as text; each measure as `m_<name>`; each figure under its name; a map's position.
    """
    cube = model.cubes[panel.cube]
    st = Statement(cube, scope)
    kpis = [model.kpis[name] for name in panel.kpis]
    groups = [name for name in panel.by if name != TIME]
    selected = [f"{st.dimension(name)} as {name}" for name in groups]
    if TIME in panel.by:
        selected = [f"{_bucket(cube, scope)} as bucket", *selected]
    least = [model.kpis[name] for name in panel.least]
    measures = dict.fromkeys(m for k in (*kpis, *least) for m in (k.numerator, k.denominator) if m)
    selected += [f"{st.measure(cube.measures[m])} as m_{m}" for m in (*measures, *panel.position)]
    where = st.where()
    grouped = f"group by {', '.join([*(['bucket'] if TIME in panel.by else []), *groups])}" if panel.by else ""
    inner = f"select {', '.join(selected)}\nfrom {st.source()}\nwhere {where}\n{grouped}"
    having = [f"m_{model.kpis[name].numerator} >= {int(count)}" for name, count in panel.least.items()]
    sort = f"{panel.sort or panel.kpis[0]} {'asc' if panel.ascending else 'desc'} nulls last"
    order = f"order by {', '.join(['bucket', *groups] if TIME in panel.by else [sort, *groups])}" if panel.by else ""
    limit = _GROUPS if TIME in panel.by or panel.kind == "heatmap" else panel.limit
    shown = [*(["toUnixTimestamp(bucket) as time", f"toUnixTimestamp({_next(scope)}) as until", "toString(bucket) as wall"]
               if TIME in panel.by else []), *groups, *(f"m_{m}" for m in (*measures, *panel.position)), *map(_figure, kpis)]  # fmt: skip
    filtered = f"where {' and '.join(having)}" if having else ""
    return st.query(f"select {', '.join(shown)}\nfrom (\n{inner}\n)\n{filtered}\n{order}\nlimit {limit}")


def rows_query(cube: Cube, scope: Scope, limit: int | None = ROWS, offset: int = 0) -> Query:
    """The rows behind the figures, newest first; without a limit all of them."""
    st = Statement(cube, scope)
    bounded = "" if limit is None else f"\nlimit {int(limit)} offset {int(offset)}"
    where = st.where().replace(cube.since, Cube.since) if cube.reaches_back else st.where()
    listed = ", ".join(f"f.{name} as {name}" for name in cube.rows)
    return st.query(f"select {listed}\nfrom {st.source()}\nwhere {where}\norder by f.{cube.time} desc{bounded}")


def count_query(cube: Cube, scope: Scope) -> Query:
    """How many rows `rows_query` has."""
    st = Statement(cube, scope)
    where = st.where().replace(cube.since, Cube.since) if cube.reaches_back else st.where()
    return st.query(f"select count() from {st.source()} where {where}")


def values_query(cube: Cube, dimension: str, scope: Scope) -> Query:
    """Values of a dimension with their number of rows, under all other filters."""
    _dimension(cube, dimension)
    others = {name: values for name, values in scope.filters.items() if name != dimension}
    st = Statement(cube, Scope(scope.start, scope.end, others, scope.window_days, scope.money, scope.zone))
    value, where = st.dimension(dimension), st.where()
    return st.query(
        f"select {value} as value, count() as n\nfrom {st.source()}\nwhere {where}\n"
        f"group by value order by n desc, value limit {FILTER_VALUES}"
    )


def needs_money(model: Model, kpis: Iterable[Kpi]) -> bool:
    """Whether figures add up amounts, so that a currency must be chosen."""
    return any(
        model.cubes[k.cube].measures[m].is_money for k in kpis for m in (k.numerator, k.denominator) if m is not None
    )


def _figure(kpi: Kpi) -> str:
    if kpi.denominator is None and kpi.factor == 1:
        return f"m_{kpi.numerator} as {kpi.name}"
    over = f" / nullIf(toFloat64(m_{kpi.denominator}), 0)" if kpi.denominator else ""
    return f"toFloat64(m_{kpi.numerator}) * {kpi.factor!r}{over} as {kpi.name}"


def _dimension(cube: Cube, name: str) -> Dimension:
    if name not in cube.dimensions:
        raise UsageError(f"{cube.name} has no dimension {name!r}; it has {', '.join(cube.dimensions)}")
    return cube.dimensions[name]


def _text(one: Dimension) -> str:
    return f"ifNull(toString({one.sql}), '')"


def _interval(scope: Scope) -> str:
    minutes = scope.bucket_minutes
    unit, length = next((unit, length) for unit, length in _UNITS if minutes % length == 0)
    return f"interval {minutes // length} {unit}"


def _bucket(cube: Cube, scope: Scope) -> str:
    """Start of the bucket in the operator's zone: whole days are days there."""
    return f"toDateTime(toStartOfInterval(f.{cube.time}, {_interval(scope)}, {{tz:String}}), {{tz:String}})"


def _next(scope: Scope) -> str:
    return f"bucket + {_interval(scope)}"


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S.%f}"
