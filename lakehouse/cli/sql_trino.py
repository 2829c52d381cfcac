"""A session on Trino for `lakehouse sql`: results stream, and what is left early is cancelled."""

import contextlib
from collections.abc import Iterator
from typing import Any

from trino.exceptions import TrinoQueryError

from lakehouse import trino_access
from lakehouse.cli.sql_result import WRITE_HINT, Result, Row, Told, one_line
from lakehouse.cli.sql_statements import Values
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings

# Rows handed on at once; a page of Trino's is about 1 MB, so more would only wait.
_BLOCK_ROWS = 1_000


class TrinoSession:
    """A session on Trino."""

    def __init__(
        self, settings: Settings, catalog: str | None = None, schema: str | None = None, *, writes: bool = False
    ) -> None:
        """Connect at the first statement.

        Args:
            catalog: that unqualified names are of [default: iceberg].
            schema: that unqualified names are of [default: gold].
            writes: whether it is the owner's, who may change data.
        """
        self._settings, self._writes = settings, writes
        self._connection = trino_access.connect(
            settings, writes=writes, source="lakehouse-sql", catalog=catalog or "iceberg", schema=schema or "gold"
        )

    @contextlib.contextmanager
    def result(self, sql: str, told: Told, values: Values = None) -> Iterator[Result]:
        """Run a statement; see `Session`."""
        cursor = self._connection.cursor(stats_callback=lambda stats: told(_trino_state(stats)))
        try:
            cursor.execute(sql, list(values) if values else None)
            columns = cursor.description or ()
            names, types = [c.name for c in columns], [str(c.type_code) for c in columns]
            yield Result(names, types, self._blocks(cursor), cursor.update_type or "done")
        except TrinoQueryError as error:
            hint = f"; {WRITE_HINT}" if error.error_name in ("PERMISSION_DENIED", "QUERY_REJECTED") else ""
            raise LakehouseError(f"Trino: {one_line(error.message)} ({error.error_name}){hint}") from error
        except trino_access.ERRORS as error:
            raise trino_access.unreachable(self._settings, error, writes=self._writes) from error
        finally:
            # Of a query that has ended it does nothing.
            with contextlib.suppress(*trino_access.ERRORS):
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
