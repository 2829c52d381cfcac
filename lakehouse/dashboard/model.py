"""What the dashboard shows, as data: cubes (a fact with its dimensions and sums), figures made of sums, and pages of panels.

Files: `clickhouse/dashboard/cubes/*.yaml`, `kpis*.yaml`, `pages/*.yaml`, an operator's own beside them (`lakehouse.paths`). The
words of a file are the attributes below. Names are checked against each other when the files are read.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Self, TypeVar

from lakehouse.errors import UsageError
from lakehouse.paths import data_files, read_yaml

FOLDER = "clickhouse/dashboard"
TIME = "time"
KINDS = ("number", "bars", "line", "bar", "table", "heatmap", "map")
T = TypeVar("T")
UNITS = ("count", "percent", "seconds", "minutes", "hours", "ms", "score", "dbm", "money", "per_subscriber")


@dataclass(frozen=True)
class Join:
    """A dimension table of a cube: `key` is the column of the fact, `column` that of the table."""

    table: str
    key: str
    column: str


@dataclass(frozen=True)
class Dimension:
    """What rows are grouped and filtered by.

    Attributes:
        sql: an expression over the cube's rows, or over the join's where `via` names one.
        kept: a column of the cube's rows that holds the same as `via` would find, so that sums need no join; different values
            of that join are still counted over what it finds.
        each: a column that holds an array; `sql` is then an expression over one element, called `code`. In other
            expressions `$time` is the cube's time, cut to the hour where the range is one of whole hours.
        type: text, number or weekday (1 is Monday): how values are shown.
    """

    title: str
    sql: str
    via: str | None = None
    kept: str | None = None
    each: str | None = None
    type: str = "text"


@dataclass(frozen=True)
class Measure:
    """A sum over rows, which can be added up further, or a number of different values, which can not.

    Attributes:
        sql: the sum; with `via` an aggregate over a column of a join.
        money: it adds up amounts, which it may in one currency only: the one that `currency` of the row says.
        distinct: a column of the join that `via` names, whose different values are counted, instead of a sum. The key of that
            join must be a number of at most 32 bits; without many gaps, if it is to be fast.
        kept: such a number in the cube's rows that differs where the values of `distinct` do, and is counted in their place.
        window: it looks at the activity window that ends with the range, instead of the range.
        of: the parts of the cube that it is worked out from; all but those aside unless some are named.
    """

    sql: str = ""
    via: str | None = None
    money: bool = False
    distinct: str | None = None
    kept: str | None = None
    window: bool = False
    of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """Some of a cube's rows, added up apart: a table, view or subquery with those of the cube's columns that are asked for.

    Attributes:
        aside: it holds rows of another part once more, for measures that name it.
    """

    source: str
    aside: bool = False


@dataclass(frozen=True)
class Cube:
    """A fact with what can be asked of it.

    Attributes:
        from: a table, view or subquery. It may name the parameters from, to, window and tz, as all SQL here may.
        parts: what `from` consists of, by name, where figures are faster worked out from each; from what each fact holds by the
            hour, say.
        time: the column that the time range bounds.
        tables: copies that it reads, whose freshness and checks its panels show.
        rows: columns shown when somebody wants to see the rows behind a figure.
    """

    name: str
    title: str
    source: str
    tables: tuple[str, ...]
    dimensions: dict[str, Dimension]
    measures: dict[str, Measure]
    rows: tuple[str, ...]
    joins: dict[str, Join] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)
    time: str = "event_time"

    def sources(self, measure: Measure) -> tuple[str, ...]:
        """What a measure is worked out from."""
        if not self.parts:
            return (self.source,)
        names = measure.of or [name for name, part in self.parts.items() if not part.aside]
        return tuple(self.parts[name].source for name in names)


@dataclass(frozen=True)
class Kpi:
    """A figure: a measure, or one over another, times `scale` (100 for percent)."""

    name: str
    title: str
    cube: str
    numerator: str
    unit: str
    source: str
    meaning: str
    denominator: str | None = None
    scale: float | None = None
    better: str | None = None

    @property
    def factor(self) -> float:
        """What the quotient is multiplied by."""
        return self.scale if self.scale is not None else 100.0 if self.unit == "percent" else 1.0


@dataclass(frozen=True)
class Panel:
    """A part of a page: figures of one cube, by dimensions (`time` is the bucket of the range).

    Attributes:
        sort: the figure that orders groups, the greatest first unless `ascending`; else the first one.
        least: groups with less of a figure are left out, so that a ratio over three calls does not lead a list.
        position: two measures, for a map.
    """

    name: str
    kind: str
    kpis: tuple[str, ...]
    title: str | None = None
    by: tuple[str, ...] = ()
    limit: int = 12
    sort: str | None = None
    ascending: bool = False
    least: dict[str, int] = field(default_factory=dict)
    position: tuple[str, ...] = ()
    wide: bool = False
    cube: str = ""


@dataclass(frozen=True)
class Page:
    """A page: panels, and the dimensions that it offers as filters (counted over its own cube)."""

    name: str
    title: str
    cube: str
    filters: tuple[str, ...]
    panels: tuple[Panel, ...]
    view: str | None = None


@dataclass(frozen=True)
class Model:
    """All of it."""

    cubes: dict[str, Cube]
    kpis: dict[str, Kpi]
    pages: dict[str, Page]

    @classmethod
    def load(cls, folder: str = FOLDER) -> Self:
        """Read the files.

        Raises:
            UsageError: a word or a name in them is not known; the message says where.
        """
        cubes = {path.stem: _cube(path) for path in data_files(f"{folder}/cubes", "*.yaml")}
        kpis = {
            name: _kpi(name, raw, path)
            for path in data_files(folder, "kpis*.yaml")
            for name, raw in _read(path).items()
        }
        model = cls(cubes, kpis, {})
        for kpi in kpis.values():
            model._check_kpi(kpi)
        for path in data_files(f"{folder}/pages", "*.yaml"):
            page = model._page(path)
            model.pages[page.name] = page
        return model

    def _check_kpi(self, kpi: Kpi) -> None:
        cube = self.cubes.get(kpi.cube)
        _require(cube is not None, f"figure {kpi.name}: there is no cube {kpi.cube!r}")
        assert cube is not None
        for measure in (m for m in (kpi.numerator, kpi.denominator) if m is not None):
            _known(measure, cube.measures, f"figure {kpi.name}: a measure of {cube.name}")
        _known(kpi.unit, UNITS, f"figure {kpi.name}: a unit")

    def _page(self, path: Path) -> Page:
        raw = _read(path)
        name = path.stem.partition("_")[2] or path.stem
        panels = tuple(self._panel(f"{path.name}, panel {one.get('name')}", one) for one in raw.pop("panels", ()))
        page = _made(Page, {**raw, "name": name, "panels": panels}, path.name)
        cube = self.cubes.get(page.cube)
        _require(cube is not None, f"{path.name}: there is no cube {page.cube!r}")
        everywhere = {d for c in self.cubes.values() for d in c.dimensions}
        for dimension in page.filters:
            _known(dimension, everywhere, f"{path.name}: a dimension")
        return page

    def _panel(self, where: str, raw: dict[str, Any]) -> Panel:
        panel = _made(Panel, raw, where)
        _known(panel.kind, KINDS, f"{where}: a kind")
        for kpi in (*panel.kpis, *panel.least, *filter(None, [panel.sort])):
            _known(kpi, self.kpis, f"{where}: a figure")
        cubes = {self.kpis[kpi].cube for kpi in panel.kpis}
        _require(len(cubes) == 1, f"{where}: its figures are of several cubes: {', '.join(sorted(cubes))}")
        cube = self.cubes[cubes.pop()]
        for dimension in panel.by:
            _known(dimension, {TIME, *cube.dimensions}, f"{where}: a dimension of {cube.name}")
        for measure in panel.position:
            _known(measure, cube.measures, f"{where}: a measure of {cube.name}")
        title = panel.title or self.kpis[panel.kpis[0]].title
        return _made(Panel, {**raw, "cube": cube.name, "title": title}, where)


def _cube(path: Path) -> Cube:
    raw = _read(path)
    name = path.stem
    joins = {n: _made(Join, one, f"{path.name}, join {n}") for n, one in raw.get("joins", {}).items()}
    dimensions = {
        n: _made(Dimension, one, f"{path.name}, dimension {n}") for n, one in raw.get("dimensions", {}).items()
    }
    measures = {
        n: _made(Measure, one if isinstance(one, dict) else {"sql": one}, f"{path.name}, measure {n}")
        for n, one in raw.get("measures", {}).items()
    }
    parts = {n: _part(one, f"{path.name}, part {n}") for n, one in raw.get("parts", {}).items()}
    _require(not parts or not all(part.aside for part in parts.values()), f"{path.name}: all of its parts are aside")
    for measure, one in measures.items():
        _require(one.distinct is None or one.via is not None, f"{path.name}, measure {measure}: distinct needs via")
        for part in one.of:
            _known(part, parts, f"{path.name}, measure {measure}: a part")
    ways = {name: one.via for name, one in dimensions.items()} | {name: one.via for name, one in measures.items()}
    for what, via in ways.items():
        _require(via is None or via in joins, f"{path.name}: {what} goes via {via!r}, which is no join")
    source = str(raw.pop("from", "")).strip()
    made = {"name": name, "source": source, "joins": joins, "dimensions": dimensions, "measures": measures}
    return _made(Cube, {**raw, **made, "parts": parts}, path.name)


def _part(raw: Any, where: str) -> Part:
    """A part's `from`, alone or with more."""
    words = {**raw} if isinstance(raw, dict) else {"from": raw}
    return _made(Part, {"source": str(words.pop("from", "")).strip(), **words}, where)


def _kpi(name: str, raw: dict[str, Any], path: Path) -> Kpi:
    return _made(Kpi, {**raw, "name": name}, f"{path.name}, figure {name}")


def _read(path: Path) -> dict[str, Any]:
    raw = read_yaml(path)
    _require(isinstance(raw, dict), f"{path}: it must hold names and values")
    return dict(raw)


def _made(kind: type[T], raw: dict[str, Any], where: str) -> T:
    """An object of a file's words; lists become tuples."""
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    for word in raw:
        _known(word, known, f"{where}: a word")
    try:
        return kind(**{word: tuple(value) if isinstance(value, list) else value for word, value in raw.items()})
    except TypeError as error:
        raise UsageError(f"{where}: {str(error).partition(') ')[2]}") from None


def _known(name: str, names: Iterable[str], what: str) -> None:
    _require(name in names, f"{what} {name!r} is not known; there are {', '.join(sorted(names))}")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise UsageError(f"the dashboard's files: {otherwise}")


@cache
def model() -> Model:
    """The model of this installation, read once."""
    return Model.load()
