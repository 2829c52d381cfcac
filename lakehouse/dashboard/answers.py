"""What ClickHouse answers, as values that JSON takes to a browser without loss, and not more than a page can hold."""

import re
import time
from dataclasses import dataclass
from typing import Any

import orjson

from lakehouse.copies.server import Server
from lakehouse.csv_cells import quoted
from lakehouse.dashboard.query import Query

# A line of names, one of types, and a line a row: whole lines of an answer that is cut can be read.
_FORM = "JSONCompactEachRowWithNamesAndTypes"
_LIMITS = {
    # Whole numbers of 64 bits and more come as text, decimals too, and what is no number as null.
    "output_format_json_quote_64bit_integers": 1,
    "output_format_json_quote_decimals": 1,
    "output_format_json_quote_denormals": 0,
    "output_format_json_validate_utf8": 1,
    # A panel that is not there after 20 s is of no use.
    "max_execution_time": 20,
}
# A screen of text. Rejected messages have reasons of megabytes, and a piece of rows has 200.
TEXT_LENGTH = 2_000
# 200 rows with ten texts of that length, or 20,000 groups of 200 bytes: more is no page, and a file has all of it.
MOST_BYTES = 4 << 20
# A browser's numbers are IEEE 754 doubles: beyond it two whole numbers may look the same.
_EXACT = 2**53 - 1
_COUNT = re.compile(r"(?:LowCardinality\()?(?:Nullable\()?U?Int64\)*")
_TEXT = re.compile(r"(?:LowCardinality\()?(?:Nullable\()?String\)*")


@dataclass(frozen=True)
class Answer:
    """Columns and rows of a query.

    Attributes:
        took_ms: how long it took.
        size_bytes: of what ClickHouse sent.
        cut: texts are shortened and end in an ellipsis, or rows are missing at the end.
    """

    columns: list[str]
    rows: list[list[Any]]
    took_ms: float = 0.0
    size_bytes: int = 0
    cut: bool = False


def ask(server: Server, query: Query) -> Answer:
    """Run a query. Its `texts` are shortened to `TEXT_LENGTH`, by ClickHouse, and the answer ends within `MOST_BYTES`.

    Raises:
        Retry: ClickHouse does not answer.
        LakehouseError: it refuses.
    """
    began = time.perf_counter()
    raw = server.answer(_shortened(query), query.parameters, _FORM, _LIMITS, MOST_BYTES)
    took_ms = (time.perf_counter() - began) * 1000
    whole = len(raw) < MOST_BYTES
    lines = raw.splitlines() if whole else raw[: raw.rfind(b"\n")].splitlines()
    columns, types, *rows = orjson.loads(b"[" + b",".join(lines) + b"]")
    for at, name in enumerate(types):
        if _COUNT.fullmatch(name):
            for row in rows:
                row[at] = _exact(row[at])
    texts = [at for at, name in enumerate(columns) if name in query.texts]
    cut = not whole or any(row[at] is not None and len(row[at]) > TEXT_LENGTH for at in texts for row in rows)
    return Answer(columns, rows, took_ms, len(raw), cut)


def texts_of(columns: Answer) -> tuple[str, ...]:
    """Those columns that hold text, out of the answer to a `columns_query`."""
    return tuple(name for name, kind, *_ in columns.rows if _TEXT.fullmatch(kind))


def _shortened(query: Query) -> str:
    if not query.texts:
        return query.sql
    of = {quoted(name): f"q.{quoted(name)}" for name in query.texts}
    cells = ", ".join(
        f"if(lengthUTF8({text}) > {TEXT_LENGTH}, concat(leftUTF8({text}, {TEXT_LENGTH}), '…'), {text}) as {name}"
        for name, text in of.items()
    )
    return f"select * replace({cells})\nfrom (\n{query.sql}\n) as q"


def _exact(text: str | None) -> int | str | None:
    """A whole number of 64 bits: as a number as far as a browser has it, else as text."""
    number = None if text is None else int(text)
    return text if number is not None and abs(number) > _EXACT else number
