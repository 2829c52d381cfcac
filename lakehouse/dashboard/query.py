"""From a panel and what a viewer chose to one SQL statement with parameters.

All text in a statement comes from the model's files. What a viewer sends is looked up there by name, or bound as a parameter,
so that no filter can change the statement.

A statement has two steps. The inner one adds up the cube's rows by what the fact itself holds: its keys, its own dimensions,
the currency; where a cube has parts, each part's alone. The outer one joins the dimension tables to the few rows that are left,
and adds up further. That is half the time of a join with every row; and where the range is one of whole hours, ClickHouse
answers the inner step from the projections of the facts. Sums and different values are kept in projections of their own, so
they are asked for apart, and brought together in the end.
"""

import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from lakehouse.dashboard.model import TIME, Cube, Dimension, Kpi, Measure, Model, Panel
from lakehouse.dashboard.parameters import shown
from lakehouse.dashboard.scope import Scope
from lakehouse.errors import UsageError

# Whole hours and days, where a bucket is some: they begin at midnight of the zone, so many minutes need not.
_UNITS = (("day", 24 * 60), ("hour", 60), ("minute", 1))
_GROUPS = 20_000
ROWS = 200
FILTER_VALUES = 500


@dataclass(frozen=True)
class Query:
    """A statement and its parameters.

    Attributes:
        lasts: it asks for a range that is still looked at a moment later: one that does not end now.
        texts: columns of text, which may be long.
    """

    sql: str
    parameters: dict[str, Any]
    lasts: bool = False
    texts: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Equal for queries with equal answers, as long as the tables stand."""
        return self.sql, repr(sorted(self.parameters.items()))


class Statement:
    """A statement over a cube, gathered: what the inner step selects, what the outer one joins and selects."""

    def __init__(self, cube: Cube, scope: Scope) -> None:
        self._cube = cube
        self._scope = scope
        self._parameters: dict[str, Any] = {
            "from": _written(scope.start),
            "since": _written(scope.end - timedelta(days=scope.window_days)),
            "to": _written(scope.end),
            "tz": scope.zone,
            "window": scope.window_days,
            "money": scope.money,
        }
        self._keys: dict[str, str] = {}  # inner groups: name -> expression
        self._joined: dict[str, Dimension] = {}  # outer groups of a join
        self.groups: dict[str, str] = {}  # outer groups
        self.measures: dict[str, Measure] = {}

    def by_time(self) -> None:
        """Group by the bucket's start in the operator's zone: whole days are days there."""
        self.groups["bucket"] = "bucket"  # first: how wide a bucket is decides whether time is cut to the hour
        start = f"toStartOfInterval({self._time}, {_interval(self._scope)}, {{tz:String}})"
        self._keys["bucket"] = f"toDateTime({start}, {{tz:String}})"

    def by(self, name: str) -> None:
        """Group by a dimension, as text; null is the empty text."""
        one = _dimension(self._cube, name)
        if one.via is not None:
            self._joined[name] = one
        elif one.each:
            self._keys[f"g_{name}"] = f"arrayJoin(arrayDistinct(arrayMap(code -> {one.sql}, {one.each})))"
        else:
            self._keys[f"g_{name}"] = self._sql(one.sql)
        self.groups[name] = _text(f"g_{name}")

    def measure(self, name: str, one: Measure) -> None:
        """Select a measure as `m_<name>`."""
        self.measures[name] = one

    def figures(self) -> str:
        """A query of groups and measures."""
        lots: dict[Hashable, dict[str, Measure]] = {}
        for name, one in self.measures.items():
            lots.setdefault(self._lot(name, one), {})[name] = one
        selects = [self._figures(lot) for lot in lots.values()]
        if len(selects) == 1:
            return selects[0]
        measures = {f"m_{n}": f"{'any' if is_of_join(one) else 'sum'}(m_{n})" for n, one in self.measures.items()}
        rows = "\nunion all\n".join(selects)
        return f"select {_listed({n: n for n in self.groups} | measures)}\nfrom (\n{rows}\n){_grouped(self.groups)}"

    def _lot(self, name: str, one: Measure) -> Hashable:
        """Measures with equal lots are worked out together: of the same time, and kept by the hour together."""
        return one.window, name if one.distinct is not None else None

    def _figures(self, lot: Mapping[str, Measure]) -> str:
        """Some of the measures by their groups; the others are nothing here."""
        name, first = next(iter(lot.items()))
        if first.distinct is not None and first.kept is None:
            return self._different(name, first)
        added = {name: one for name, one in lot.items() if not is_of_join(one)}
        keys, joined = self._ways(first, filter(is_of_join, lot.values()))
        money = any(one.money and _inner(one, joined) == one.sql for one in lot.values())
        if money:  # as the projections keep amounts
            keys["money"] = "currency"
        sources = list(dict.fromkeys(source for one in lot.values() for source in self._cube.sources(one)))
        if len(sources) == 1 and not money and not self._joined and not joined and not first.distinct:
            groups = {n: keys[n] if n == "bucket" else _text(keys[f"g_{n}"]) for n in self.groups}
            rows = f"{sources[0]} as f\nwhere {self.where(first.window)}"
            return self._selected(rows, groups, {name: one.sql for name, one in lot.items()})
        sums = {
            source: {
                f"s_{n}": _inner(one, joined) if source in self._cube.sources(one) else "0" for n, one in added.items()
            }
            for source in sources
        }
        rows = f"(\n{self._scans(first, keys, sums)}\n) as f{self._joins(joined)}"
        return self._selected(rows, self.groups, {name: outer(name, one, money) for name, one in lot.items()})

    def _different(self, name: str, one: Measure) -> str:
        """How many different values, by groups: of those keys of the join that were seen."""
        via = one.via or ""
        keys, joined = self._ways(one)
        keys.pop(f"k_{via}", None)
        seen = {"seen": f"groupBitmapState(f.{self._cube.joins[via].key})"}
        scans = self._scans(one, keys, dict.fromkeys(self._cube.sources(one), seen))
        listed = _listed({n: n for n in keys} | {f"k_{via}": "arrayJoin(bitmapToArray(groupBitmapMergeState(seen)))"})
        joins = self._joins({**joined, via: {**joined.get(via, {}), "c_seen": one.distinct or ""}})
        rows = f"(\nselect {listed}\nfrom (\n{scans}\n){_grouped(keys)}\n) as f{joins}"
        return self._selected(rows, self.groups, {name: "uniqExact(c_seen)"})

    def _scans(self, one: Measure, keys: Mapping[str, str], inner: Mapping[str, Mapping[str, str]]) -> str:
        """The inner step over each of some tables, with what is added up of it."""
        where = self.where(one.window)
        return "\nunion all\n".join(
            f"select {_listed({**keys, **sums})}\nfrom {source} as f\nwhere {where}{_grouped(keys)}"
            for source, sums in inner.items()
        )

    def _selected(self, rows: str, groups: Mapping[str, str], measures: Mapping[str, str]) -> str:
        """Groups and all measures of rows."""
        nothing = {name: "null" if is_of_join(one) else "0" for name, one in self.measures.items()}
        selected = _listed({**groups, **{f"m_{name}": sql for name, sql in {**nothing, **measures}.items()}})
        return f"select {selected}\nfrom {rows}{_grouped(groups)}"

    def _ways(self, one: Measure, columns: Iterable[Measure] = ()) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        """What the inner step groups by, and what the outer one joins, for measures like this one and for columns of joins.

        What rows keep themselves needs no join, unless the measure is worked out from what that very join finds.
        """
        keys = dict(self._keys)
        joined: dict[str, dict[str, str]] = {}
        wanted = [(column.via, _column(column), _argument(column.sql)) for column in columns]
        for name, dimension in self._joined.items():
            if self._keeps(dimension, one):
                keys[f"g_{name}"] = f"f.{dimension.kept}"
            else:
                wanted.append((dimension.via, f"g_{name}", dimension.sql))
        for via, name, sql in wanted:
            if via is not None:
                keys[f"k_{via}"] = f"f.{self._cube.joins[via].key}"
                joined.setdefault(via, {})[name] = sql
        return keys, joined

    def _keeps(self, dimension: Dimension, one: Measure) -> bool:
        return dimension.kept is not None and not (one.distinct and not one.kept and one.via == dimension.via)

    def _joins(self, joined: Mapping[str, Mapping[str, str]]) -> str:
        return "".join(
            f"\nany left join (select {_listed({f'j_{via}': self._cube.joins[via].column, **columns})}"
            f" from {self._cube.joins[via].table}) as t_{via} on k_{via} = j_{via}"
            for via, columns in joined.items()
        )

    def where(self, window: bool = False) -> str:
        """Time range, or the activity window, and filters."""
        since = "{since:DateTime64(6)}" if window else "{from:DateTime64(6)}"
        conditions = [f"{self._time} >= {since}", f"{self._time} < {{to:DateTime64(6)}}"]
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
        if one.via is None or one.kept:
            return f"{_text(f'f.{one.kept}' if one.kept else self._sql(one.sql))} {chosen}"
        join = self._cube.joins[one.via]
        return f"f.{join.key} in (select {join.column} from {join.table} where {_text(one.sql)} {chosen})"

    @property
    def _time(self) -> str:
        column = f"f.{self._cube.time}"
        by_hour = self._scope.whole_hours and not ("bucket" in self.groups and self._scope.bucket_minutes < 60)
        return f"toStartOfHour({column})" if by_hour else column

    def _sql(self, sql: str) -> str:
        return sql.replace("$time", self._time)

    def query(self, sql: str) -> Query:
        """A statement with those parameters that it names."""
        used = {name: value for name, value in self._parameters.items() if f"{{{name}:" in sql}
        return Query(sql, used, lasts=self._scope.ends_on_the_hour)


def panel_query(
    model: Model, panel: Panel, scope: Scope, kind: type[Statement] = Statement, moments: bool = False
) -> Query:
    """Figures of a panel by its groups.

    Columns: of `time` the bucket's start and end in epoch seconds and its start as local text (`time`, `until`, `wall`); each
    other dimension as text; each measure as `m_<name>`; each figure under its name.

    Args:
        moments: `wall` is a time of the operator's zone instead of text, for files.
    """
    cube = model.cubes[panel.cube]
    st = kind(cube, scope)
    timed = TIME in panel.by
    groups = [name for name in panel.by if name != TIME]
    if timed:
        st.by_time()
    for name in groups:
        st.by(name)
    kpis = [model.kpis[name] for name in panel.kpis]
    least = [model.kpis[name] for name in panel.least]
    needed = [m for k in (*kpis, *least) for m in (k.numerator, k.denominator) if m]
    for name in dict.fromkeys((*needed, *panel.position)):
        st.measure(name, cube.measures[name])
    times = ["toUnixTimestamp(bucket) as time", f"toUnixTimestamp(bucket + {_interval(scope)}) as until"]
    wall = "bucket as wall" if moments else "toString(bucket) as wall"
    shown = [*(times if timed else ()), *([wall] if timed else ()), *groups]
    shown += [f"m_{name}" for name in st.measures] + [_figure(kpi) for kpi in kpis]
    having = [f"m_{model.kpis[name].numerator} >= {int(count)}" for name, count in panel.least.items()]
    filtered = f"\nwhere {' and '.join(having)}" if having else ""
    sort = f"{panel.sort or panel.kpis[0]} {'asc' if panel.ascending else 'desc'} nulls last"
    order = f"\norder by {', '.join(['bucket', *groups] if timed else [sort, *groups])}" if panel.by else ""
    limit = _GROUPS if timed or panel.kind == "heatmap" else panel.limit
    query = st.query(f"select {', '.join(shown)}\nfrom (\n{st.figures()}\n){filtered}{order}\nlimit {limit}")
    return replace(query, texts=tuple(groups))


def rows_query(cube: Cube, scope: Scope, limit: int | None = ROWS, offset: int = 0) -> Query:
    """The rows behind the figures, newest first; without a limit all of them."""
    st = Statement(cube, scope)
    bounded = "" if limit is None else f"\nlimit {int(limit)} offset {int(offset)}"
    listed = ", ".join(f"f.{name} as {name}" for name in cube.rows)
    # the lineage decides between rows of one moment, so that pages neither repeat nor skip any
    ordered = f"order by f.{cube.time} desc, f.kafka_topic_id, f.kafka_partition, f.kafka_offset"
    return st.query(f"select {listed}\nfrom {cube.source} as f\nwhere {st.where()}\n{ordered}{bounded}")


def count_query(cube: Cube, scope: Scope) -> Query:
    """How many rows `rows_query` has."""
    st = Statement(cube, scope)
    return st.query(f"select count()\nfrom {cube.source} as f\nwhere {st.where()}")


def values_query(cube: Cube, dimension: str, scope: Scope) -> Query:
    """Values of a dimension with their number of rows, under all other filters."""
    others = {name: values for name, values in scope.filters.items() if name != dimension}
    st = Statement(cube, Scope(scope.start, scope.end, others, scope.window_days, scope.money, scope.zone))
    st.by(dimension)
    st.measure("n", Measure("count()"))
    query = st.query(
        f"select {dimension} as value, m_n as n from (\n{st.figures()}\n) order by n desc, value limit {FILTER_VALUES}"
    )
    return replace(query, texts=("value",))


def columns_query(query: Query) -> Query:
    """Names and types of a query's columns, in the first two columns; the query is not run for that."""
    return Query(f"describe table (\n{query.sql}\n)", query.parameters, query.lasts)


