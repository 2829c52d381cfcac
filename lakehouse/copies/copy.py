"""Materialised copies of gold in ClickHouse, made by ClickHouse itself from the Iceberg tables: no row passes through Python.

A fact is copied by build: what lies beyond the recorded build is deleted (a killed copy left it), rows of later builds are
inserted, then the build is recorded. A dimension that changed, a fact that was made anew, and days whose facts were re-pointed
are built beside and exchanged, so that a reader sees the old rows or the new ones. Whatever is killed when, the next call ends
in the same rows. The statements of a killed process may still run in the server: they are ended first. A copy whose file
changed with a release is made anew in the same way, before anything is built.
"""

import logging
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from catalog.snapshots import StateReader
from lakehouse.copies.columns import LAKE, columns_of, expression
from lakehouse.copies.numbers import NUMBERED, Numbers, number_files
from lakehouse.copies.rejected import TABLE, Taken, rejected_rows
from lakehouse.copies.server import Server
from lakehouse.copies.shape import shape_of
from lakehouse.errors import LakehouseError, Retry
from lakehouse.paths import data_files

log = logging.getLogger(__name__)
ALL = "*"
_QUERY_ID = "lakehouse-copy-"
_BESIDE = "__next"


@dataclass(frozen=True)
class Copied:
    """What was done to one table: rows written, or why it could not be copied."""

    table: str
    rows: int
    error: str | None = None


@dataclass(frozen=True)
class Change:
    """What a build did beyond appending.

    Attributes:
        replaced: facts that it made anew.
        days: by fact the days (UTC) of which older rows changed.
        taken: what it took in of silver; None if the record no longer tells.
    """

    build_id: int
    replaced: frozenset[str] = frozenset()
    days: dict[str, list[date]] = field(default_factory=dict)
    taken: Taken | None = None


