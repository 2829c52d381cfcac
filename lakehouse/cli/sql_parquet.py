"""Writes a result as Parquet, with the types that Trino and ClickHouse name."""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.cli.sql_result import Row, distinct, value_text

# A row group: large enough to compress and to skip, small enough to hold as Python values.
_GROUP_ROWS = 50_000
_SIMPLE = {
    "boolean": pa.bool_(), "bool": pa.bool_(),
    "tinyint": pa.int8(), "smallint": pa.int16(), "integer": pa.int32(), "bigint": pa.int64(),
    "int8": pa.int8(), "int16": pa.int16(), "int32": pa.int32(), "int64": pa.int64(),
    "uint8": pa.uint8(), "uint16": pa.uint16(), "uint32": pa.uint32(), "uint64": pa.uint64(),
    "real": pa.float32(), "float32": pa.float32(), "double": pa.float64(), "float64": pa.float64(),
    "date": pa.date32(), "date32": pa.date32(), "time": pa.time64("us"), "varbinary": pa.binary(),
    "timestamp": pa.timestamp("us"), "timestamp with time zone": pa.timestamp("us", "UTC"),
    "datetime": pa.timestamp("us", "UTC"), "datetime64": pa.timestamp("us", "UTC"),
    "unknown": pa.null(), "nothing": pa.null(),
}  # fmt: skip
# More digits than this fit no Parquet reader's decimal.
_DIGITS = 38

Convert = Callable[[Any], Any]


def write_parquet(rows: Iterator[Row], names: Sequence[str], types: Sequence[str], out: BinaryIO) -> None:
    """Write all rows, a row group at a time. Types that Parquet has no word for become text."""
    columns = [arrow_type(one) for one in types]
    schema = pa.schema([(name, kind) for name, (kind, _) in zip(distinct(names), columns, strict=True)])
    with pq.ParquetWriter(_Counting(out), schema, compression="zstd") as writer:
        while group := list(islice(rows, _GROUP_ROWS)):
            arrays = [
                pa.array([None if row[at] is None else convert(row[at]) for row in group], kind)
                for at, (kind, convert) in enumerate(columns)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def arrow_type(name: str) -> tuple[pa.DataType, Convert]:
    """Arrow's type for one of the engines' types, and what makes a value of it out of a client's value."""
    base, arguments, rest = _parts(name)
    if base in ("nullable", "lowcardinality"):
        return arrow_type(arguments[0])
    if base == "decimal" and int(arguments[0]) <= _DIGITS:
        return pa.decimal128(int(arguments[0]), int(arguments[1]) if len(arguments) > 1 else 0), _same
    if base == "array":
        kind, convert = arrow_type(arguments[0])
        return pa.list_(kind), lambda value: [_maybe(convert, one) for one in value]
    if base == "map":
        (key, of_key), (kind, convert) = arrow_type(arguments[0]), arrow_type(arguments[1])
        return pa.map_(key, kind), lambda value: [(of_key(k), _maybe(convert, v)) for k, v in value.items()]
    if base in ("row", "tuple"):
        return _struct(arguments)
    known = _SIMPLE.get(base + rest)
    return (pa.string(), value_text) if known is None else (known, _same)


def _struct(arguments: list[str]) -> tuple[pa.DataType, Convert]:
    members = [re.fullmatch(r'(?:("(?:[^"]|"")*"|`[^`]*`|\w+) )?(\w.*)', one, re.DOTALL) for one in arguments]
    found = [(m[1], m[2]) if m else (None, one) for m, one in zip(members, arguments, strict=True)]
    names = distinct([(name or f"field_{number}").strip('"`') for number, (name, _) in enumerate(found, start=1)])
    kinds = [arrow_type(kind) for _, kind in found]
    make = [(name, convert) for name, (_, convert) in zip(names, kinds, strict=True)]

    def convert(value: Any) -> dict[str, Any]:
        values = value.values() if isinstance(value, dict) else value
        return {name: _maybe(of, one) for (name, of), one in zip(make, values, strict=True)}

    return pa.struct([(name, kind) for name, (kind, _) in zip(names, kinds, strict=True)]), convert


def _parts(name: str) -> tuple[str, list[str], str]:
    """`decimal(18, 4)` as base, arguments and what stands after them, as in `timestamp(6) with time zone`."""
    base, opened, after = name.partition("(")
    if not opened:
        return name.lower(), [], ""
    inner, _, rest = after.rpartition(")")
    arguments, depth, quoted, begin = [], 0, "", 0
    for at, sign in enumerate(inner):
        if quoted:
            quoted = "" if sign == quoted else quoted
        elif sign in "\"`'":
            quoted = sign
        elif sign == "," and not depth:
            arguments.append(inner[begin:at].strip())
            begin = at + 1
        else:
            depth += (sign == "(") - (sign == ")")
    return base.lower(), [*arguments, inner[begin:].strip()], rest.lower()


def _same(value: Any) -> Any:
    return value


def _maybe(convert: Convert, value: Any) -> Any:
    return None if value is None else convert(value)


class _Counting(io.RawIOBase):
    """Knows its position, which a pipe does not; the Parquet writer asks for it."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._at = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._out.write(data)
        size = memoryview(data).nbytes
        self._at += size
        return size

    def tell(self) -> int:
        return self._at
