"""Sessions on Trino and ClickHouse for `lakehouse sql`: results stream, and what is left early is cancelled."""

import contextlib
import logging
import re
import uuid
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
import trino
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError, StreamFailureError
from clickhouse_connect.driver.summary import QuerySummary
from requests.exceptions import RequestException
from trino.exceptions import Error, TrinoQueryError
from urllib3.exceptions import HTTPError

from lakehouse.cli.sql_result import Result, Row, Session, Told
from lakehouse.copies.server import Server
from lakehouse.errors import LakehouseError, Retry
from lakehouse.settings import Settings

# Rows handed on at once; a page of Trino's is about 1 MB, so more would only wait.
_BLOCK_ROWS = 1_000
_CONNECT_S, _ANSWER_S = 5, 24 * 3600
# An interactive session keeps its database and settings while its user is at lunch.
_SESSION_S = 3600


def open_session(engine: str, settings: Settings, catalog: str | None = None, schema: str | None = None) -> Session:
    """A session on `trino` or `clickhouse`; the schema is ClickHouse's database."""
    if engine == "clickhouse":
        return ClickHouseSession(settings, schema)
    return TrinoSession(settings, catalog, schema)


class TrinoSession:
    """A session on Trino."""

    def __init__(self, settings: Settings, catalog: str | None = None, schema: str | None = None) -> None:
        """Connect at the first statement.

        Args:
            catalog: that unqualified names are of [default: iceberg].
            schema: that unqualified names are of [default: gold].
        """
        url = urlsplit(settings.trino_url)
        self._url = settings.trino_url
        self._connection: Any = trino.dbapi.connect(  # type: ignore[no-untyped-call]
            host=url.hostname or "127.0.0.1",
            port=url.port or 8080,
            user=settings.trino_user,
            source="lakehouse-sql",
            catalog=catalog or "iceberg",
            schema=schema or "gold",
            http_scheme=url.scheme or "http",
            max_attempts=3,
            request_timeout=60,
        )

    @contextlib.contextmanager
    def result(self, sql: str, told: Told) -> Iterator[Result]:
        """Run a statement; see `Session`."""
        cursor = self._connection.cursor(stats_callback=lambda stats: told(_trino_state(stats)))
        try:
            cursor.execute(sql)
            columns = cursor.description or ()
            names, types = [c.name for c in columns], [str(c.type_code) for c in columns]
            yield Result(names, types, self._blocks(cursor), cursor.update_type or "done")
        except TrinoQueryError as error:
            raise LakehouseError(f"Trino: {_one_line(error.message)} ({error.error_name})") from error
        except (Error, RequestException) as error:
            raise Retry(
                f"Trino at {self._url} does not answer ({type(error).__name__}); is `lakehouse up` running?"
            ) from error
        finally:
            # Of a query that has ended it does nothing.
            with contextlib.suppress(Error, RequestException):
                cursor.cancel()

    @staticmethod
    def _blocks(cursor: Any) -> Iterator[list[Row]]:
        while rows := cursor.fetchmany(_BLOCK_ROWS):
            yield rows


def _trino_state(stats: dict[str, Any]) -> str:
    words = [str(stats.get("state", "")).lower().replace("_", " ")]
    if stats.get("totalSplits"):
        words.append(f"{stats['completedSplits']:,} of {stats['totalSplits']:,} splits")
    if stats.get("processedRows"):
        words.append(f"{stats['processedRows']:,} rows read")
    return ", ".join(words)


class ClickHouseSession:
    """A session on ClickHouse, as the owner of the copies."""

    def __init__(self, settings: Settings, database: str | None = None) -> None:
        """Connect at the first statement.

        Args:
            database: that unqualified names are of [default: gold].
        """
        self._settings = settings
        self._database = database or "gold"
        self._client: Any = None
        # A broken stream is raised as an error; the library logs it with a traceback besides.
        logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL + 1)

    def _connected(self) -> Any:
        if self._client is None:
            now = self._settings
            url = urlsplit(now.clickhouse_url)
            client = clickhouse_connect.get_client(
                host=url.hostname or "127.0.0.1",
                port=url.port or 8123,
                secure=url.scheme == "https",
                username=now.clickhouse_user,
                password=now.clickhouse_password.get_secret_value(),
                connect_timeout=_CONNECT_S,
                send_receive_timeout=_ANSWER_S,
                session_id=str(uuid.uuid4()),
                settings={"session_timeout": _SESSION_S},
            )
            # Not as the client's database: it would be sent with each statement, and `use` would not last.
            client.command(f"use `{self._database.replace('`', '``')}`")
            self._client = client
        return self._client

    @contextlib.contextmanager
    def result(self, sql: str, told: Told) -> Iterator[Result]:
        """Run a statement; see `Session`."""
        query_id, under_way = str(uuid.uuid4()), False

        def rows_of(stream: Any) -> Iterator[Sequence[Row]]:
            nonlocal under_way
            yield from stream
            under_way = False

        try:
            client = self._connected()
            told("running")
            under_way = True
            # The library's word for a statement that a format cannot be asked of; of an insert we want the count.
            if _is_insert(sql) or client.create_query_context(sql).is_command:
                answer = client.command(sql, settings={"query_id": query_id})
                under_way = False
                yield _command_result(sql, answer)
            else:
                with client.query_row_block_stream(sql, settings={"query_id": query_id}) as stream:
                    types = [str(one.name) for one in stream.source.column_types]
                    try:
                        yield Result(list(stream.source.column_names), types, rows_of(stream), _first_words(sql))
                    finally:
                        # Closing reads the stream to its end; so that there is one soon, the query is told first.
                        if under_way:
                            self._kill(query_id, "async")
                            under_way = False
        except (ClickHouseError, HTTPError) as error:
            refused = isinstance(error, DatabaseError) and not isinstance(error, OperationalError)
            if refused or isinstance(error, StreamFailureError):
                under_way = False
                raise LakehouseError(f"ClickHouse: {_clickhouse_sentence(str(error))}") from error
            raise Retry(
                f"ClickHouse at {self._settings.clickhouse_url} does not answer ({type(error).__name__});"
                " is `lakehouse up` running?"
            ) from error
        finally:
            if under_way:
                self._kill(query_id, "sync")

    def _kill(self, query_id: str, how: str) -> None:
        # Over a connection without the session, which the query still holds; `sync` returns when it is free.
        with contextlib.suppress(LakehouseError):
            Server(self._settings).run(f"kill query where query_id = '{query_id}' {how}")


def _command_result(sql: str, answer: Any) -> Result:
    if not isinstance(answer, QuerySummary):
        row = answer if isinstance(answer, list | tuple) else [answer]
        names = ["result"] if len(row) == 1 else [f"result_{number}" for number in range(1, len(row) + 1)]
        return Result(names, ["String"] * len(row), iter([[[str(one) for one in row]]]))
    if _is_insert(sql):
        return Result(["rows"], ["UInt64"], iter([[[answer.written_rows]]]))
    return Result([], [], iter(()), _first_words(sql))


def _is_insert(sql: str) -> bool:
    return sql.lstrip()[:6].lower() == "insert"


def _first_words(sql: str) -> str:
    return " ".join(re.findall(r"\w+", sql)[:2]).upper()


def _clickhouse_sentence(said: str) -> str:
    """The server's own sentence, without the library's words before it and the address after."""
    said = said.rpartition("DB::Exception: ")[2]
    return _one_line(re.sub(r" \((for url|version) .*", "", said, flags=re.DOTALL))[:1000]


def _one_line(text: str) -> str:
    return " ".join(text.split())
