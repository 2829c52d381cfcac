"""A number for each version of a subscriber, given once and for good, so that sets of them are small bitmaps (`groupBitmap`).

`gold.user_numbers` is the record. `gold.user_lookup` has the same in memory, where rows that are copied find it with `joinGet`;
it may lack what a killed call did not bring there, and holds nothing else. Numbers without gaps are what makes bitmaps small.
"""

from pathlib import Path

from lakehouse.copies.columns import expression
from lakehouse.copies.server import Server
from lakehouse.paths import data_files

NUMBERED = "dim_user"
_GIVE = """
insert into gold.user_numbers (user_sk, number)
select sk, (select max(number) from gold.user_numbers) + row_number() over (order by sk)
from (select {key} as sk from {lake}.`gold.dim_user`) where sk not in (select user_sk from gold.user_numbers)
"""
_BRING = """
insert into gold.user_lookup (user_sk, number)
select user_sk, number from gold.user_numbers where isNull(joinGetOrNull('gold.user_lookup', 'number', user_sk))
"""
_USERS = """
select distinct table from system.columns
where database = 'gold' and position(default_expression, 'gold.user_lookup') > 0
"""


class Numbers:
    """The numbers of gold's dim_user."""

    def __init__(self, server: Server, lake: str) -> None:
        self._server = server
        self._give = _GIVE.format(key=expression("user_sk", "UInt128"), lake=lake)

    def lost(self) -> bool:
        """Whether there is no record. Numbers that copies hold then mean nothing."""
        return not self._server.query("select 1 from gold.user_numbers limit 1")

    def used_by(self) -> list[str]:
        """The tables that hold numbers."""
        return [str(row[0]) for row in self._server.query(_USERS)]

    def give(self, query_id: str) -> None:
        """Number the versions that have no number yet. Nobody may copy meanwhile.

        Raises:
            Retry: ClickHouse does not answer; the next call goes on.
            LakehouseError: it refuses.
        """
        if self.lost():
            self._server.run("truncate table gold.user_lookup")
        self._server.run(self._give, query_id=query_id)
        self._server.run(_BRING)


def number_files() -> list[Path]:
    """The statements that make the tables of numbers."""
    return data_files("clickhouse/numbers", "*.sql")
