"""What every rule reads and gives: one field of a batch, as texts in, as a typed column and verdicts out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import polars as pl

from streams.columns import nulls, put, where
from streams.contract import Field

# JSON's number grammar (RFC 8259, section 6), for numbers that arrive as text.
NUMBER = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$"


@dataclass(frozen=True)
class Context:
    """What rules need besides the value: the operator's settings and the records' Kafka times."""

    time_zone: str
    earliest: datetime
    kafka_timestamp: pl.Series  # datetime[us, UTC], one a row


class Raw:
    """One field of a batch: the spelling that counts, which is neither null nor blank, seen as strings and as all else.

    Attributes:
        text: the strings, unescaped, trimmed of Unicode white space; null where there is none.
        bare: the JSON text of values that are no strings (of objects and arrays their bracket); null elsewhere.
    """

    def __init__(self, text: pl.Series, bare: pl.Series) -> None:
        self.text = text
        self.bare = bare

    @classmethod
    def of_texts(cls, texts: pl.Series) -> "Raw":
        """A field of strings alone."""
        return cls(texts, nulls(len(texts), pl.String))

    def __len__(self) -> int:
        return len(self.text)

    def longer_than(self, most_bytes: int) -> pl.Series | None:
        """Rows whose text has more bytes of UTF-8; None where there are none."""
        rows = self.text.str.len_bytes() > most_bytes
        return rows.fill_null(False) if rows.any() else None

    def without(self, rows: pl.Series) -> "Raw":
        """The same with nothing in these rows."""
        return Raw(where(~rows, self.text), where(~rows, self.bare))

    @cached_property
    def quoted(self) -> pl.Series:
        """Rows whose value is a JSON string."""
        return self.text.is_not_null()

    @cached_property
    def all_quoted(self) -> bool:
        """Whether no row holds anything but a string or nothing."""
        return self.bare.null_count() == len(self.bare)

    @cached_property
    def none_quoted(self) -> bool:
        """Whether no row holds a string."""
        return self.text.null_count() == len(self.text)

    @cached_property
    def present(self) -> pl.Series:
        """Rows that hold a value at all."""
        if self.none_quoted:
            return self.bare.is_not_null()
        return self.quoted if self.all_quoted else self.quoted | self.bare.is_not_null()

    @cached_property
    def numbers(self) -> pl.Series:
        """The text of values that are numbers, bare or quoted; null elsewhere. Bare `true`, objects and arrays are none."""
        bare = self.bare
        if not self.none_quoted:
            text = self.text
            text = where(text.str.contains(NUMBER).fill_null(False), text)
            bare = text.zip_with(text.is_not_null(), bare)
        return bare


@dataclass
class Reading:
    """What a rule makes of a field.

    Attributes:
        value: the silver column; null where the value does not fit it.
        unreadable: rows with a value that can't be read, by code (`type` or `invalid`).
        out_of_range: rows whose value breaks a bound that belongs to the type (money beyond its column).
        unfit: rows whose value is not in the column and must be kept in `extra`.
        warnings: rows with a warning, by its word.
        remains: another column that keeps the text of what can't be read (`timestamp_raw`).
    """

    value: pl.Series
    unreadable: dict[str, pl.Series] = field(default_factory=dict)
    out_of_range: pl.Series | None = None
    unfit: pl.Series | None = None
    warnings: dict[str, pl.Series] = field(default_factory=dict)
    remains: pl.Series | None = None


Reader = Callable[[Raw, Field, Context], Reading]


def rare(value: pl.Series, source: pl.Series, read: Callable[[str], Any]) -> pl.Series:
    """Read one by one what the vectorised reading left null though there is text; `read` gives None for a 'no'."""
    rows = (value.is_null() & source.is_not_null()).arg_true()
    if not len(rows):
        return value
    return put(value, rows, (read(text) for text in source.gather(rows)))