class Copies:
    """Keeps the ClickHouse tables equal to gold."""

    def __init__(self, server: Server, states: StateReader, catalog_database: str = LAKE) -> None:
        self._server = server
        self._states = states
        self._lake = catalog_database
        self._numbers = Numbers(server, catalog_database, _QUERY_ID + "user_versions")
        self._numbered = False

    def create_tables(self) -> None:
        """Create the tables that are missing; one that can't be is left to the copy to report.

        Raises:
            Retry: ClickHouse does not answer.
        """
        self._create([*number_files(), *ddl_files()])

    def renew(self, changes: Sequence[Change]) -> bool:
        """Make copies anew whose files changed, as of the builds that they hold, and the views. Nobody may copy meanwhile.

        One that can't be made anew stays as it is, and is copied to as before, until the next call.

        Args:
            changes: all complete builds in order.
        Returns:
            whether everything is as its file says.
        Raises:
            Retry: ClickHouse does not answer.
        """
        self._end_leftovers()
        self._number()
        renewed = [self._is_renewed(table, changes) for table in sorted(copied_tables())]
        # views over columns that the former tables may not have had
        return self._create(view_files()) and all(renewed) and self._numbered

    def _is_renewed(self, table: str, changes: Sequence[Change]) -> bool:
        try:
            self._make_beside(table)
            shape = shape_of(self._server, table + _BESIDE)
            if any(shape) and shape != shape_of(self._server, table):
                log.info("%s: its file changed; the copy is made anew", table)
                self._renew(table, [c for c in changes if c.build_id <= self.recorded_build(table)])
            self._drop_beside(table)
        except Retry:
            raise
        except LakehouseError as error:
            log.error("%s: its file changed, and the copy could not be made anew: %s", table, error)
            with suppress(LakehouseError):
                self._drop_beside(table)
            return False
        return True

    def _renew(self, table: str, held: Sequence[Change]) -> None:
        if not held:
            if not self._server.query(f"select 1 from gold.{table} limit 1"):  # else the next copy makes it anew
                self._server.run(f"exchange tables gold.{table} and gold.{table}{_BESIDE}")
        elif table == TABLE:
            self._copy_rejected(held, whole=True)
        else:
            self._whole(table, held[-1].build_id, all_of_it=False)

    def _create(self, files: Sequence[Path]) -> bool:
        created = True
        for path in files:
            try:
                self._server.run(path.read_text())
            except Retry:
                raise
            except LakehouseError as error:
                created = False
                log.error("%s: %s", path.name, error)
        return created

    def copied_build(self) -> int:
        """The newest build of which all copies are there; 0 if none."""
        return self._recorded(ALL)[0]

    def recorded_build(self, table: str) -> int:
        """The newest build that one copy holds; 0 if it was never made."""
        return self._recorded(table)[0]

    def refresh(
        self,
        changes: Sequence[Change],
        facts: Sequence[str],
        dimensions: Sequence[str],
        progress: Callable[[Copied], None] = lambda copied: None,
    ) -> list[Copied]:
        """Bring all copies to the newest build. A table that can't be copied does not stop the others.

        Args:
            changes: all complete builds in order, at least one; gold must not change meanwhile.
        Returns:
            the tables that were copied, or could not be.
        Raises:
            Retry: a server does not answer; the next call mends what was begun.
        """
        self._end_leftovers()
        newest = changes[-1].build_id
        if self.copied_build() > newest:
            log.warning(
                "the copies tell of build %d, gold of %d: another lake; all are made anew", self.copied_build(), newest
            )
            self._server.run("truncate table gold.copies")
        done: list[Copied] = []

        def each(tables: Sequence[str], copy: Callable[[str], Copied | None]) -> None:
            for table in tables:
                if (copied := self._tried(table, copy)) is not None:
                    done.append(copied)
                    progress(copied)

        self._number()
        each(dimensions, lambda table: self._copy_dimension(table, newest))
        each(facts, lambda table: self._copy_fact(table, changes))
        each([TABLE], lambda table: self._copy_rejected(changes))
        self._numbers.follow(sorted({*facts} - {copied.table for copied in done if copied.error}))
        if not any(copied.error for copied in done):
            self._record(ALL, newest, 0, 0)
        return done

    @staticmethod
    def _tried(table: str, copy: Callable[[str], Copied | None]) -> Copied | None:
        try:
            return copy(table)
        except Retry:
            raise
        except LakehouseError as error:
            log.error("the copy of %s: %s", table, error)
            return Copied(table, 0, str(error))

    def _number(self) -> None:
        """Give new subscribers their numbers, before rows that name them are copied; rows are refused until they have one."""
        first, self._numbered = not self._numbered, False
        try:
            if first or self._recorded(NUMBERED)[1] != self._snapshot(NUMBERED):
                self._restore_numbers()
                self._numbers.give()
            self._numbers.bring()
            self._numbered = True
        except Retry:
            raise
        except LakehouseError as error:
            log.error("subscribers could not be numbered: %s", error)

    def _restore_numbers(self) -> None:
        self._numbers.create_tables()
        if not self._numbers.are_lost():
            return
        # rows may have what the record can't tell how to correct
        if self._numbers.are_held(table for table in copied_tables() if self.recorded_build(table)):
            log.warning("numbers of subscribers are gone: all copies are made anew")
            self._server.run("truncate table gold.copies")  # first: it must not be forgotten
        self._numbers.restore()

    def _copy_fact(self, table: str, changes: Sequence[Change]) -> Copied | None:
        newest = changes[-1].build_id
        recorded, copied = self._recorded(table)
        later = [change for change in changes if change.build_id > recorded]
        # builds have numbers without gaps: where the record begins later, it does not tell what moved before
        forgotten = len(later) < newest - recorded
        anew = not recorded or forgotten or any(table in change.replaced for change in later)
        if anew or not self._is_corrected(table):
            return self._whole(table, newest)
        if recorded >= newest:
            return None
        days = sorted({day for change in later for day in change.days.get(table, ())})
        if days:
            return self._days_beside(table, recorded, newest, days)
        snapshot = self._snapshot(table)
        if copied == snapshot:
            self._record(table, newest, snapshot, 0)
            return None
        self._forget_beyond(table, recorded)
        rows = self._insert(table, table, f"where build_id > {recorded} and build_id <= {newest}")
        self._record(table, newest, snapshot, rows)
        return Copied(table, rows)

    def _is_corrected(self, table: str) -> bool:
        try:
            self._numbers.correct(table)
        except Retry:
            raise
        except LakehouseError as error:  # it has the key in its order, say
            log.warning("%s is made anew, since rows can't be corrected where they are: %s", table, error)
            self._end_leftovers()
            return False
        return True

    def _forget_beyond(self, table: str, recorded: int) -> None:
        if self._server.query(f"select 1 from gold.{table} where build_id > {recorded} limit 1"):
            log.info("%s: rows beyond build %d were left by a copy that was cut short; they go", table, recorded)
            self._delete(table, f"build_id > {recorded}")

    def _days_beside(self, table: str, recorded: int, newest: int, days: Sequence[date]) -> Copied:
        """Replace days, and add later builds, in a twin that shares the table's data until then; exchange them."""
        stale = f"build_id > {recorded} or {_within(days)}"
        self._drop_beside(table)
        self._server.run(f"create table gold.{table}{_BESIDE} clone as gold.{table}")
        self._delete(table + _BESIDE, stale)
        rows = self._insert(table, table + _BESIDE, f"where build_id <= {newest} and ({stale})")
        return self._exchange(table, newest, rows, self._snapshot(table))

    def _copy_dimension(self, table: str, build_id: int) -> Copied | None:
        return None if self._recorded(table)[1] == self._snapshot(table) else self._whole(table, build_id)

    def _copy_rejected(self, changes: Sequence[Change], whole: bool = False) -> Copied | None:
        """Copy the rejected rows of silver that builds took in since; all of them where the record does not go back so far."""
        newest, recorded = changes[-1], 0 if whole else self._recorded(TABLE)[0]
        if recorded >= newest.build_id or newest.taken is None:
            return None
        before = next((change.taken for change in changes if change.build_id == recorded), None)
        later = [change for change in changes if change.build_id > recorded]
        taken = [change.taken for change in later if change.taken is not None]
        whole = before is None or len(taken) < len(later) or any(change.replaced for change in later)
        if whole:
            self._make_beside(TABLE)
        else:
            self._forget_beyond(TABLE, recorded)
        select = rejected_rows(self._lake, newest.build_id, None if whole else before, taken)
        target = TABLE + _BESIDE if whole else TABLE
        rows = self._server.run(f"insert into gold.{target} {select}", query_id=_QUERY_ID + TABLE) if select else 0
        if whole:
            return self._exchange(TABLE, newest.build_id, rows, 0)
        self._record(TABLE, newest.build_id, 0, rows)
        return Copied(TABLE, rows)

    def _whole(self, table: str, build_id: int, all_of_it: bool = True) -> Copied:
        """Build the table anew beside the old one, by its file, and exchange them.

        Args:
            all_of_it: gold holds nothing beyond the build; else its snapshot must not count as copied.
        """
        self._make_beside(table)
        of_builds = any(name == "build_id" for name, _ in columns_of(self._server, table + _BESIDE))
        rows = self._insert(table + _BESIDE, table + _BESIDE, f"where build_id <= {build_id}" if of_builds else "")
        return self._exchange(table, build_id, rows, self._snapshot(table) if all_of_it else 0)

    def _make_beside(self, table: str) -> None:
        self._drop_beside(table)
        ddl = next(path.read_text() for path in ddl_files() if path.stem == table)
        named = re.compile(rf"(create\s+table\s+(?:if\s+not\s+exists\s+)?gold\.{table})\b", re.IGNORECASE)
        self._server.run(named.sub(rf"\1{_BESIDE}", ddl, count=1))

    def _exchange(self, table: str, build_id: int, rows: int, snapshot: int) -> Copied:
        self._server.run(f"exchange tables gold.{table} and gold.{table}{_BESIDE}")
        self._record(table, build_id, snapshot, rows)
        self._drop_beside(table)
        return Copied(table, rows)

    def _drop_beside(self, table: str) -> None:
        self._server.run(f"drop table if exists gold.{table}{_BESIDE} sync")

    def _delete(self, table: str, condition: str) -> None:
        self._server.run(f"delete from gold.{table} where {condition} settings lightweight_deletes_sync = 2")

    def _insert(self, shape: str, target: str, condition: str) -> int:
        """Insert a gold table's rows into a table, in the types of `shape`."""
        table = target.removesuffix(_BESIDE)
        columns = columns_of(self._server, shape)
        names = ", ".join(name for name, _ in columns)
        values = ", ".join(expression(name, kind) for name, kind in columns)
        return self._server.run(
            f"insert into gold.{target} ({names}) select {values} from {self._lake}.`gold.{table}` {condition}",
            query_id=_QUERY_ID + table,
        )

    def _end_leftovers(self) -> None:
        self._server.run(f"kill query where startsWith(query_id, '{_QUERY_ID}') sync")
        # one that lives on after ClickHouse was killed waits for the look-up, and others for it
        self._server.run(
            "kill mutation where not is_done and database = 'gold' and position(command, 'gold.user_attributes') > 0 sync"
        )

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


