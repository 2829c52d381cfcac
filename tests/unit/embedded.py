"""ClickHouse within this process, for statements and formats that need no server: the engine of chdb, as the stack runs it."""

from functools import cache

import clickhouse_connect

from lakehouse.copies.copy import view_files
from lakehouse.copies.numbers import number_files
from lakehouse.copies.server import Server
from lakehouse.paths import data_files
from lakehouse.settings import settings


@cache
def clickhouse() -> Server:
    """A connection to it, with nothing in it."""
    server = Server(settings())
    server._client = clickhouse_connect.get_client(interface="chdb", tz_mode="aware")
    return server


@cache
def copies() -> Server:
    """The same, with the tables and views of `gold`."""
    server = clickhouse()
    server.run("create database if not exists gold")
    for path in [*number_files(), *data_files("clickhouse/tables", "*.sql"), *view_files()]:
        server.run(path.read_text())
    return server


def reject(*reasons: str) -> None:
    """Put rejected messages of 2026-11-20 there, the only ones."""
    server = copies()
    server.run("truncate table gold.rejected")
    for offset, reason in enumerate(reasons):
        server.query(
            "insert into gold.rejected select 'calls', {reason:String}, ['type:amount'], null, null, null, '+201012345678',"
            " 'calls', 'AAAAAAAAAAAAAAAAAAAAAA', 0, {offset:Int64}, toDateTime64('2026-11-20 10:00:00', 6, 'UTC'),"
            " toDateTime64('2026-11-20 10:00:01', 6, 'UTC'), 1",
            reason=reason, offset=offset,
        )  # fmt: skip
