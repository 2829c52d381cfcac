"""What ClickHouse answers, as values that JSON takes to a browser without loss."""

import re
from dataclasses import dataclass
from typing import Any

import orjson

FORM = "JSONCompactEachRowWithNamesAndTypes"
"""The format that is read here: a line of names, one of types, and a line a row."""

# Whole numbers of 64 bits and more come as text, decimals too, and what is no number as null.
LIMITS = {
    "output_format_json_quote_64bit_integers": 1,
    "output_format_json_quote_decimals": 1,
    "output_format_json_quote_denormals": 0,
    "output_format_json_validate_utf8": 1,
}
# A browser's numbers are IEEE 754 doubles: beyond it two whole numbers may look the same.
_EXACT = 2**53 - 1
_COUNT = re.compile(r"(?:LowCardinality\()?(?:Nullable\()?U?Int64\)*")


@dataclass(frozen=True)
class Answer:
    """Columns and rows of a query, and the milliseconds that it took."""

    columns: list[str]
    rows: list[list[Any]]
    took_ms: float


def read(raw: bytes, took_ms: float) -> Answer:
    """An answer in `FORM`.

    Whole numbers of 64 bits are numbers as far as a browser has them, and else text; those of types with more bits are text.
    """
    columns, types, *rows = orjson.loads(b"[" + b",".join(raw.splitlines()) + b"]")
    for at, name in enumerate(types):
        if _COUNT.fullmatch(name):
            for row in rows:
                row[at] = _exact(row[at])
    return Answer(columns, rows, took_ms)


def _exact(text: str | None) -> int | str | None:
    number = None if text is None else int(text)
    return text if number is not None and abs(number) > _EXACT else number
