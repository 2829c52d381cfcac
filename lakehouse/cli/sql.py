"""`lakehouse sql`: queries on Trino or ClickHouse."""

import csv
import io
import json
import sys
from typing import Any

import click
from rich.console import Console

from lakehouse.errors import UsageError
from lakehouse.settings import settings


@click.command("sql")
@click.argument("query", required=False)
@click.option("--file", "path", type=click.Path(exists=True, dir_okay=False), help="Read the query from a file.")
@click.option("--engine", type=click.Choice(["trino", "clickhouse"]), default="trino", show_default=True)
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Same as --format json: a list of objects.")
def sql_command(query: str | None, path: str | None, engine: str, form: str, as_json: bool) -> None:
    """Run a query and print the result.

    \b
    lakehouse sql "select status, count(*) from iceberg.gold.fact_calls group by 1"
    lakehouse sql "select * from silver.calls where is_rejected limit 5"
    lakehouse sql --engine clickhouse "select count() from gold.fact_calls"
    echo "select 1" | lakehouse sql

    Trino's catalogs are iceberg (schemas bronze, silver, gold; the default) and clickhouse (database gold).
    """
    text = query or (_read(path) if path else "" if sys.stdin.isatty() else sys.stdin.read())
    if not text.strip():
        raise UsageError('nothing to run; give a query: lakehouse sql "select 1", --file FILE, or standard input')
    names, rows = _run(engine, text.strip().rstrip(";"))
    _print(names, rows, "json" if as_json else form)


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def _run(engine: str, query: str) -> tuple[list[str], list[Any]]:
    if engine == "clickhouse":
        from lakehouse.copies.server import Server

        return Server(settings()).table(query)
    from lakehouse.gold.engine import Engine

    return Engine(settings(), source="lakehouse-sql").table(query)


def _print(names: list[str], rows: list[Any], form: str) -> None:
    if form == "json":
        click.echo(json.dumps([dict(zip(names, row, strict=True)) for row in rows], default=str, ensure_ascii=False))
    elif form == "csv":
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
        click.echo(out.getvalue(), nl=False)
    else:
        from lakehouse.cli.account_display import show_rows

        show_rows(Console(), names, rows)
        click.echo(f"{len(rows)} row{'' if len(rows) == 1 else 's'}")
