"""A number for each version of a subscriber, given once and for good, so that sets of them are small bitmaps (`groupBitmap`).

`gold.user_numbers` is the record; numbers without gaps are what makes bitmaps small. `gold.user_lookup` has the same in memory,
where rows that are copied find it with `joinGet`. A row whose version is not there is refused.
"""

from collections.abc import Iterable
from pathlib import Path

from lakehouse.copies.columns import expression
from lakehouse.copies.server import Server
from lakehouse.paths import data_files

NUMBERED = "dim_user"
_RESTORE = """
insert into gold.user_numbers (user_sk, number)
select user_sk, number from gold.dim_user where user_sk not in (select user_sk from gold.user_numbers)
"""
# The copy has versions that gold has not any more, and facts that are not re-pointed yet have their keys.
_GIVE = """
insert into gold.user_numbers (user_sk, number)
select sk, (select max(number) from gold.user_numbers) + row_number() over (order by sk)
from (select {key} as sk from {lake}.`gold.dim_user` union distinct select user_sk from gold.dim_user)
where sk not in (select user_sk from gold.user_numbers)
"""
# It must not read the table that it fills: past a million rows ClickHouse sees a deadlock there.
_BRING = (
    "insert into gold.user_lookup (user_sk, number) select user_sk, number from gold.user_numbers where number > {most}"
)
_CONTENT = "(count(), sum(cityHash64(user_sk, number)))"
_SAME = f"""
select brought = (select {_CONTENT} from gold.user_numbers),
    brought = (select {_CONTENT} from gold.user_numbers where number <= (select max(number) from gold.user_lookup)),
    most
from (select {_CONTENT} as brought, max(number) as most from gold.user_lookup)
"""
_USERS = """
select distinct table from system.columns
where database = 'gold' and position(default_expression, 'gold.user_lookup') > 0
"""


class Numbers:
    """The numbers of gold's dim_user. Nobody may copy while they are given or brought.

    All of its methods raise Retry where ClickHouse does not answer, after which the next call goes on, and LakehouseError
    where it refuses.
    """

    def __init__(self, server: Server, lake: str, query_id: str) -> None:
        self._server = server
        self._query_id = query_id
        self._give = _GIVE.format(key=expression("user_sk", "UInt128"), lake=lake)

    def restored(self, held: Iterable[str]) -> bool:
        """Put back into the record what the copy of dim_user holds and the record lost.

        Args:
            held: tables that were copied before.
        Returns:
            False if nothing is left to go by: the numbers that those tables hold mean nothing.
        """
        for path in number_files():
            self._server.run(path.read_text())
        users = [str(row[0]) for row in self._server.query(_USERS)]
        if NUMBERED in users:
            self._run(_RESTORE)
        return bool(self._server.query("select 1 from gold.user_numbers limit 1")) or not {*held} & {*users}

    def give(self) -> None:
        """Number the versions that have no number yet."""
        self._run(self._give)

    def bring(self) -> None:
        """Fill the look-up, where it differs from the record."""
        [(same, begun, most)] = self._server.query(_SAME)
        if same:
            return
        if not begun:
            self._server.run("truncate table gold.user_lookup")
        self._run(_BRING.format(most=int(most) if begun else 0))

    def _run(self, sql: str) -> None:
        self._server.run(sql, query_id=self._query_id)


def number_files() -> list[Path]:
    """The statements that make the tables of numbers."""
    return data_files("clickhouse/numbers", "*.sql")