def needs_money(model: Model, kpis: Iterable[Kpi]) -> bool:
    """Whether figures add up amounts, so that a currency must be chosen."""
    return any(
        model.cubes[k.cube].measures[m].money for k in kpis for m in (k.numerator, k.denominator) if m is not None
    )


def _figure(kpi: Kpi) -> str:
    if kpi.denominator is None and kpi.factor == 1:
        return f"m_{kpi.numerator} as {kpi.name}"
    over = f" / nullIf(toFloat64(m_{kpi.denominator}), 0)" if kpi.denominator else ""
    return f"toFloat64(m_{kpi.numerator}) * {kpi.factor!r}{over} as {kpi.name}"


def _dimension(cube: Cube, name: str) -> Dimension:
    if name not in cube.dimensions:
        raise UsageError(f"{cube.name} has no dimension {shown(name)}; it has {', '.join(cube.dimensions)}")
    return cube.dimensions[name]


def _text(sql: str) -> str:
    """An expression as text; null is the empty text."""
    return f"ifNull(toString({sql}), '')"


def in_money(sql: str) -> str | None:
    """A sum of a column of amounts, of those in the one currency alone; None for other sums."""
    found = re.fullmatch(r"sum(?:If)?\((\w+)(?:, *([^()]+))?\)", sql)
    return found and f"sumIf({found[1]}, ({found[2] or 'true'}) and currency = {{money:String}})"


