"""ClickHouse as a client sees it."""

from collections.abc import Mapping
from typing import IO, Any
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver import httputil
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError
from urllib3.exceptions import HTTPError

from lakehouse.errors import LakehouseError, Retry, UsageError
from lakehouse.settings import Settings

_CONNECT_S, _ANSWER_S = 5, 600
# Of its errors that of a wrong password (https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp).
_REFUSED = "code: 516"
# As many as threads ask at once: the dashboard's web server has 40.
_CONNECTIONS = 40


class Server:
    """A connection to ClickHouse as the owner of the copies; of settings with a reader's rights, as the dashboards' reader."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Any = None

    def _connected(self) -> Any:
        if self._client is None:
            s = self._settings
            url = urlsplit(s.clickhouse_url)
            self._client = clickhouse_connect.get_client(
                host=url.hostname or "127.0.0.1",
                port=url.port or 8123,
                secure=url.scheme == "https",
                username=s.clickhouse_user,
                password=s.clickhouse_password.get_secret_value(),
                connect_timeout=_CONNECT_S,
                send_receive_timeout=_ANSWER_S,
                autogenerate_session_id=False,  # threads share the client
                pool_mgr=httputil.get_pool_manager(maxsize=_CONNECTIONS, num_pools=4),
            )
        return self._client

    def query(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of a query; `{name:Type}` in it is filled from the parameters.

        Raises:
            Retry: ClickHouse does not answer.
            LakehouseError: it refused; the message is its own.
        """
        return list(self._call(lambda c: c.query(sql, parameters=parameters).result_rows))

    def table(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows of a query."""
        result = self._call(lambda c: c.query(sql))
        return list(result.column_names), list(result.result_rows)

    def answer(
        self,
        sql: str,
        parameters: Mapping[str, Any],
        form: str,
        limits: Mapping[str, Any],
        most_bytes: int | None = None,
    ) -> bytes:
        """The answer to a query as ClickHouse writes it in one of its formats.

        Args:
            limits: settings of this query, such as max_execution_time.
            most_bytes: no more of the answer is read.
        """
        # sent when the query is done: one that fails on its way is an error then, and no answer that breaks off
        whole = {**limits, "wait_end_of_query": 1}

        def read(client: Any) -> bytes:
            with client.raw_stream(sql, dict(parameters), settings=whole, fmt=form) as stream:
                return bytes(stream.read() if most_bytes is None else stream.read(most_bytes))

        return bytes(self._call(read))

    def stream(self, sql: str, parameters: Mapping[str, Any], form: str, limits: Mapping[str, Any]) -> IO[bytes]:
        """As `answer`, to be read in pieces, and closed, by the caller."""
        found: IO[bytes] = self._call(lambda c: c.raw_stream(sql, dict(parameters), settings=dict(limits), fmt=form))
        return found

    def run(self, sql: str, query_id: str | None = None) -> int:
        """Run a statement; gives the rows it wrote."""
        settings = {"query_id": query_id} if query_id else {}
        summary = self._call(lambda c: c.command(sql, settings=settings))
        return int(getattr(summary, "written_rows", 0) or 0)

    def _call(self, use: Any) -> Any:
        try:
            return use(self._connected())
        except OperationalError as error:
            self._raise_unreachable(error)
        except DatabaseError as error:
            self._raise(error)
        except (ClickHouseError, HTTPError, OSError) as error:
            self._raise_unreachable(error)

    def _raise_unreachable(self, error: Exception) -> None:
        self._client = None
        raise Retry(
            f"ClickHouse at {self._settings.clickhouse_url} does not answer ({type(error).__name__});"
            " is `lakehouse up` running?"
        ) from error

    def _raise(self, error: Exception) -> None:
        said, now = str(error).splitlines()[0][:500], self._settings
        if _REFUSED in said:
            raise UsageError(
                f"ClickHouse at {now.clickhouse_url} refuses the user {now.clickhouse_user}:"
                f" LAKEHOUSE_CLICKHOUSE_PASSWORD is not its password.{now.stack_hint}"
            ) from error
        raise LakehouseError(f"ClickHouse: {said}") from error
