"""Figures, or the rows behind them, as a file. ClickHouse writes it, and it is handed on in pieces as it comes."""

from collections.abc import Iterator
from typing import Any

from lakehouse.copies.server import Server
from lakehouse.csv_cells import cells_sql, header
from lakehouse.dashboard.answers import ask
from lakehouse.dashboard.query import Query, columns_query

FORMATS = {"csv": ("CSV", "text/csv; charset=utf-8"), "parquet": ("Parquet", "application/vnd.apache.parquet")}
_LIMITS = {
    "max_execution_time": 60,
    "max_result_rows": 1_000_000,
    "result_overflow_mode": "throw",
    "format_csv_null_representation": "",
}
_PIECE_BYTES = 1 << 20


def export(server: Server, query: Query, form: str, zone: str, bom: bool) -> Iterator[bytes]:
    """A query's whole answer in pieces, in one of `FORMATS`.

    Args:
        zone: the time zone in which a CSV file tells times; Parquet has moments of no zone.
        bom: whether a CSV file begins with a byte-order mark.
    Raises:
        Retry: ClickHouse does not answer.
        LakehouseError: it refuses.
    """
    first, sql, parameters = b"", query.sql, query.parameters
    if form == "csv":
        columns = [(str(name), str(kind)) for name, kind, *_ in ask(server, columns_query(query)).rows]
        first, sql = header([name for name, _ in columns], bom), cells_sql(query.sql, columns)
        parameters = {**query.parameters, "zone": zone}
    stream = server.stream(
        sql, parameters, FORMATS[form][0], _LIMITS
    )  # here and not in the generator: who asks is told of an error
    return _pieces(first, stream)


def _pieces(first: bytes, stream: Any) -> Iterator[bytes]:
    with stream:
        if first:
            yield first
        while piece := stream.read(_PIECE_BYTES):
            yield piece
