"""`lakehouse schemas`: what the tables hold, as the catalog tells it."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import click
from rich.console import Console
from rich.table import Table as Grid

from lakehouse.errors import UsageError
from lakehouse.settings import settings


@dataclass(frozen=True)
class ColumnInfo:
    """A column as the catalog has it, with its part in the keys."""

    name: str
    type: str
    key: str
    comment: str


@dataclass(frozen=True)
class TableInfo:
    """A table as the catalog has it. `rows` counts what was written less what was deleted."""

    name: str
    grain: str
    source: str
    rows: int
    columns: tuple[ColumnInfo, ...]


@click.command("schemas")
@click.argument("table", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list of tables.")
def schemas_command(table: str | None, as_json: bool) -> None:
    """Show the tables, or one table's columns: type, key, grain, source, comment.

    \b
    lakehouse schemas                  all tables of bronze, silver and gold
    lakehouse schemas fact_calls       one of them; gold.fact_calls, silver.calls are its full names

    Read from the catalog: what analysts see at the SQL console. The same, drawn, is in docs/reference/.
    """
    found = tables(table)
    console = Console()
    if as_json:
        click.echo(json.dumps([asdict(info) for info in found]))
    elif table is None:
        grid = Grid("table", "grain", "source", box=None, padding=(0, 2, 0, 0))
        grid.add_column("columns", justify="right")
        grid.add_column("rows", justify="right")
        for info in found:
            grid.add_row(info.name, info.grain, info.source, str(len(info.columns)), f"{info.rows:,}")
        console.print(grid)
    else:
        for info in found:
            _show(console, info)


def _show(console: Console, info: TableInfo) -> None:
    console.print(f"[bold]{info.name}[/bold]  {info.grain}; from {info.source}; {info.rows:,} rows", highlight=False)
    grid = Grid(box=None, padding=(0, 2, 0, 2))
    grid.add_column(
        "column", no_wrap=True, min_width=max(len(c.name) for c in info.columns)
    )  # to be copied into queries
    for title in ("type", "key", "comment"):
        grid.add_column(title)
    for c in info.columns:
        grid.add_row(c.name, c.type, c.key, c.comment)
    console.print(grid)


def tables(wanted: str | None = None) -> list[TableInfo]:
    """The tables of the lake, or those of one name.

    Raises:
        UsageError: there is none of that name.
        Retry: the catalog does not answer.
    """
    from catalog import client

    lake = client.connect(settings())
    client.ensure_namespaces(lake)
    ordered = [(namespace, name) for place in client.NAMESPACES for namespace, name in sorted(lake.list_tables(place))]
    chosen = [
        n for n in ordered if wanted is None or wanted in (n[1], ".".join(n)) or wanted == f"iceberg.{n[0]}.{n[1]}"
    ]
    if wanted is not None and not chosen:
        raise UsageError(f"no table is called {wanted!r}; `lakehouse schemas` lists them")
    return [_info(namespace, name, lake.load_table((namespace, name))) for namespace, name in chosen]


def _info(namespace: str, name: str, table: Any) -> TableInfo:
    from catalog.snapshots import summary

    grain, source, keys = _known(namespace, name)
    said = summary(table)
    rows = int(said.get("total-records", 0)) - int(said.get("total-position-deletes", 0))
    columns = tuple(
        ColumnInfo(f.name, str(f.field_type), keys.get(f.name, ""), f.doc or "") for f in table.schema().fields
    )
    return TableInfo(f"{namespace}.{name}", grain or table.properties.get("comment", ""), source, rows, columns)


_LINEAGE = dict.fromkeys(("kafka_topic_id", "kafka_partition", "kafka_offset"), "identity")


def _known(namespace: str, name: str) -> tuple[str, str, dict[str, str]]:
    """Grain, source and keys that the contracts and models tell."""
    from lakehouse.gold.models import models
    from streams.contract import contracts

    model, contract = models().get(name), contracts().get(name)
    if namespace == "gold" and model is not None:
        keys = {k.column: f"-> {k.dimension}" for k in model.foreign_keys}
        if model.kind == "fact":
            keys |= {"date_sk": "-> dim_date", "time_sk": "-> dim_time", **_LINEAGE}
        keys[model.surrogate_key] = "surrogate key"
        if model.business_key:
            keys[model.business_key] = "business key"
        return model.grain, f"silver.{model.reads}" if model.reads else "generated", keys
    if contract is not None and namespace in ("silver", "bronze"):
        keys = dict(_LINEAGE)
        if namespace == "silver" and not contract.is_event:
            keys[contract.key.column] = "business key"
        grain = "one row a message, validated" if namespace == "silver" else "one row a message, untouched"
        return grain, f"topic {settings().topic(name)}", keys
    return "", "lakehouse", {}
