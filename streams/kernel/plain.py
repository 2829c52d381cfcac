"""Strings as they are meant: spans without white space at their ends, and escapes written out."""

from typing import Any

import numpy as np
import numpy.typing as npt

from streams.kernel.compiled import compiled, frozen
from streams.kernel.scan import ESCAPED, STRING
from streams.kernel.text import after_blank, put_text, trimmed_end


def plain(data: npt.NDArray[np.uint8], kinds: Any, begins: Any, ends: Any) -> npt.NDArray[np.uint8]:
    """Change what `scan` found so that every string is a STRING between its trimmed ends.

    Returns:
        the bytes in which they stand: the messages, and behind them what escapes were written out to.
    """
    room = _room(kinds, begins, ends)
    found = data
    if room:
        found = np.empty(len(data) + room, np.uint8)
        found[: len(data)] = data
        _write_out(found, len(data), kinds, begins, ends)
        found = frozen(found)
    _trim(found, kinds, begins, ends)
    return found


@compiled
def _room(kinds: Any, begins: Any, ends: Any) -> int:
    size = 0
    for field in range(kinds.shape[0]):
        for row in range(kinds.shape[1]):
            if kinds[field, row] == ESCAPED:
                size += ends[field, row] - begins[field, row]
    return size


@compiled
def _write_out(found: Any, at: int, kinds: Any, begins: Any, ends: Any) -> None:
    for field in range(kinds.shape[0]):
        for row in range(kinds.shape[1]):
            if kinds[field, row] == ESCAPED:
                last = put_text(found, begins[field, row], ends[field, row], found, at)
                kinds[field, row], begins[field, row], ends[field, row] = STRING, at, last
                at = last


@compiled
def _trim(data: Any, kinds: Any, begins: Any, ends: Any) -> None:
    for field in range(kinds.shape[0]):
        for row in range(kinds.shape[1]):
            if kinds[field, row] == STRING:
                begin, end = begins[field, row], ends[field, row]
                # white space is what no value begins or ends with, so most are looked at by their first and last byte
                if 0x20 < data[begin] < 0x80 and 0x20 < data[end - 1] < 0x80:
                    continue
                begins[field, row] = after_blank(data, begin, end, False)
                ends[field, row] = trimmed_end(data, begins[field, row], end)
