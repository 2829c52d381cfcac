"""The records of Kafka batches as columns, without an object a record.

Format: https://kafka.apache.org/documentation/#record. Batches are decompressed already (`worker.record_batches`).
"""

from typing import Any

import numpy as np
import pyarrow as pa

from streams.kernel.arrow import array_of
from streams.kernel.compiled import compiled, inlined

_OFFSET, _TIME, _KEY, _VALUE, _HEADERS, _END = range(6)
_NONE = -1


class Records:
    """Records of one partition, being gathered: offsets, times, keys, values, and which of them have headers."""

    def __init__(self, most: int) -> None:
        """Args:
        most: room for so many.
        """
        self.count = 0
        # offset, time in ms, end of key and of value in their buffers (-1 before: none), where headers stand (-1: none)
        self._found = np.empty((6, most), np.int64)
        self._keys, self._values = np.empty(0, np.uint8), np.empty(0, np.uint8)
        self._sizes = np.zeros(2, np.int64)
        self.headers: dict[int, bytes] = {}
        """By row the bytes of its headers, from their number on."""

    @property
    def nbytes(self) -> int:
        """Bytes of keys, values and headers."""
        return int(self._sizes.sum()) + sum(map(len, self.headers.values()))

    @property
    def full(self) -> bool:
        """Whether there is no room for another one."""
        return self.count == self._found.shape[1]

    def add(
        self, batch: bytes, at: int, span: tuple[int, int], base: int, time_ms: int, fixed_ms: int, enough_bytes: int
    ) -> tuple[int, int]:
        """Take records as long as there is room, and until keys and values are enough.

        Args:
            batch: in it they stand.
            at: from there on.
            span: the offsets that are wanted, the end not among them; of these only such as increase, whatever is written.
            base, time_ms: what their offsets and times are counted from.
            fixed_ms: the time of all of them; -1: each has its own.
        Returns:
            the place after the last one (-1: it is no record that stands there), and the offset after it.
        """
        self._keys = _with_room(self._keys, int(self._sizes[0]), len(batch) - at)
        self._values = _with_room(self._values, int(self._sizes[1]), len(batch) - at)
        before = self.count
        self.count, at = _add(
            np.frombuffer(batch, np.uint8), at, len(batch), *span, base, time_ms, fixed_ms, before, self._found, self._keys,
            self._values, self._sizes, enough_bytes,
        )  # fmt: skip
        found = self._found[:, before : self.count]
        for row in np.flatnonzero(found[_HEADERS] >= 0).tolist():
            self.headers[before + row] = batch[found[_HEADERS, row] : found[_END, row]]
        return at, int(found[_OFFSET, -1]) + 1 if found.shape[1] else span[0]

    @property
    def offsets(self) -> Any:
        """The records' offsets."""
        return self._found[_OFFSET, : self.count].copy()

    @property
    def times_ms(self) -> Any:
        """The records' times in ms, as they came."""
        return self._found[_TIME, : self.count]

    @property
    def keys(self) -> pa.Array:
        """The keys; null where a record has none."""
        return _binary(self._keys[: self._sizes[0]], self._found[_KEY, : self.count])

    @property
    def values(self) -> pa.Array:
        """The values; null where a record has none."""
        return _binary(self._values[: self._sizes[1]], self._found[_VALUE, : self.count])


def _with_room(buffer: Any, size: int, more: int) -> Any:
    if len(buffer) - size >= more:
        return buffer
    found = np.empty(2 * (size + more), np.uint8)
    found[:size] = buffer[:size]
    return found


def _binary(content: Any, ends: Any) -> pa.Array:
    """A binary column of its bytes and of where each value ends (the complement of that where there is none).

    The bytes are copied: the buffer in which they were gathered is larger, and rows may be held for long.
    """
    there = ends >= 0
    places = np.concatenate([[0], np.where(there, ends, ~ends)]).astype(np.int64)
    return array_of(pa.large_binary(), there, places, content.copy())


@inlined
def _varint(data: Any, at: int, end: int) -> tuple[int, int]:
    """A zigzag number of 32 bits, as Kafka reads it, and the place after it (-1: it has no end)."""
    number = shift = 0
    while at < end and shift < 35:
        byte = int(data[at])
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            number &= 0xFFFFFFFF
            return (number >> 1) ^ -(number & 1), at
        shift += 7
    return 0, -1


@inlined
def _varlong(data: Any, at: int, end: int) -> tuple[int, int]:
    """The same of 64 bits, in up to ten bytes; of the last one only a bit counts."""
    number = shift = 0
    while at < end and shift < 70:
        byte = int(data[at])
        at += 1
        number |= ((byte & 1) << 63) if shift == 63 else ((byte & 0x7F) << shift)
        if byte < 0x80:
            return ((number >> 1) & 0x7FFFFFFFFFFFFFFF) ^ -(number & 1), at
        shift += 7
    return 0, -1


@inlined
def _copied(data: Any, at: int, end: int, out: Any, sizes: Any, which: int) -> tuple[int, int]:
    """Copy bytes that have their length before them; gives where they end in the copy (its complement: there are none), and
    the place after them (-1: they have no end)."""
    size, at = _varint(data, at, end)
    if at < 0 or size > end - at:
        return 0, -1
    put = sizes[which]
    if size < 0:
        return ~put, at
    for i in range(size):
        out[put + i] = data[at + i]
    sizes[which] = put + size
    return put + size, at + size


@compiled
def _add(
    data: Any, at: int, end: int, first: int, beyond: int, base: int, time: int, fixed: int, count: int, found: Any, keys: Any,
    values: Any, sizes: Any, enough: int,
) -> tuple[int, int]:  # fmt: skip
    while at < end and count < found.shape[1] and sizes[0] + sizes[1] < enough:
        size, at = _varint(data, at, end)
        if at < 0 or size < 1 or size > end - at:
            return count, -1
        last = at + size
        later, at = _varlong(data, at + 1, last)
        if at < 0:
            return count, -1
        delta, at = _varint(data, at, last)
        if at < 0:
            return count, -1
        if base + delta < first or base + delta >= beyond:
            at = last
            continue
        found[_OFFSET, count], found[_TIME, count] = base + delta, fixed if fixed >= 0 else time + later
        found[_KEY, count], at = _copied(data, at, last, keys, sizes, 0)
        if at < 0:
            return count, -1
        found[_VALUE, count], at = _copied(data, at, last, values, sizes, 1)
        if at < 0:
            return count, -1
        headers, following = _varint(data, at, last)
        if following < 0:
            return count, -1
        found[_HEADERS, count], found[_END, count] = at if headers != 0 else _NONE, last
        count += 1
        first = base + delta + 1
        at = last
    return count, at
