"""Writes a result as CSV, a block of rows at a time and in it column by column."""

from collections.abc import Callable, Iterator, Sequence
from operator import methodcaller
from types import NoneType
from typing import Any, BinaryIO

import polars as pl

from lakehouse.cli.sql_result import Row, value_text
from lakehouse.csv_cells import Kind, escaped, finite, header, kind_of, lines

# Not in Python for each cell: a million rows are written while one waits.
_TEXT_OF: dict[Kind, Callable[[Any], str]] = {
    "whole": str,
    "decimal": methodcaller("__format__", "f"),
    "date": str,
    "moment": methodcaller("isoformat"),
}
_NUMBERS: dict[Kind, type[pl.DataType]] = {"double": pl.Float64, "single": pl.Float32}


def write_csv(
    blocks: Iterator[Sequence[Row]], names: Sequence[str], types: Sequence[str], out: BinaryIO, bom: bool
) -> None:
    """Write all rows; one block is in memory at a time. What cells hold: `lakehouse.csv_cells`.

    Args:
        types: of the columns, in the engine's own words.
        bom: whether a byte-order mark comes first.
    """
    kinds = [kind_of(one) for one in types]
    out.write(header(names, bom))
    for block in blocks:
        if block:
            columns = zip(*block, strict=True)
            out.write(lines(cells(values, kind) for values, kind in zip(columns, kinds, strict=True)))


def cells(values: Sequence[Any], kind: Kind) -> pl.Series:
    """The values of one column as they are written."""
    if kind in _NUMBERS:
        return finite(pl.Series(values, dtype=_NUMBERS[kind]))
    if kind == "truth":
        return pl.Series(values, dtype=pl.Boolean)
    if kind in _TEXT_OF:
        return _texts(values, _TEXT_OF[kind])
    if set(map(type, values)) <= {str, NoneType}:
        return escaped(pl.Series(values, dtype=pl.String))
    return escaped(_texts(values, value_text))


def _texts(values: Sequence[Any], text_of: Callable[[Any], str]) -> pl.Series:
    """Nulls stay."""
    texts = map(text_of, values) if None not in values else (None if v is None else text_of(v) for v in values)
    return pl.Series(list(texts), dtype=pl.String)
