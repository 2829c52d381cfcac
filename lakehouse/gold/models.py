"""The gold models: one SQL file a table with its description beside it, rendered for a build."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lakehouse.errors import UsageError
from lakehouse.gold.intervals import Interval
from lakehouse.paths import data_folder
from lakehouse.settings import Settings

KINDS = ("generated", "dimension", "fact")
_MACROS = (
    "{% from 'functions/keys.sql' import sk, instant_text, unknown_sk, date_sk, time_sk, beginning, open_end with context %}"
    "{% from 'functions/history.sql' import counting, versions with context %}"
)


@dataclass(frozen=True)
class ModelColumn:
    """A column of a gold table."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class ForeignKey:
    """A fact's reference: its column, the dimension, and the business key as an expression over silver's columns."""

    column: str
    dimension: str
    key: str


@dataclass(frozen=True)
class Model:
    """A gold table: what it is, what it reads, how it is made."""

    table: str
    kind: str
    title: str
    grain: str
    columns: tuple[ModelColumn, ...]
    surrogate_key: str
    sql: str
    reads: str | None = None
    business_key: str | None = None
    partition: str | None = None
    foreign_keys: tuple[ForeignKey, ...] = ()

    @property
    def has_amount(self) -> bool:
        """Whether the audit sums its amounts."""
        return any(c.name == "amount" for c in self.columns)

    @property
    def column_list(self) -> str:
        """Its columns, as SQL lists them."""
        return ", ".join(c.name for c in self.columns)

    def ddl(self) -> str:
        """The statement that creates the table where it is missing."""
        columns = ",\n    ".join(f"{c.name} {c.type} comment {quoted(c.comment)}" for c in self.columns)
        options = "format = 'PARQUET'"
        if self.partition:
            options += f", partitioning = array[{quoted(self.partition)}]"
        doc = quoted(f"{self.title}: {self.grain}")
        return f"create table if not exists {gold(self.table)} (\n    {columns}\n) comment {doc} with ({options})"


def quoted(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def gold(table: str) -> str:
    """A gold table's full name in Trino."""
    return f"iceberg.gold.{table}"


@cache
def models(folder: Path | None = None) -> dict[str, Model]:
    """All gold models, generated tables first, then dimensions, then facts.

    Raises:
        UsageError: a model is not what it must be; the message names the file.
    """
    place = folder or data_folder("trino") / "gold"
    found = [_model(path) for path in sorted(place.glob("*.yaml")) if not path.name.endswith(".examples.yaml")]
    found.sort(key=lambda m: (KINDS.index(m.kind), m.table))
    return {m.table: m for m in found}


def _model(path: Path) -> Model:
    raw = yaml.safe_load(path.read_text())
    sql = path.with_suffix(".sql")
    if raw.get("table") != path.stem or raw.get("kind") not in KINDS or not sql.is_file():
        raise UsageError(
            f"{path}: needs `table: {path.stem}`, a kind out of {', '.join(KINDS)}, and {sql.name} beside it"
        )
    return Model(
        table=raw["table"],
        kind=raw["kind"],
        title=raw["title"],
        grain=raw["grain"],
        columns=tuple(ModelColumn(c["name"], c["type"], c["comment"]) for c in raw["columns"]),
        surrogate_key=raw["surrogate_key"],
        sql=sql.read_text(),
        reads=raw.get("reads"),
        business_key=raw.get("business_key"),
        partition=raw.get("partition"),
        foreign_keys=tuple(ForeignKey(**k) for k in raw.get("foreign_keys", ())),
    )


def sources_of(model: Model, among: Mapping[str, Model]) -> tuple[str, ...]:
    """The silver sources that a table's rows come from; a dimension also takes keys from the facts that point to it."""
    pointing = [m.reads for m in among.values() if any(k.dimension == model.table for k in m.foreign_keys)]
    return tuple(dict.fromkeys(s for s in (model.reads, *pointing) if s is not None))


class Renderer:
    """Turns models and checks into SQL for one build."""

    def __init__(self, settings: Settings, among: Mapping[str, Model], name: Callable[[str], str] = gold) -> None:
        """Prepare for these models.

        Args:
            name: how a gold table is written in SQL.
        """
        self._among = among
        self._gold = name
        loader = FileSystemLoader(data_folder("trino"))
        self._environment = Environment(loader=loader, undefined=StrictUndefined, autoescape=False)
        self._fixed = {
            "time_zone": settings.time_zone,
            "weekend": ", ".join(quoted(day) for day in settings.weekend),
            "gold": name,
        }

    def render(self, model: Model, template: str, intervals: Mapping[str, Interval], build_id: int) -> str:
        """The SQL text of a template for a model.

        Args:
            intervals: what is new for this model, by silver source.
        """
        words = {
            **self._fixed,
            "table": model.table,
            "reads": model.reads,
            "foreign_keys": model.foreign_keys,
            "build_id": build_id,
            "new": lambda source: intervals[source].new(),
            "new_by_offsets": lambda source: intervals[source].new(by_offsets_alone=True),
            "upto": lambda source: intervals[source].upto(),
            "touched": lambda key: self.touched(model, key, intervals),
        }
        return self._environment.from_string(_MACROS + template).render(words).strip()

    def touched(self, model: Model, key: str, intervals: Mapping[str, Interval]) -> str:
        """A query of the keys with new records, and of those that new events name and no member has.

        Args:
            key: the business key's column.
        """
        assert model.reads is not None
        parts = [f"select {key} from {intervals[model.reads].new()}"]
        for fact in self._among.values():
            keys = [k.key for k in fact.foreign_keys if k.dimension == model.table]
            if not keys or fact.reads is None or intervals[fact.reads].empty:
                continue
            listed = ", ".join(keys)
            parts.append(
                f"select k as {key} from {intervals[fact.reads].new()} cross join unnest(array[{listed}]) as named (k)\n"
                f"    where k is not null and k not in (select {key} from {self._gold(model.table)} where {key} is not null)"
            )
        return "\n    union\n    ".join(parts)
