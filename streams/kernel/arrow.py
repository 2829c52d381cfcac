"""Arrow columns as the arrays that the kernel reads and writes, and back."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.kernel.compiled import frozen


def array_of(kind: pa.DataType, there: npt.NDArray[np.bool_], *contents: npt.NDArray[Any]) -> pa.Array:
    """A column of its buffers but the first; null where there is nothing."""
    rows, count = len(there), int(np.count_nonzero(there))
    valid = None if count == rows else pa.py_buffer(np.packbits(there, bitorder="little"))
    buffers = [pa.py_buffer(np.ascontiguousarray(content)) for content in contents]
    return pa.Array.from_buffers(kind, rows, [valid, *buffers], rows - count)


def text_array(out: Any, places: Any, there: npt.NDArray[np.bool_]) -> pa.Array:
    """A column of texts in a buffer, which is let go where there is nothing at all."""
    if not there.any():
        return pa.nulls(len(there), pa.large_string())
    return array_of(pa.large_string(), there, places, out)


def buffers(column: pa.Array) -> tuple[Any, Any, Any]:
    """The bytes of a text or binary column, where each value begins in them (one more than rows), and which rows are there."""
    is_bytes = pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)
    column = column.cast(pa.large_binary() if is_bytes else pa.large_string())
    rows, there = len(column), frozen(np.array(column.is_valid(), np.bool_))
    _, places, content = column.buffers() if rows else (None, None, None)
    begins = np.zeros(rows + 1, np.int64) if places is None else np.frombuffer(places, np.int64)
    first = 0 if places is None else column.offset
    data = np.empty(0, np.uint8) if content is None else np.frombuffer(content, np.uint8)
    return frozen(data), frozen(begins[first : first + rows + 1]), there
