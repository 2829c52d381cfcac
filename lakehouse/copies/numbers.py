"""What facts hold of subscribers: a number for each version, given once and for good, so that sets of them are small bitmaps
(`groupBitmap`), and the attributes by which sums are kept by the hour, which may change under the same key.

`gold.user_versions` is the record; numbers without gaps are what makes bitmaps small. `gold.user_attributes` has what counts of
it in memory, where rows that are copied find it with `joinGet`. A row whose version is not there is refused. Each change of the
record is a turn; `gold.user_turns` says up to which one a copy's rows follow it. Rows of versions that changed since are
corrected where they are, before anything else is done to a copy.
"""

import logging
import re
import time
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from lakehouse.copies.columns import columns_of, expression
from lakehouse.copies.server import Server
from lakehouse.errors import LakehouseError
from lakehouse.paths import data_files

log = logging.getLogger(__name__)
NUMBERED = "dim_user"
_RECORD = ("user_sk", "number", "turn")
_RESTORE = """
insert into gold.user_versions (user_sk, number, {names}, turn)
select user_sk, number, {names}, {turn} from gold.dim_user where user_sk not in (select user_sk from gold.user_versions)
"""
_GIVE = """
insert into gold.user_versions (user_sk, number, {names}, turn)
select sk, if(known = 0, most + row_number() over (partition by known = 0 order by sk), known), {names}, {turn}
from ({versions}) as v
left any join (select user_sk, number as known, toString(tuple({names})) as held from ({counting})) as r on user_sk = sk
cross join (select max(number) as most from gold.user_versions) as m
where known = 0 or toString(tuple({names})) != held
"""
_GOLD = "select {key} as sk, {values} from {lake}.`gold.dim_user`"
# The copy has versions that gold has not any more, and facts that are not re-pointed yet have their keys.
_COPY = "select user_sk as sk, {names} from gold.dim_user where user_sk not in (select user_sk from gold.user_versions)"
_COUNTING = """
select user_sk, number, {names} from gold.user_versions where turn > {since} order by turn desc limit 1 by user_sk
"""
# It must not read the table that it fills: past a million rows ClickHouse sees a deadlock there.
_BRING = "insert into gold.user_attributes (user_sk, number, {names}) select * from ({counting})"
_COUNT = "select count() from gold.user_attributes"
_SAME = "select (select {content} from gold.user_attributes) = (select {content} from ({counting}))"
_TURN = "select greatest((select max(turn) from gold.user_versions), (select max(turn) from gold.user_turns))"
# Those that changed after they were numbered; no row that is held can have a version that was numbered since.
_ANY_MOVED = """
select 1 from gold.user_versions where number in (select number from gold.user_versions where turn > {since})
group by number having min(turn) < max(turn) limit 1
"""
# Not as a set within a set: ClickHouse (26.9) may never end an update with one.
_MOVED = "(select {of} from gold.user_versions group by {of} having max(turn) > {since} and min(turn) < max(turn))"
# Projections are made anew from all rows of a part, also (26.9) from those that a lightweight delete left masked: they must go
# before. In one statement with the update they may wait for each other for ever.
_MASKED = "select 1 from system.parts where database = 'gold' and table = {table:String} and active and has_lightweight_delete"
_UNMASK = "alter table gold.{table} apply deleted mask settings mutations_sync = 0"
# A column that is worked out from another can't be set, but is worked out again with it.
_CORRECT = """
alter table gold.{table} update {key} = {key} where {moved} and toString(tuple({held})) != toString(tuple({anew}))
settings mutations_sync = 0
"""
_CORRECTING = (
    "select latest_fail_reason, parts_to_do from system.mutations where database = 'gold' and table = {table:String}"
    " and not is_done and (position(command, 'gold.user_attributes') > 0 or position(command, 'DELETED MASK') > 0)"
)
_TOLD_EACH_S = 60.0
_LONGEST_POLL_S = 1.0
_FOLLOW = "insert into gold.user_turns (table_name, turn) select arrayJoin({tables:Array(String)}), {turn:Int64}"
_PROJECTIONS = (
    "select name, query from system.projections where database = 'gold' and table = {table:String} order by name"
)
_FOUND = re.compile(r"joinGet(?:OrNull)?\('gold\.user_attributes', '(\w+)', (\w+\(.*\)|\w+)\)")
_DEFAULTS = (
    "select name, default_expression from system.columns where database = 'gold' and table = {table:String}"
    " and position(default_expression, 'gold.user_attributes') > 0"
)


