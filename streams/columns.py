"""Small operations on whole columns that Polars has only in another form."""

from collections.abc import Iterable
from typing import Any

import polars as pl


def where(mask: pl.Series, values: pl.Series) -> pl.Series:
    """The values where the mask holds, null elsewhere."""
    return values.zip_with(mask, nulls(len(values), values.dtype))


def nulls(count: int, dtype: Any) -> pl.Series:
    """A column without values."""
    return pl.Series([None], dtype=dtype).new_from_index(0, count)


def no_rows(count: int) -> pl.Series:
    """A mask that holds nowhere."""
    return pl.zeros(count, dtype=pl.Boolean, eager=True)


def put(column: pl.Series, rows: Any, values: Any) -> pl.Series:
    """A column like the given one with other values (nulls among them allowed) at the given row numbers.

    Polars' own `scatter` changes the series that it is called on, and every other name for it.
    """
    if isinstance(values, Iterable) and not isinstance(values, str | pl.Series):
        values = pl.Series(list(values), dtype=column.dtype)
    return column.clone().scatter(rows, values)
