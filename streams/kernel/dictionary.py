"""Distinct texts by number: what Arrow and Parquet call a dictionary, with an index to find a text's number in it."""

import secrets
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.kernel.arrow import buffers
from streams.kernel.columns import texts
from streams.kernel.compiled import compiled, frozen
from streams.kernel.names import hash_of

NONE = -1
_FIRST = 1_024
# Another one in each process: who writes texts must not know which of them meet in a bucket.
_SEED = secrets.randbits(31)


def grown(array: npt.NDArray[Any], size: int, filling: int = 0) -> npt.NDArray[Any]:
    """The array with room for so many rows: twice as large if it has to grow, so that growing costs a constant a row."""
    if size <= len(array):
        return array
    larger = np.full((max(size, 2 * len(array)), *array.shape[1:]), filling, array.dtype)
    larger[: len(array)] = array
    return larger


class Dictionary:
    """Texts, numbered in the order in which they came: 16 to 32 bytes each beside the text itself. Not thread-safe."""

    def __init__(self) -> None:
        self._text = np.empty(8 * _FIRST, np.uint8)
        self._places = np.zeros(_FIRST + 1, np.int64)
        self._buckets = np.full(2 * _FIRST, NONE, np.int32)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def find(self, column: pa.Array) -> npt.NDArray[np.int64]:
        """The number of each text; -1 for one that is not there, and for nulls."""
        numbers = np.empty(len(column), np.int64)
        _find(*buffers(column), self._text, self._places, self._buckets, _SEED, numbers)
        return numbers

    def number(self, column: pa.Array) -> npt.NDArray[np.int64]:
        """The number of each text, which it gets where it is not there yet; -1 for nulls."""
        text, places, there = buffers(column)
        self._make_room(len(column), int(places[-1] - places[0]))
        numbers = np.empty(len(column), np.int64)
        self._count = _number(text, places, there, self._text, self._places, self._buckets, _SEED, self._count, numbers)
        return numbers

    def take(self, numbers: npt.NDArray[np.int64]) -> pa.Array:
        """The texts of numbers; null for -1."""
        there = numbers != NONE
        return texts(frozen(self._text[:]), numbers, self._places[numbers], self._places[numbers + 1], there)

    def _make_room(self, rows: int, size: int) -> None:
        self._text = grown(self._text, int(self._places[self._count]) + size)
        self._places = grown(self._places, self._count + rows + 1)
        if 2 * (self._count + rows) > len(self._buckets):
            self._buckets = np.full(1 << (2 * (self._count + rows)).bit_length(), NONE, np.int32)
            _index(self._text, self._places, self._buckets, _SEED, self._count)


@compiled
def _row_of(
    text: Any, begin: int, end: int, key_text: Any, key_places: Any, buckets: Any, seed: int
) -> tuple[int, int]:
    """The number of a text (-1: none) and its bucket, or the free one where it would stand."""
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
def _index(text: Any, places: Any, buckets: Any, seed: int, count: int) -> None:
    for row in range(count):
        _, at = _row_of(text, places[row], places[row + 1], text, places, buckets, seed)
        buckets[at] = row


@compiled
def _find(
    text: Any, places: Any, there: Any, key_text: Any, key_places: Any, buckets: Any, seed: int, numbers: Any
) -> None:
    for row in range(len(there)):
        numbers[row] = NONE
        if there[row]:
            numbers[row], _ = _row_of(text, places[row], places[row + 1], key_text, key_places, buckets, seed)


@compiled
def _number(
    text: Any,
    places: Any,
    there: Any,
    key_text: Any,
    key_places: Any,
    buckets: Any,
    seed: int,
    count: int,
    numbers: Any,
) -> int:
    """Number texts; gives how many there are then."""
    for row in range(len(there)):
        numbers[row] = NONE
        if not there[row]:
            continue
        begin, end = places[row], places[row + 1]
        number, at = _row_of(text, begin, end, key_text, key_places, buckets, seed)
        if number == NONE:
            number = count
            buckets[at] = number
            for i in range(end - begin):
                key_text[key_places[number] + i] = text[begin + i]
            key_places[number + 1] = key_places[number] + end - begin
            count += 1
        numbers[row] = number
    return count
