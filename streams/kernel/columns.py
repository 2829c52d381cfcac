"""What the scan found as Arrow columns: for each field the strings (unescaped, trimmed), and the JSON text of all else."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.kernel.compiled import compiled
from streams.kernel.scan import ABSENT, EMPTY, ESCAPED, STRING
from streams.kernel.text import put_text, trimmed_begin, trimmed_end


def columns(data: npt.NDArray[np.uint8], kinds: Any, begins: Any, ends: Any) -> list[tuple[pa.Array, pa.Array]]:
    """For each field its strings and its other values as text; null where the other one, or neither, has something.

    All of them lie in one buffer. Of an object or array the text is its bracket alone.

    Args:
        data: the bytes of all messages.
        kinds, begins, ends: what `scan` found, by field and message.
    """
    fields, rows = kinds.shape
    out = np.empty(_room(kinds, begins, ends), np.uint8)
    places = np.empty((2, fields, rows + 1), np.int64)
    counts = np.zeros((2, fields), np.int64)
    _fill(data, kinds, begins, ends, out, places, counts)
    bytes_of_all = pa.py_buffer(out)
    strings = (kinds == STRING) | (kinds == ESCAPED)
    found = []
    for field in range(fields):
        pair = []
        for which, there in ((0, strings[field]), (1, ~strings[field] & (kinds[field] > EMPTY))):
            count = int(counts[which, field])
            if not count:
                pair.append(pa.nulls(rows, pa.large_string()))
                continue
            valid = None if count == rows else pa.py_buffer(np.packbits(there, bitorder="little"))
            offsets = pa.py_buffer(places[which, field])
            pair.append(pa.LargeStringArray.from_buffers(rows, offsets, bytes_of_all, valid, rows - count))
        found.append((pair[0], pair[1]))
    return found


@compiled
def _room(kinds: Any, begins: Any, ends: Any) -> int:
    """Bytes that all texts take at most."""
    size = 0
    for field in range(kinds.shape[0]):
        for row in range(kinds.shape[1]):
            if kinds[field, row] > EMPTY:
                size += ends[field, row] - begins[field, row]
    return size


@compiled
def _fill(data: Any, kinds: Any, begins: Any, ends: Any, out: Any, places: Any, counts: Any) -> None:
    at = 0
    for field in range(kinds.shape[0]):
        for row in range(kinds.shape[1]):
            places[0, field, row] = at
            kind = kinds[field, row]
            if kind == STRING:
                first = trimmed_begin(data, begins[field, row], ends[field, row])
                for i in range(first, trimmed_end(data, first, ends[field, row])):
                    out[at] = data[i]
                    at += 1
            elif kind == ESCAPED:
                at = put_text(data, begins[field, row], ends[field, row], out, at)
            else:
                continue
            counts[0, field] += 1
        places[0, field, kinds.shape[1]] = at
        for row in range(kinds.shape[1]):
            places[1, field, row] = at
            kind = kinds[field, row]
            if kind == ABSENT or kind == EMPTY or kind == STRING or kind == ESCAPED:
                continue
            for i in range(begins[field, row], ends[field, row]):
                out[at] = data[i]
                at += 1
            counts[1, field] += 1
        places[1, field, kinds.shape[1]] = at
