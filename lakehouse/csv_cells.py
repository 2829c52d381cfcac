"""What a cell of a CSV file may hold, so that a spreadsheet shows it and does not run it.

One rule for all of our files, told twice: for columns that are here already (`lakehouse sql`), and as SQL for ClickHouse, which
writes the dashboard's files itself. A test holds the two against each other.

- Text that a spreadsheet would take for a formula gets an apostrophe before it, and so does such a name of a column. What
  counts is the type of the column: numbers stay numbers, and a phone number is text.
- Null is an empty cell, and so is what is no number (NaN, infinite) in a column of numbers; empty text is `""`.
- Times are ISO 8601 with their offset.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Literal

import polars as pl

Kind = Literal["whole", "decimal", "double", "single", "truth", "date", "moment", "text"]
"""What a column holds. `single` is a floating-point number of 32 bits, `moment` a time, with a zone or without one."""

# Without it spreadsheets take UTF-8 for the code page of their country, and Arabic for noise.
BOM = b"\xef\xbb\xbf"
# OWASP's list (https://owasp.org/www-community/attacks/CSV_Injection), and the same signs in full width, which Japanese
# spreadsheets read alike. Behind blanks and invisible signs too: some spreadsheets trim a cell before they look at it.
# Polars' regular expressions and ClickHouse's (RE2) both read it so.
FORMULA = r"^([\p{Z}\p{Cc}\p{Cf}]*[=+\-@＝＋－＠]|[\t\n\r])"
_WRAPPED = re.compile(r"(?:nullable|lowcardinality|simpleaggregatefunction)\((?:\w+, )?(.*)\)", re.DOTALL)
_KINDS: tuple[tuple[str, Kind], ...] = (
    (r"u?int\d*|tinyint|smallint|integer|bigint", "whole"),
    (r"decimal\d*", "decimal"),
    (r"double|float64", "double"),
    (r"real|b?float\d*", "single"),
    (r"bool|boolean", "truth"),
    (r"date|date32", "date"),
    (r"datetime|datetime64|timestamp", "moment"),
)


def kind_of(type_name: str) -> Kind:
    """What a column holds by its type, in the words of ClickHouse or Trino; what we do not know is text."""
    plain = type_name.lower()
    while found := _WRAPPED.fullmatch(plain):
        plain = found[1]
    base = plain.partition("(")[0].partition(" ")[0]
    return next((kind for pattern, kind in _KINDS if re.fullmatch(pattern, base)), "text")


def escaped(texts: pl.Series) -> pl.Series:
    """Texts that no spreadsheet runs."""
    return texts.str.replace(FORMULA, "'${1}")


def header(names: Sequence[str], bom: bool) -> bytes:
    """The first line of a file, behind a byte-order mark if it is to have one."""
    return (BOM if bom else b"") + lines(escaped(pl.Series([name], dtype=pl.String)) for name in names)


def lines(columns: Iterable[pl.Series]) -> bytes:
    """Rows as lines. Texts must have been escaped, and moments written, by whoever knows what the columns hold."""
    frame = pl.DataFrame([column.alias(str(at)) for at, column in enumerate(columns)])
    if frame.width == 1:  # an empty line is no row to most readers
        frame = frame.cast(pl.String).fill_null("")
    return frame.write_csv(include_header=False, null_value="", quote_style="necessary").encode()


def finite(numbers: pl.Series) -> pl.Series:
    """Floating-point numbers; null for what is none."""
    return numbers.set(~numbers.is_finite().fill_null(True), None)


def cells_sql(sql: str, columns: Iterable[tuple[str, str]]) -> str:
    """A statement for ClickHouse whose columns are the cells of another one's, for its format CSV.

    It names the parameter `zone`: the time zone in which times are written.

    Args:
        columns: names and types that the other one gives.
    """
    # under a name of their own: a bare name would mean the cell beside it that is called so
    cells = ", ".join(f"{_cell(f'q.{quoted(name)}', kind)} as {quoted(name)}" for name, kind in columns)
    return f"select {cells}\nfrom (\n{sql}\n) as q"


def quoted(name: str) -> str:
    """A column's name in ClickHouse's SQL."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _cell(column: str, type_name: str) -> str:
    kind = kind_of(type_name)
    if kind in ("double", "single"):
        return f"if(isFinite({column}), {column}, null)"
    if kind == "moment":
        offset = f"replaceRegexpOne(formatDateTime({column}, '%z', {{zone:String}}), '(..)$', ':\\\\1')"
        return f"concat(replaceOne(toString({column}, {{zone:String}}), ' ', 'T'), {offset})"
    if kind == "text":
        formula = FORMULA.replace("\\", "\\\\")
        return f"replaceRegexpOne(toString({column}), '{formula}', '\\'\\\\1')"
    return column