class Held(NamedTuple):
    """A column of a copy that is looked up: which attribute it is, how it is worked out, and the look-up in that."""

    column: str
    attribute: str
    anew: str
    found: str


class Numbers:
    """The numbers and attributes of gold's dim_user. Nobody may copy while they are given or brought.

    All of its methods raise Retry where ClickHouse does not answer, after which the next call goes on, and LakehouseError
    where it refuses.
    """

    def __init__(self, server: Server, lake: str, query_id: str) -> None:
        self._server = server
        self._lake = lake
        self._query_id = query_id
        self._turn = 0  # the one that was brought
        self._brought = 0  # rows of the look-up then
        self._followed: dict[str, int] = {}

    def create_tables(self) -> None:
        """Create the tables that are missing."""
        for path in number_files():
            self._server.run(path.read_text())

    def are_lost(self) -> bool:
        """Whether the record is empty, or misses what the copy of dim_user has a number for."""
        return not self._server.query("select 1 from gold.user_versions limit 1") or self._misses_some()

    def are_held(self, tables: Iterable[str]) -> bool:
        """Whether rows of some of the tables hold anything of the record."""
        return any(_held(self._server, table) for table in tables)

    def restore(self) -> None:
        """Put back into the record what the copy of dim_user holds and the record lost."""
        self._turn = self._brought = 0  # what was brought counts no more
        if self._misses_some():
            self._run(_RESTORE, turn=self._newest_turn() + 1)

    def _misses_some(self) -> bool:
        numbered = "database = 'gold' and table = 'dim_user' and name = 'number'"
        missed = "select 1 from gold.dim_user where user_sk not in (select user_sk from gold.user_versions) limit 1"
        held = self._server.query(f"select 1 from system.columns where {numbered}")
        return bool(held and self._server.query(missed))

    def give(self) -> None:
        """Number the versions that have no number yet, and note the attributes that changed."""
        attributes = self._attributes
        values = ", ".join(f"{expression(name, kind)} as {name}" for name, kind in attributes.items())
        gold = _GOLD.format(key=expression("user_sk", "UInt128"), values=values, lake=self._lake)
        for versions in (gold, _COPY.format(names=", ".join(attributes))):
            self._run(_GIVE, versions=versions, turn=self._newest_turn() + 1)

    def bring(self) -> None:
        """Fill the look-up, where it differs from the record; what this process brought before is not held against it again."""
        newest = self._newest_turn()
        known = self._brought > 0 and self._rows() == self._brought
        if known and newest > self._turn:
            self._run(_BRING, since=self._turn)
        if not known or self._rows() < self._brought:
            content = f"(count(), sum(cityHash64(toString(tuple(user_sk, number, {', '.join(self._attributes)})))))"
            if not self._server.query(self._worded(_SAME, content=content))[0][0]:
                self._server.run("truncate table gold.user_attributes")
                self._run(_BRING)
        self._turn, self._brought = newest, self._rows()
        followed = self._server.query("select table_name, max(turn) from gold.user_turns group by table_name")
        self._followed = {str(table): int(turn) for table, turn in followed}

    def correct(self, table: str) -> None:
        """Work out anew what rows of a fact have of versions that changed since it followed them."""
        since = self._followed.get(table, 0)
        if since >= self._turn or not self._server.query(_ANY_MOVED.format(since=since)):
            return
        for key, looked_up in _held(self._server, table).items():
            held = [one for one in looked_up if one.attribute != "number"]
            if not held:
                continue
            number = next((one.column for one in looked_up if one.attribute == "number"), None)
            of = "number" if number else "user_sk"
            moved = f"{number or key} in {_MOVED.format(of=of, since=since)}"
            columns, anew = ", ".join(one.column for one in held), ", ".join(one.anew for one in held)
            if self._server.query(_MASKED, table=table):
                self._alter(table, _UNMASK.format(table=table))
            self._alter(table, _CORRECT.format(table=table, key=key, moved=moved, held=columns, anew=anew))

    def _alter(self, table: str, sql: str) -> None:
        """Have rows written anew, however long that takes."""
        self._server.run(sql, query_id=self._query_id)
        pause, begun = 0.01, time.monotonic()
        told = begun
        while under_way := self._server.query(_CORRECTING, table=table):
            if reason := next((reason for reason, _ in under_way if reason), None):
                raise LakehouseError(f"rows of {table} can't be corrected: {reason}")
            if time.monotonic() - told > _TOLD_EACH_S:
                told = time.monotonic()
                parts = sum(int(to_do) for _, to_do in under_way)
                log.info("%s: rows are corrected since %.0f s; parts to do: %d", table, told - begun, parts)
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_POLL_S)

    def follow(self, tables: Sequence[str]) -> None:
        """Note that all rows of the facts have what was brought."""
        late = [table for table in tables if self._followed.get(table, 0) < self._turn]
        if late:
            self._server.query(_FOLLOW, tables=late, turn=self._turn)

    @cached_property
    def _attributes(self) -> dict[str, str]:
        """Names and types of what is held beside the number."""
        columns = dict(columns_of(self._server, "user_versions"))
        return {name: kind for name, kind in columns.items() if name not in _RECORD}

    def _rows(self) -> int:
        return int(self._server.query(_COUNT)[0][0])

    def _newest_turn(self) -> int:
        return int(self._server.query(_TURN)[0][0])

    def _worded(self, sql: str, since: int = 0, **words: object) -> str:
        names = ", ".join(self._attributes)
        return sql.format(**{"names": names, "counting": _COUNTING.format(names=names, since=since), **words})

    def _run(self, sql: str, since: int = 0, **words: object) -> None:
        self._server.run(self._worded(sql, since, **words), query_id=self._query_id)


