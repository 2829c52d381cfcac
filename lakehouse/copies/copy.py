"""Materialised copies of gold in ClickHouse, made by ClickHouse itself from the Iceberg tables: no row passes through Python.

A fact is copied by build: what lies beyond the recorded build is deleted (a killed copy left it), rows of later builds are
inserted, then the build is recorded. A dimension that changed is built beside and exchanged. Whatever is killed when, the
next call ends in the same rows. The statements of a killed process may still run in the server: they are ended first.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from catalog.snapshots import StateReader
from lakehouse.copies.server import Server
from lakehouse.errors import LakehouseError
from lakehouse.paths import data_folder

log = logging.getLogger(__name__)
ALL = "*"
_QUERY_ID = "lakehouse-copy-"
# Hex digits of a key, as text in Iceberg, become the number that they write.
_KEY = "reinterpretAsUInt128(reverse(unhex({column})))"


@dataclass(frozen=True)
class Copied:
    """What was done to one table."""

    table: str
    rows: int


class Copies:
    """Keeps the ClickHouse tables equal to gold."""

    def __init__(self, server: Server, states: StateReader, catalog_database: str = "lk") -> None:
        self._server = server
        self._states = states
        self._lake = catalog_database

    def create_tables(self) -> None:
        """Create the tables that are missing."""
        for path in ddl_files():
            self._server.run(path.read_text())

    def copied_build(self) -> int:
        """The newest build of which all copies are there; 0 if none."""
        return self._recorded(ALL)[0]

    def refresh(
        self,
        build_id: int,
        facts: Sequence[str],
        dimensions: Sequence[str],
        progress: Callable[[Copied], None] = lambda copied: None,
    ) -> list[Copied]:
        """Bring all copies to a build.

        Args:
            build_id: the newest complete build; gold must not change meanwhile.
        Returns:
            the tables that were copied.
        Raises:
            Retry: a server does not answer; the next call mends what was begun.
        """
        self._end_leftovers()
        done: list[Copied] = []
        copies = [(self._copy_dimension, t) for t in dimensions] + [(self._copy_fact, t) for t in facts]
        for copy, table in copies:
            copied = copy(table, build_id)
            if copied is not None:
                done.append(copied)
                progress(copied)
        self._record(ALL, build_id, 0, 0)
        return done

    def _copy_fact(self, table: str, build_id: int) -> Copied | None:
        recorded = self._recorded(table)[0]
        if recorded >= build_id:
            return None
        if self._server.query(f"select 1 from gold.{table} where build_id > {recorded} limit 1"):
            log.info("%s: rows beyond build %d were left by a copy that was cut short; they go", table, recorded)
            self._server.run(
                f"delete from gold.{table} where build_id > {recorded} settings lightweight_deletes_sync = 2"
            )
        rows = self._insert(table, table, f"where build_id > {recorded} and build_id <= {build_id}")
        self._record(table, build_id, self._snapshot(table), rows)
        return Copied(table, rows)

    def _copy_dimension(self, table: str, build_id: int) -> Copied | None:
        snapshot = self._snapshot(table)
        if self._recorded(table)[1] == snapshot:
            return None
        beside = f"{table}__next"
        self._server.run(f"drop table if exists gold.{beside} sync")
        self._server.run(f"create table gold.{beside} as gold.{table}")
        rows = self._insert(table, beside, "")
        self._server.run(f"exchange tables gold.{table} and gold.{beside}")
        self._record(table, build_id, snapshot, rows)
        self._server.run(f"drop table if exists gold.{beside} sync")
        return Copied(table, rows)

    def _insert(self, table: str, target: str, condition: str) -> int:
        columns = self._server.query(
            "select name, type from system.columns where database = 'gold' and table = {table:String} order by position",
            table=table,
        )
        if not columns:
            raise LakehouseError(f"ClickHouse has no table gold.{table}; clickhouse/tables/{table}.sql should make it")
        names = ", ".join(name for name, _ in columns)
        values = ", ".join(_expression(name, kind) for name, kind in columns)
        return self._server.run(
            f"insert into gold.{target} ({names}) select {values} from {self._lake}.`gold.{table}` {condition}",
            query_id=_QUERY_ID + table,
        )

    def _end_leftovers(self) -> None:
        self._server.run(f"kill query where startsWith(query_id, '{_QUERY_ID}') sync")

    def _snapshot(self, table: str) -> int:
        return self._states.state(f"gold.{table}").snapshot_id or 0

    def _recorded(self, table: str) -> tuple[int, int]:
        """Build and snapshot that a copy holds; zeros if it was never made."""
        rows = self._server.query(
            "select build_id, snapshot_id from gold.copies where table_name = {table:String}"
            " order by build_id desc, copied_at desc limit 1",
            table=table,
        )
        return (int(rows[0][0]), int(rows[0][1])) if rows else (0, 0)

    def _record(self, table: str, build_id: int, snapshot_id: int, rows: int) -> None:
        self._server.run(
            "insert into gold.copies (table_name, build_id, snapshot_id, row_count)"
            f" values ('{table}', {build_id}, {snapshot_id}, {rows})"
        )


def _expression(name: str, kind: str) -> str:
    return _KEY.format(column=name) if kind == "UInt128" else f"cast({name} as {kind})"


def ddl_files() -> list[Path]:
    """The statements that make the copies' tables."""
    return sorted((data_folder("clickhouse") / "tables").glob("*.sql"))
