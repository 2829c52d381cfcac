"""Prints results of `lakehouse sql`: tables for people; CSV, JSON and Parquet of any size in little memory."""

import contextlib
import io
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lakehouse.cli.sql_result import Result, Row, distinct, value_json, value_text
from lakehouse.cli.terminal import visible
from lakehouse.errors import LakehouseError, UsageError

FORMATS = ("table", "csv", "json", "parquet")
_SUFFIXES = {".csv": "csv", ".json": "json", ".parquet": "parquet", ".txt": "csv"}
_LONG = re.compile(r"^(?:LowCardinality\(|Nullable\()*U?Int(?:128|256)\b")
# How long rows that a table does not show are counted before we say "at least" and cancel the query.
_COUNT_S = 2.0
# Where no terminal limits the width, nothing is folded or cut.
_WIDE = 100_000

Count = Callable[[int], None]
"""Called with the number of rows written so far."""


def format_of(path: str | None) -> str:
    """The format for an output file when none was asked for; `table` without a file, CSV where its name says nothing.

    Raises:
        UsageError: its name ends in something that is none of our formats.
    """
    if path is None:
        return "table"
    suffix = Path(path).suffix.lower()
    if suffix and suffix not in _SUFFIXES:
        raise UsageError(
            f"{path}: {suffix} is none of {', '.join(_SUFFIXES)}; --format says what to write all the same"
        )
    return _SUFFIXES.get(suffix, "csv")


def is_plain_file(path: str) -> bool:
    """Whether it is a file, there already or not; a pipe, a device or a link (as /dev/stdout is one) is none."""
    return not Path(path).is_symlink() and (Path(path).is_file() or not Path(path).exists())


@contextlib.contextmanager
def destination(path: str | None) -> Iterator[BinaryIO]:
    """Standard output, or a file that appears under its name when it is complete.

    Raises:
        LakehouseError: it cannot be written.
    """
    if path is None:
        yield sys.stdout.buffer
        with contextlib.suppress(ValueError):  # closed by a reader that has seen enough
            sys.stdout.buffer.flush()
        return
    target = Path(path)
    # a pipe or a device cannot be put in place of, and in place of /dev/stdout it would be everybody's
    partial = target.with_name(f".{target.name}.partial") if is_plain_file(path) else target
    try:
        with partial.open("wb") as out:
            yield out
        os.replace(partial, target)
    except OSError as error:
        raise LakehouseError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if partial != target:
            partial.unlink(missing_ok=True)