def _argument(sql: str) -> str:
    """What an aggregate is of."""
    return sql.partition("(")[2].rstrip(")")


def _column(one: Measure) -> str:
    """The name under which the column of a join comes that a measure is of."""
    return f"c_{one.via}_{_argument(one.sql)}"


def _inner(one: Measure, joined: Mapping[str, object]) -> str:
    """What the inner step adds up, or gathers, which facts keep as bitmaps."""
    if one.distinct:
        return f"groupBitmapState(f.{one.kept})"
    return in_money(one.sql) or one.sql if one.money and joined else one.sql


def outer(name: str, one: Measure, money: bool) -> str:
    """What the outer step makes of a sum of the inner one, which may be grouped by currency, or of a column of a join."""
    if one.distinct:
        return f"groupBitmapMerge(s_{name})"
    if one.via is not None:
        return one.sql.replace(_argument(one.sql), _column(one))
    return f"sumIf(s_{name}, money = {{money:String}})" if one.money and money else f"sum(s_{name})"


def is_of_join(one: Measure) -> bool:
    """Whether it is a value of a dimension table, which is not added up."""
    return one.via is not None and one.distinct is None


def _written(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S.%f}"


def _listed(columns: Mapping[str, str]) -> str:
    """Expressions under their names, for a select."""
    return ", ".join(f"{sql} as {name}" if sql != name else name for name, sql in columns.items())


def _grouped(groups: Iterable[str]) -> str:
    names = ", ".join(groups)
    return f"\ngroup by {names}" if names else ""


def _interval(scope: Scope) -> str:
    minutes = scope.bucket_minutes
    unit, length = next((unit, length) for unit, length in _UNITS if minutes % length == 0)
    return f"interval {minutes // length} {unit}"
