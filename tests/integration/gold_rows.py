"""Gold models run on rows given by hand: silver and gold tables become relations of literals."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from lakehouse.gold.intervals import Interval
from lakehouse.gold.models import Model, models, quoted, sources_of
from lakehouse.gold.render import Renderer
from lakehouse.settings import Settings
from streams import silver
from streams.contract import contracts

_TYPES = {
    "string": "varchar", "long": "bigint", "int": "integer", "double": "double", "money": "decimal(18,4)",
    "bool": "boolean", "instant": "timestamp(6) with time zone", "date": "date", "binary": "varbinary",
    "strings": "array(varchar)",
}  # fmt: skip
Rows = Iterable[Mapping[str, Any]]


def relation(columns: Mapping[str, str], rows: Rows) -> str:
    """A relation of literal rows; columns that a row does not name are null."""
    lines = [", ".join(_literal(row.get(name), kind) for name, kind in columns.items()) for row in rows]
    names = ", ".join(columns)
    if not lines:
        empty = ", ".join(f"cast(null as {kind})" for kind in columns.values())
        return f"(select * from (values ({empty})) as t ({names}) where false)"
    return f"(select * from (values ({'), ('.join(lines)})) as t ({names}))"


def _literal(value: Any, kind: str) -> str:
    if value is None:
        return f"cast(null as {kind})"
    if kind.startswith("timestamp"):
        text = value.strftime("%Y-%m-%d %H:%M:%S.%f") if isinstance(value, datetime) else str(value)
        return f"cast(timestamp {quoted(text + ' UTC')} as {kind})"
    if isinstance(value, bool | int | float):
        return f"cast({str(value).lower()} as {kind})"
    text = value.isoformat() if isinstance(value, date) else str(value)
    return f"cast({quoted(text)} as {kind})"


class GivenRows(Interval):
    """An interval whose rows are given."""

    def __init__(self, source: str, rows: Rows) -> None:
        super().__init__(source, 1, {}, {})
        columns = {c.name: _TYPES[c.type] for c in silver.columns(contracts()[source])}
        defaults = {
            "is_deleted": False,
            "kafka_topic_id": "t",
            "kafka_partition": 0,
            "kafka_timestamp": "2026-06-01 00:00:00",
        }
        known = {k: v for k, v in defaults.items() if k in columns}
        object.__setattr__(self, "_given", relation(columns, [{**known, **row} for row in rows]))

    @property
    def empty(self) -> bool:
        """Never: the rows are there to be read."""
        return False

    def new(self) -> str:
        """All given rows."""
        return self._given  # type: ignore[attr-defined,no-any-return]

    upto = new


def select_of(
    model: Model,
    silver_rows: Mapping[str, Rows],
    gold_rows: Mapping[str, Rows],
    settings: Settings,
    only: str | None = None,
) -> str:
    """The model's SELECT over given rows."""
    known = models()
    intervals = {s: GivenRows(s, silver_rows.get(s, [])) for s in sources_of(model, known)}

    def gold(table: str) -> str:
        return relation({c.name: c.type for c in known[table].columns}, gold_rows.get(table, []))

    renderer = Renderer(settings, known, gold)
    select = renderer.render(model, model.sql, intervals, 1)
    columns = model.column_list
    return f"select {columns} from (\n{select}\n) where {only or f'{model.business_key or model.surrogate_key} is not null'}"
