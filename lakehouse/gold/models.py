"""The gold models: one SQL file a table, with its description beside it.

A model that can't be read does not stop the others: it is left out, and its reason is told by `broken_models`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lakehouse.errors import UsageError
from lakehouse.paths import data_files, read_yaml

FOLDER = "trino/gold"
KINDS = ("generated", "dimension", "fact")


@dataclass(frozen=True)
class ModelColumn:
    """A column of a gold table."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class ForeignKey:
    """A fact's reference: its column, the dimension, and the business key.

    The key is an expression over columns that the silver table and the fact share: a fact is re-pointed by it too.
    """

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
    def has_history(self) -> bool:
        """Whether the dimension has versions (Type 2)."""
        return any(c.name == "valid_from" for c in self.columns)

    @property
    def column_list(self) -> str:
        """Its columns, as SQL lists them."""
        return ", ".join(c.name for c in self.columns)

    @property
    def doc(self) -> str:
        """What the table is, in a line."""
        return f"{self.title}: {self.grain}"

    def ddl(self) -> str:
        """The statement that creates the table where it is missing."""
        columns = ",\n    ".join(f"{c.name} {c.type} comment {quoted(c.comment)}" for c in self.columns)
        return f"create table if not exists {gold(self.table)} (\n    {columns}\n)\n{self._options}"

    def replacement(self, select: str) -> str:
        """The statement that gives the table new content and columns at once; the columns' comments go."""
        return f"create or replace table {gold(self.table)}\n{self._options} as\nselect {self.column_list} from (\n{select}\n)"

    @property
    def _options(self) -> str:
        partitioning = f", partitioning = array[{quoted(self.partition)}]" if self.partition else ""
        return f"comment {quoted(self.doc)} with (format = 'PARQUET'{partitioning})"


def quoted(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def gold(table: str) -> str:
    """A gold table's full name in Trino."""
    return f"iceberg.gold.{table}"


def models() -> dict[str, Model]:
    """All gold models that can be read, generated tables first, then dimensions, then facts."""
    return _read()[0]


def broken_models() -> dict[str, str]:
    """The models that can't be read, by table, each with the reason in a sentence."""
    return _read()[1]


def stamps() -> tuple[tuple[Path, int], ...]:
    """The files that models are read from, each with its time of change: another answer means that they changed."""
    files = [path for pattern in ("*.yaml", "*.sql") for path in data_files(FOLDER, pattern)]
    return tuple((path, path.stat().st_mtime_ns) for path in files)


def forget() -> None:
    """Read the models anew when they are asked for next."""
    _read.cache_clear()


@cache
def _read() -> tuple[dict[str, Model], dict[str, str]]:
    found: list[Model] = []
    broken: dict[str, str] = {}
    for path in data_files(FOLDER, "*.yaml"):
        if path.name.endswith(".examples.yaml"):
            continue
        try:
            found.append(_model(path))
        except UsageError as error:
            broken[path.stem] = str(error)
    found.sort(key=lambda m: (KINDS.index(m.kind), m.table))
    good = {m.table: m for m in found}
    for model in found:
        missing = [k.dimension for k in model.foreign_keys if k.dimension not in good]
        if missing:
            broken[model.table] = f"{model.table} points to {', '.join(missing)}, which is not there or can't be read"
            del good[model.table]
    return good, broken


def _model(path: Path) -> Model:
    try:
        raw = read_yaml(path)
        sql = data_files(FOLDER, f"{path.stem}.sql")
        if raw.get("table") != path.stem or raw.get("kind") not in KINDS or not sql:
            raise UsageError(
                f"{path}: needs `table: {path.stem}`, a kind out of {', '.join(KINDS)}, and {path.stem}.sql beside it"
            )
        return _parsed(raw, sql[0].read_text())
    except AttributeError as error:
        raise UsageError(f"{path} is no YAML mapping: {error}") from error
    except KeyError as error:
        raise UsageError(f"{path}: the word {error} is missing") from error
    except TypeError as error:
        raise UsageError(f"{path}: {error}") from error


def _parsed(raw: dict[str, Any], sql: str) -> Model:
    return Model(
        table=raw["table"],
        kind=raw["kind"],
        title=raw["title"],
        grain=raw["grain"],
        columns=tuple(ModelColumn(c["name"], c["type"], c["comment"]) for c in raw["columns"]),
        surrogate_key=raw["surrogate_key"],
        sql=sql,
        reads=raw.get("reads"),
        business_key=raw.get("business_key"),
        partition=raw.get("partition"),
        foreign_keys=tuple(ForeignKey(**k) for k in raw.get("foreign_keys", ())),
    )


def sources_of(model: Model, among: Mapping[str, Model]) -> tuple[str, ...]:
    """The silver sources that a table's rows come from; a dimension also takes keys from the facts that point to it."""
    pointing = [m.reads for m in among.values() if any(k.dimension == model.table for k in m.foreign_keys)]
    return tuple(dict.fromkeys(s for s in (model.reads, *pointing) if s is not None))


def dimensions_of(model: Model, among: Mapping[str, Model]) -> list[Model]:
    """The dimensions that a fact points to."""
    return [among[name] for name in dict.fromkeys(k.dimension for k in model.foreign_keys)]
