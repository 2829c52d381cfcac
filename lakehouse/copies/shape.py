"""What a copy's table is made of, so that a file that changed with a release is noticed."""

from lakehouse.copies.server import Server

_PARTS = (
    "select name, type, default_kind, default_expression from system.columns"
    " where database = 'gold' and table = {table:String} order by position",
    "select engine, partition_key, sorting_key from system.tables where database = 'gold' and name = {table:String}",
    "select name, query from system.projections where database = 'gold' and table = {table:String} order by name",
)


def shape_of(server: Server, table: str) -> list[list[tuple[object, ...]]]:
    """Columns, order and projections of a table; comments, which say nothing about its rows, are left out.

    Raises:
        Retry: ClickHouse does not answer.
    """
    return [[tuple(row) for row in server.query(part, table=table)] for part in _PARTS]
