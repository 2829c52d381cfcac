"""`lakehouse sql`: queries on Trino or ClickHouse, typed ones and saved ones."""

import json
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from lakehouse.cli.options import INTERRUPTED
from lakehouse.cli.sql_statements import Statement, split_statements
from lakehouse.errors import UsageError
from lakehouse.settings import settings

if TYPE_CHECKING:
    from lakehouse.cli.sql_output import Output
    from lakehouse.cli.sql_result import Session

# More than a screen holds, and as much as a terminal draws at once.
_TABLE_ROWS = 1_000


@click.command("sql")
@click.argument("query", required=False)
@click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False),
    help="Read statements from a file, separated by `;`.",
)
@click.option("--list", "as_list", is_flag=True, help="List the saved queries: name, question, parameters.")
@click.option("--run", "name", metavar="NAME", help="Run a saved query.")
@click.option(
    "--param",
    "params",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter of the saved query; may come several times.",
)
@click.option(
    "--engine",
    "wanted",
    type=click.Choice(["trino", "clickhouse"]),
    help="[default: trino; with --run that of the saved query]",
)
@click.option("--write", "writes", is_flag=True, help="Let statements through that change or delete data.")
@click.option("--catalog", help="Trino's catalog of unqualified names.  [default: iceberg]")
@click.option("--schema", help="Schema (in ClickHouse the database) of unqualified names.  [default: gold]")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json", "parquet"]),
    help="[default: table; with --output what the file's name ends in, else csv]",
)
@click.option("--json", "as_json", is_flag=True, help="Same as --format json: a list of objects.")
@click.option("--output", type=click.Path(dir_okay=False), help="Write to this file instead of standard output.")
@click.option(
    "--no-bom", is_flag=True, help="Begin a CSV file without the byte-order mark by which spreadsheets know UTF-8."
)
@click.option(
    "--limit-rows",
    type=click.IntRange(0),
    default=_TABLE_ROWS,
    show_default=True,
    help="Rows that a table shows at most; 0 shows all. The other formats always have all.",
)
def sql_command(
    query: str | None,
    path: str | None,
    as_list: bool,
    name: str | None,
    params: tuple[str, ...],
    wanted: str | None,
    writes: bool,
    catalog: str | None,
    schema: str | None,
    form: str | None,
    as_json: bool,
    output: str | None,
    no_bom: bool,
    limit_rows: int,
) -> None:
    """Run queries and print the results; at a terminal and without a query, a console.

    It reads. With --write it runs as the owner of the tables, and statements that change or delete data do so, also in
    bronze and silver.

    \b
    lakehouse sql
    lakehouse sql --engine clickhouse
    lakehouse sql "select status, count(*) from iceberg.gold.fact_calls group by 1"
    lakehouse sql "select * from silver.calls where is_rejected limit 5"
    lakehouse sql --engine clickhouse "select count() from gold.fact_calls"
    lakehouse sql --file report.sql --output report.parquet
    lakehouse sql --list
    lakehouse sql --run calls_by_brand --param since=2026-11-01
    echo "select 1" | lakehouse sql --json

    Trino's catalogs are iceberg (schemas bronze, silver, gold; the default), clickhouse (database gold), kafka (the topics)
    and redis (reference records). The console of Trino is its own command line; that of ClickHouse is a small one. Both
    remember what was typed, in the data folder. Saved queries are files in trino/queries and clickhouse/queries.

    CSV, JSON and Parquet stream, whatever their size. Decimals have all their digits, times are ISO 8601 with their
    offset, binary values hex. JSON is an array with one object a line; decimals, and whole numbers
    beyond 2^53, are strings in it. In CSV, text that a
    spreadsheet would run as a formula (it begins with =, +, -, @, a tab or a line end) has an apostrophe before it; a
    phone number is text too. Null is an empty cell, and a file begins with a byte-order mark.

    Several statements run in order, in one session; the first one that fails ends the run with exit code 1. Ctrl-C
    cancels the query on the server; exit code 130.
    """
    if sum((query is not None, path is not None, name is not None, as_list)) > 1:
        raise UsageError("give one of them: a query, --file, --run or --list")
    if params and name is None:
        raise UsageError("--param belongs to a saved query; name it with --run")
    if as_list:
        _list(wanted, as_json or form == "json")
        return
    saved = _saved(wanted, name, params) if name is not None else None
    engine = saved[0] if saved else wanted or "trino"
    if engine == "clickhouse" and catalog is not None:
        raise UsageError("ClickHouse has no catalogs; --schema is its database")
    if query is None and path is None and name is None and sys.stdin.isatty() and sys.stdout.isatty():
        _console(engine, catalog, schema, limit_rows, writes)
        return
    statements = [saved[1]] if saved else _statements(query, path, engine)

    from lakehouse.cli.sql_output import Output, destination, format_of, is_plain_file
    from lakehouse.cli.sql_result import open_session

    form = "json" if as_json else form or format_of(output)
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise UsageError("Parquet is no text; add --output FILE.parquet")
    bom = output is not None and is_plain_file(output) and not no_bom
    try:
        with destination(output) as out:
            session = open_session(engine, settings(), catalog, schema, writes=writes)
            _run(session, statements, Output(form, out, limit_rows, bom), output)
    except KeyboardInterrupt:
        click.echo("interrupted: the query was cancelled", err=True)
        sys.exit(INTERRUPTED)


def _list(engine: str | None, as_json: bool) -> None:
    from lakehouse.cli.sql_saved import described, listing, saved_queries

    queries = saved_queries(engine)
    if as_json:
        click.echo(json.dumps([described(query) for query in queries], ensure_ascii=False))
    else:
        click.echo("\n".join(listing(queries)))


def _saved(engine: str | None, name: str, params: Sequence[str]) -> tuple[str, Statement]:
    """The engine of a saved query, and its statement."""
    from lakehouse.cli.sql_saved import find, given_values

    query = find(engine, name)
    return query.engine, query.statement(given_values(params))


def _statements(query: str | None, path: str | None, engine: str) -> list[Statement]:
    if query is None and path is not None:
        with open(path, encoding="utf-8-sig") as file:
            query = file.read()
    elif query is None:
        query = "" if sys.stdin.isatty() else sys.stdin.read()
    ended, rest = split_statements(query, engine)
    if not ended and rest is None:
        raise UsageError('nothing to run; give a query: lakehouse sql "select 1", --file FILE, or standard input')
    return [*ended, *([rest] if rest else [])]


def _run(session: "Session", statements: list[Statement], target: "Output", path: str | None) -> None:
    from lakehouse.cli.sql_progress import QueryProgress

    began, to_terminal, rows = time.monotonic(), path is None and sys.stdout.isatty(), 0
    for statement in statements:
        with QueryProgress() as progress, session.result(statement.placed, progress.told, statement.values) as result:
            if to_terminal:
                progress.stop()
            target.on_count = progress.wrote
            target.put(result)
            rows = target.rows
    if path is not None:
        click.echo(
            f"{rows:,} row{'' if rows == 1 else 's'} written to {path} in {time.monotonic() - began:.1f} s", err=True
        )


def _console(engine: str, catalog: str | None, schema: str | None, limit: int, writes: bool) -> None:
    from lakehouse.cli.sql_console import clickhouse_console, trino_console

    if engine == "trino":
        trino_console(settings(), catalog or "iceberg", schema or "gold", writes=writes)
    from lakehouse.cli.sql_result import open_session

    clickhouse_console(settings(), open_session(engine, settings(), None, schema, writes=writes), limit)