def _within(days: Sequence[date]) -> str:
    """A condition on `event_time`: within the days, neighbours as one range."""
    ranges: list[list[date]] = []
    for day in days:
        if ranges and ranges[-1][1] == day:
            ranges[-1][1] = day + timedelta(days=1)
        else:
            ranges.append([day, day + timedelta(days=1)])
    bound = "toDateTime64('{} 00:00:00', 6, 'UTC')"
    listed = (f"(event_time >= {bound.format(a)} and event_time < {bound.format(b)})" for a, b in ranges)
    return f"({' or '.join(listed)})"


def copied_tables() -> set[str]:
    """The gold tables that have a copy."""
    return {path.stem for path in ddl_files()} - {"copies"}


def ddl_files() -> list[Path]:
    """The statements that make the copies' tables."""
    return data_files("clickhouse/tables", "*.sql")


def view_files() -> list[Path]:
    """The statements that make the views over them, each after those that it reads."""
    files: dict[str, Path] = {}
    words: dict[str, str] = {}
    for path in data_files("clickhouse/views", "*.sql"):
        text = re.sub("--.*", "", path.read_text())
        made = re.search(r"\bview\s+(?:if\s+not\s+exists\s+)?gold\.(\w+)", text, re.IGNORECASE)
        name = made[1] if made else path.name
        files[name], words[name] = path, text
    read = {name: set(re.findall(r"\bgold\.(\w+)", text)) & (files.keys() - {name}) for name, text in words.items()}
    try:
        return [files[name] for name in TopologicalSorter(read).static_order()]
    except CycleError:  # ClickHouse says what is missing
        return list(files.values())