class Output:
    """Writes one result after the other in one format.

    Attributes:
        rows: written so far, of all results.
        on_count: called with them now and then.
    """

    def __init__(self, form: str, out: BinaryIO, limit: int = 0, bom: bool = False) -> None:
        """Prepare.

        Args:
            form: one of FORMATS.
            out: where to.
            limit: rows that a table shows at most; 0 is all.
            bom: whether a CSV file begins with a byte-order mark.
        """
        self._form = form
        self._out = out
        self._limit = limit
        self._bom = bom
        self._results = 0
        self.rows = 0
        self.on_count: Count = lambda count: None

    def put(self, result: Result) -> None:
        """Write a result; of a statement without rows what it did, where a person reads it."""
        if not result.names:
            self._said(result.done)
            return
        self._results += 1
        if self._form == "table":
            self._table(result)
        elif self._form == "csv":
            self._csv(result)
        elif self._form == "json":
            self._json(result)
        elif self._results > 1:
            raise LakehouseError("a Parquet file holds one result, and this is a second one; run it by itself")
        else:
            from lakehouse.cli.sql_parquet import write_parquet

            write_parquet(self._counted(result), result.names, result.types, self._out)

    def _said(self, done: str) -> None:
        if self._form == "table":
            self._out.write(f"{done}\n".encode())
            self._out.flush()
        else:
            print(done, file=sys.stderr)

    def _counted(self, result: Result) -> Iterator[Row]:
        for block in self._counted_blocks(result):
            yield from block

    def _counted_blocks(self, result: Result) -> Iterator[Sequence[Row]]:
        for block in result.blocks:
            yield block
            self.rows += len(block)
            self.on_count(self.rows)

    def _csv(self, result: Result) -> None:
        from lakehouse.cli.sql_csv import write_csv

        if self._results > 1:
            self._out.write(b"\n")
        blocks, bom = self._counted_blocks(result), self._bom and self._results == 1
        write_csv(blocks, result.names, result.types, self._out, bom)

    def _json(self, result: Result) -> None:
        names, before = distinct(result.names), b"["
        # surrogate keys and the like: text in each row, not only where they are long
        long = [name for name, kind in zip(names, result.types, strict=True) if _LONG.search(kind)]
        for row in self._counted(result):
            told = dict(zip(names, row, strict=True))
            for name in long:
                told[name] = None if told[name] is None else value_text(told[name])
            self._out.write(before + value_json(told))
            before = b",\n "
        self._out.write(b"]\n" if before != b"[" else b"[]\n")

    def _table(self, result: Result) -> None:
        shown: list[Row] = []
        rows = self._counted(result)
        for row in rows:
            shown.append(row)
            if self._limit and len(shown) >= self._limit:
                break
        more, at_least = _count(rows) if self._limit else (0, False)
        console = Console(file=None if self._out is sys.stdout.buffer else io.StringIO())
        if not console.is_terminal:
            console = Console(file=io.StringIO(), width=_WIDE)
        if fits(result.names, shown, console.width):
            console.print(rich_table(result.names, shown))
        else:
            for block in blocks(result.names, shown):
                console.print(block, soft_wrap=True)
        console.print(_closing(len(shown), more, at_least), highlight=False, soft_wrap=True)
        if isinstance(console.file, io.StringIO):
            self._out.write(console.file.getvalue().encode())


def _cell(value: Any) -> str:
    """A value in a line of a terminal."""
    return visible(value_text(value, " "))


def fits(names: list[str], rows: list[Row], width: int) -> bool:
    """Whether a table of these rows can be drawn without cutting a name or a value."""
    texts = [[visible(name), *(_cell(row[i]) for row in rows)] for i, name in enumerate(names)]
    widest = [max(map(len, column)) for column in texts]
    return sum(widest) + 3 * len(names) + 1 <= width


def blocks(names: list[str], rows: list[Row]) -> Iterator[Text]:
    """The rows one below the other, a line a column: what a terminal too narrow for a table can show."""
    widest = max((len(visible(name)) for name in names), default=0)
    for number, row in enumerate(rows, start=1):
        yield Text(f"row {number}", style="bold")
        for name, value in zip(names, row, strict=True):
            shown = Text("null", style="dim") if value is None else Text(_cell(value))
            yield Text(f"  {visible(name).ljust(widest)}  ", style="dim").append_text(shown)


def rich_table(names: list[str], rows: list[Row]) -> Table:
    """A table of values, numbers to the right."""
    table = Table()
    for number, name in enumerate(names):
        values = [row[number] for row in rows if row[number] is not None]
        numeric = bool(values) and all(isinstance(v, int | float | Decimal) and not isinstance(v, bool) for v in values)
        table.add_column(Text(visible(name)), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(Text("null", style="dim") if v is None else Text(_cell(v)) for v in row))
    return table


def _count(rows: Iterator[Row]) -> tuple[int, bool]:
    """How many rows are left, and whether there are more than these."""
    count, until = 0, time.monotonic() + _COUNT_S
    for _ in rows:
        count += 1
        if time.monotonic() > until:
            return count, True
    return count, False


def _closing(shown: int, more: int, at_least: bool) -> str:
    total = f"{shown:,} row{'' if shown == 1 else 's'}"
    if not more:
        return total
    return (
        f"{total} shown, {'at least ' if at_least else ''}{more:,} more not"
        " (--limit-rows 0 shows all, --output FILE.csv writes all)"
    )
