"""An index of texts: which row of a column has a key."""

import secrets
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.kernel.arrow import buffers
from streams.kernel.compiled import compiled
from streams.kernel.names import hash_of

NONE = -1
# Another one in each process: who writes keys must not know which of them meet in a bucket.
_SEED = secrets.randbits(31)


class Keys:
    """The places of keys, which are unique, by their text: 4 to 8 bytes a key beside the column itself."""

    def __init__(self, column: pa.Array) -> None:
        """Args:
        column: text without nulls.
        """
        self._text, self._places, there = buffers(column)
        self._buckets = np.full(1 << (2 * len(column)).bit_length(), NONE, np.int32)
        _build(self._text, self._places, there, self._buckets, _SEED)

    def find(self, column: pa.Array) -> npt.NDArray[np.int64]:
        """The row of each text; -1 where no key is like it, and for nulls."""
        rows = np.empty(len(column), np.int64)
        _find(*buffers(column), self._text, self._places, self._buckets, _SEED, rows)
        return rows


@compiled
def _row_of(
    text: Any, begin: int, end: int, key_text: Any, key_places: Any, buckets: Any, seed: int
) -> tuple[int, int]:
    """The row of a key (-1: none) and its bucket, or the free one where it would stand."""
    last = len(buckets) - 1
    at = hash_of(text, begin, end, seed) & last
    while buckets[at] != NONE:
        row = int(buckets[at])
        first = key_places[row]
        same = key_places[row + 1] - first == end - begin
        if same:
            for i in range(end - begin):
                if text[begin + i] != key_text[first + i]:
                    same = False
                    break
        if same:
            return row, at
        at = (at + 1) & last
    return NONE, at


@compiled
def _build(text: Any, places: Any, there: Any, buckets: Any, seed: int) -> None:
    for row in range(len(there)):
        if there[row]:
            _, at = _row_of(text, places[row], places[row + 1], text, places, buckets, seed)
            buckets[at] = row


@compiled
def _find(
    text: Any, places: Any, there: Any, key_text: Any, key_places: Any, buckets: Any, seed: int, rows: Any
) -> None:
    for row in range(len(there)):
        rows[row] = NONE
        if there[row]:
            rows[row], _ = _row_of(text, places[row], places[row + 1], key_text, key_places, buckets, seed)
