"""Trino as a client sees it: statements in, rows out, errors in one sentence."""

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from trino.exceptions import TrinoQueryError

from lakehouse import trino_access
from lakehouse.errors import LakehouseError, Refused, Retry
from lakehouse.settings import Settings

_SOURCE = "lakehouse-gold"
_LEFTOVER_LIMIT_S = 60.0
# A query is called failed at once when it is killed; a commit that it had just sent may take so long.
_COMMIT_LIMIT_S = 3.0
# Trino's own word for a fault that passes by itself. Other faults concern one statement and must not hold up the others.
_PASSING = frozenset({"INSUFFICIENT_RESOURCES"})
# ... and for one that lies in the statement, or in the values that it works out.
_USERS = "USER_ERROR"


class Engine:
    """A connection to Trino. Thread-safe: each statement has a cursor of its own."""

    def __init__(
        self, settings: Settings, source: str = _SOURCE, session: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Args:
        source: what Trino is told that asks.
        session: session properties.
        """
        self._settings = settings
        self._source = source
        self._connection = trino_access.connect(settings, writes=True, source=source, session=session)

    def run(self, sql: str) -> list[list[Any]]:
        """Run a statement to its end and return its rows (of an insert or merge: one row, the count).

        Raises:
            Retry: Trino does not answer, or failed for a reason of its own.
            LakehouseError: Trino refused the statement; the message is its own.
        """
        return self.table(sql)[1]

    def table(self, sql: str) -> tuple[list[str], list[list[Any]]]:
        """Run a statement to its end: column names and rows. Raises as `run` does."""
        try:
            cursor = self._connection.cursor()
            cursor.execute(sql)
            rows: list[list[Any]] = cursor.fetchall()
            if cursor.update_type and not rows and cursor.rowcount >= 0:
                return ["rows"], [[cursor.rowcount]]
            return [c.name for c in cursor.description or ()], rows
        except TrinoQueryError as error:
            said = f"Trino: {error.message} ({error.error_name})"
            kind = Refused if error.error_type == _USERS else LakehouseError
            raise (Retry if error.error_type in _PASSING else kind)(said) from error
        except (*trino_access.ERRORS, OSError) as error:
            raise trino_access.unreachable(self._settings, error, writes=True) from error

    def count(self, sql: str) -> int:
        """The single number that a query gives."""
        return int(self.run(sql)[0][0])

    def end_leftovers(self) -> None:
        """End statements that a killed process of ours left running, and wait until they are gone.

        An insert whose client is dead may still commit: before a build looks at what is loaded, none may be under way.

        Raises:
            Retry: one of them does not end.
        """
        deadline = time.monotonic() + _LEFTOVER_LIMIT_S
        killed = False
        while left := self._running():
            # One that is about to commit is not stopped by this any more, and would be told to be gone before it is.
            for query_id in (q for q, state in left.items() if state != "FINISHING"):
                killed = True
                try:
                    self.run(
                        f"call system.runtime.kill_query(query_id => '{query_id}', message => 'its client is gone')"
                    )
                except LakehouseError:
                    continue  # it ended meanwhile
            if time.monotonic() > deadline:
                raise Retry(f"Trino does not end the queries {', '.join(left)}")
            time.sleep(0.2)
        if killed:
            time.sleep(_COMMIT_LIMIT_S)

    def _running(self) -> dict[str, str]:
        mine = (
            f"source = '{self._source}' and state not in ('FINISHED', 'FAILED') and query not like '%runtime.queries%'"
        )
        return {str(q): str(s) for q, s in self.run(f"select query_id, state from system.runtime.queries where {mine}")}
