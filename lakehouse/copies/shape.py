"""What a copy's table is made of, so that a file that changed with a release is noticed."""

from lakehouse.copies.server import Server

_PARTS = (
    "select name, type, default_kind, default_expression, compression_codec from system.columns"
    " where database = 'gold' and table = {table:String} order by position",
    "select engine_full from system.tables where database = 'gold' and name = {table:String}",
    "select name, query from system.projections where database = 'gold' and table = {table:String} order by name",
    "select name, type_full, expr, granularity from system.data_skipping_indices"
    " where database = 'gold' and table = {table:String} order by name",
)


def shape_of(server: Server, table: str) -> list[list[tuple[object, ...]]]:
    """Columns, order, settings, projections and indices of a table, all empty if there is none; comments, which say nothing
    about its rows, are left out.

    Raises:
        Retry: ClickHouse does not answer.
    """
    return [[tuple(row) for row in server.query(part, table=table)] for part in _PARTS]
