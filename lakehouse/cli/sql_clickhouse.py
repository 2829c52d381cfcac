"""A session on ClickHouse for `lakehouse sql`: results stream, and what is left early is cancelled."""

import contextlib
import logging
import re
import uuid
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError, StreamFailureError
from clickhouse_connect.driver.summary import QuerySummary
from urllib3.exceptions import HTTPError

from lakehouse.cli.sql_result import WRITE_HINT, Result, Row, Told, one_line
from lakehouse.cli.sql_statements import Values
from lakehouse.copies.server import Server
from lakehouse.errors import LakehouseError, Retry
from lakehouse.settings import Settings

_CONNECT_S, _ANSWER_S = 5, 24 * 3600
# An interactive session keeps its database and settings while its user is at lunch.
_SESSION_S = 3600
_FORMAT = re.compile(r"\bformat\s+\w+$", re.IGNORECASE)
# The library puts a format after each query; where the parser stops only there, the statement's end is meant.
_ADDED = re.compile(r"failed at position \d+ \(FORMAT\) \(line \d+, col \d+\): FORMAT Native")


class ClickHouseSession:
    """A session on ClickHouse, as the owner of the copies: the reader's limits are those of a dashboard."""

    def __init__(self, settings: Settings, database: str | None = None, *, writes: bool = False) -> None:
        """Connect at the first statement.

        Args:
            database: that unqualified names are of [default: gold].
            writes: whether it may change data.
        """
        self._settings = settings
        self._database = database or "gold"
        self._writes = writes
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
                tz_mode="aware",  # a time without its zone would be read as a local one
                # 2: reads, and may change settings, but not this one
                settings={"session_timeout": _SESSION_S, **({} if self._writes else {"readonly": 2})},
            )
            # Not as the client's database: it would be sent with each statement, and `use` would not last.
            client.command(f"use `{self._database.replace('`', '``')}`")
            self._client = client
        return self._client

    @contextlib.contextmanager
    def result(self, sql: str, told: Told, values: Values = None) -> Iterator[Result]:
        """Run a statement; see `Session`."""
        if (clause := _FORMAT.search(sql)) and not _is_insert(sql):
            raise LakehouseError(f"leave out `{clause[0]}`; the option --format says how a result is written")
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
                answer = client.command(sql, parameters=values, settings={"query_id": query_id})
                under_way = False
                yield _command_result(sql, answer)
            else:
                with client.query_row_block_stream(sql, values, settings={"query_id": query_id}) as stream:
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
                said = _clickhouse_sentence(str(error))
                hint = f"; {WRITE_HINT}" if "(READONLY)" in said else ""
                raise LakehouseError(f"ClickHouse: {said}{hint}") from error
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
    said = _ADDED.sub("failed at the end of the statement", said.rpartition("DB::Exception: ")[2])
    said = re.sub(r"\s+FORMAT Native\b", "", said)
    return one_line(re.sub(r" \((for url|version) .*", "", said, flags=re.DOTALL))[:1000]