def misheld(server: Server, table: str, condition: str) -> int:
    """How many rows of a fact's copy hold something else of a subscriber than the copy of dim_user does.

    Args:
        condition: `where …`, over columns of the fact.
    Raises:
        Retry: ClickHouse does not answer.
        LakehouseError: it can't read one of them.
    """
    found = 0
    for key, held in _held(server, table).items() if table != NUMBERED else ():
        columns = ", ".join(one.column for one in held)
        right = ", ".join(one.anew.replace(one.found, f"d.{one.attribute}") for one in held)
        rows = f"gold.{table} as f left any join gold.dim_user as d on d.user_sk = {key} {condition}"
        differ = f"toString(tuple({columns})) != toString(tuple({right}))"
        found += int(server.query(f"select countIf({differ}) from {rows}")[0][0])
    return found


def missummed(server: Server, table: str) -> list[str]:
    """Projections of a fact's copy that count other rows, or other subscribers, than the table has.

    Raises:
        Retry: ClickHouse does not answer.
        LakehouseError: it can't read one of them.
    """
    wrong = []
    for name, query in server.query(_PROJECTIONS, table=table):
        keys = query.rpartition("GROUP BY ")[2]
        bitmap = re.search(r"groupBitmapState\(\w+\)", query)
        number = f"bitmapCardinality({bitmap[0]})" if bitmap else "count()" if "count()" in query else None
        if not keys or number is None:
            continue
        groups = f"select cityHash64(toString(tuple({keys}, {number}))) as hash from gold.{table} group by {keys}"
        kept, rows = (
            server.query(f"select sum(hash) from ({groups}) settings {how}")
            for how in (f"preferred_optimize_projection_name = '{name}'", "optimize_use_projections = 0")
        )
        if kept != rows:
            wrong.append(str(name))
    return wrong


def _held(server: Server, table: str) -> dict[str, list[Held]]:
    """What a copy looks up, by the key that it looks for."""
    held: dict[str, list[Held]] = {}
    for column, anew in server.query(_DEFAULTS, table=table):
        if found := _FOUND.search(anew):
            held.setdefault(found[2], []).append(Held(column, found[1], anew, found[0]))
    return held


def number_files() -> list[Path]:
    """The statements that make the tables of numbers."""
    return data_files("clickhouse/numbers", "*.sql")
