"""`lakehouse sql` at a terminal: Trino's own command line, and a small one of ours for ClickHouse, which comes without."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import click

from lakehouse import trino_access
from lakehouse.cli.sql_output import Output
from lakehouse.cli.sql_progress import QueryProgress
from lakehouse.cli.sql_result import Session
from lakehouse.cli.sql_statements import Statement, split_statements
from lakehouse.errors import LakehouseError, Retry
from lakehouse.settings import Settings

_END = ("exit", "quit", "\\q")
_HISTORY_LINES = 10_000


def trino_console(settings: Settings, catalog: str, schema: str, *, writes: bool = False) -> NoReturn:
    """Become Trino's command line, on our Trino; it is downloaded if it is not there yet.

    Raises:
        Retry: Trino does not answer, or its command line cannot be downloaded.
        LakehouseError: there is no Java.
    """
    from lakehouse.stack import artifacts
    from lakehouse.stack.java import java_command
    from lakehouse.stack.server import ask

    if not ask(f"{settings.trino_url.rstrip('/')}/v1/info", authority=settings.trino_ca):
        raise Retry(f"Trino at {settings.trino_url} does not answer; is `lakehouse up` running?")
    jar = artifacts.trino_console(settings.cache_dir)
    if not jar.is_file():
        click.echo("downloading Trino's command line", err=True)
        wanted = [one for one in artifacts.pinned() if one.path(settings.cache_dir) == jar]
        artifacts.fetch(settings.cache_dir, wanted, lambda size: None)
    user, password = trino_access.credentials(settings, writes=writes)
    command = java_command(
        # Its terminal library is native code.
        ["--enable-native-access=ALL-UNNAMED"], [jar], "io.trino.cli.Trino",
        "--server", settings.trino_url, "--user", user,
        *(("--password",) if password and settings.trino_url.startswith("https:") else ()),
        *(("--truststore-path", str(settings.trino_ca)) if settings.trino_ca is not None else ()),
        "--catalog", catalog, "--schema", schema, "--source", "lakehouse-sql",
    )  # fmt: skip
    history = _history(settings, "trino")
    click.echo(f"Trino at {settings.trino_url}, {catalog}.{schema}; `exit` ends, `help` helps", err=True)
    # In place of this process, so that keys and signals are Trino's alone.
    os.execve(command[0], command, {**os.environ, "TRINO_HISTORY_FILE": str(history), "TRINO_PASSWORD": password})


def clickhouse_console(settings: Settings, session: Session, limit: int) -> None:
    """Read statements up to their semicolon and run them, until `exit` or Ctrl-D.

    Ctrl-C cancels the query that runs, or throws away what was typed.
    """
    click.echo(f"ClickHouse at {settings.clickhouse_url}; a statement ends with `;`, `exit` or Ctrl-D ends", err=True)
    with _line_editing(_history(settings, "clickhouse")):
        for statement in _typed():
            try:
                _run(session, statement, limit)
            except LakehouseError as error:
                click.echo(f"error: {error}", err=True)
            except KeyboardInterrupt:
                click.echo("cancelled", err=True)


def _run(session: Session, statement: Statement, limit: int) -> None:
    with QueryProgress() as progress, session.result(statement.text, progress.told) as result:
        progress.stop()
        Output("table", sys.stdout.buffer, limit).put(result)
    sys.stdout.flush()


def _typed() -> Iterator[Statement]:
    """Statements as they are typed."""
    pending = ""
    while True:
        try:
            line = input("    -> " if pending else "clickhouse> ")
        except EOFError:
            click.echo()
            return
        except KeyboardInterrupt:
            pending = ""
            click.echo()
            continue
        if not pending and line.strip().rstrip(";").strip().lower() in _END:
            return
        ended, rest = split_statements(pending + line + "\n", "clickhouse")
        # What is not ended is kept as it was typed, so that its line ends and comments stay.
        pending = pending + line + "\n" if rest and not ended else rest.text + "\n" if rest else ""
        yield from ended


def _history(settings: Settings, engine: str) -> Path:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return settings.data_dir.absolute() / f"history-{engine}"


@contextlib.contextmanager
def _line_editing(history: Path) -> Iterator[None]:
    """Arrow keys and a history that lasts; plain lines where Python was built without readline."""
    try:
        import readline
    except ImportError:
        yield
        return
    with contextlib.suppress(OSError):
        readline.read_history_file(history)
    readline.set_history_length(_HISTORY_LINES)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            readline.write_history_file(history)
            history.chmod(0o600)  # statements can hold secrets
