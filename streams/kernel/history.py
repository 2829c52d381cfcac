"""What reference records said of each key, and from when on: the version of a record that held at an instant."""

import threading
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.kernel.compiled import compiled
from streams.kernel.dictionary import NONE, Dictionary, grown

_FIRST = 1_024
_FREE, _USED = range(2)
# Values that no version has any more are let go when they are most of the dictionary, and more than this.
_STALE = 100_000

Version = tuple[int, Sequence[str | None]]
"""From when on it holds, in µs since 1970 UTC; and its attributes."""


class History:
    """The versions of a reference source's records by key. Thread-safe.

    A key has a chain of versions, the latest first; a version has its attributes by their number in a dictionary: 12 bytes a
    version and 4 an attribute, beside the dictionaries. It grows with the keys and their versions.
    """

    def __init__(self, attributes: Sequence[str]) -> None:
        self.attributes = tuple(attributes)
        self._keys, self._values = Dictionary(), Dictionary()
        self._first = np.full(_FIRST, NONE, np.int32)
        self._since = np.zeros(_FIRST, np.int64)
        self._next = np.full(_FIRST, NONE, np.int32)
        self._numbers = np.full((_FIRST, len(attributes)), NONE, np.int32)
        self._rows = np.array([NONE, 0], np.int64)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many keys are known."""
        return len(self._keys)

    def replace(self, records: Iterable[tuple[str, Sequence[Version]]]) -> None:
        """Take the versions of some keys instead of those that are known.

        Args:
            records: by key its versions, at least one, the latest first, no two from the same instant on.
        """
        listed = list(records)
        versions = [version for _, of_key in listed for version in of_key]
        counts = np.array([len(of_key) for _, of_key in listed], np.int64)
        since = np.array([at for at, _ in versions], np.int64)
        with self._lock:
            keys = self._keys.number(pa.array([key for key, _ in listed], pa.large_string()))
            numbers = np.full((len(versions), len(self.attributes)), NONE, np.int64)
            for place in range(len(self.attributes)):
                numbers[:, place] = self._values.number(pa.array([v[place] for _, v in versions], pa.large_string()))
            self._first = grown(self._first, len(self._keys), NONE)
            rows = int(self._rows[_USED]) + len(versions)
            self._since, self._next = grown(self._since, rows), grown(self._next, rows, NONE)
            self._numbers = grown(self._numbers, rows, NONE)
            _replace(keys, counts, since, numbers, self._first, self._next, self._since, self._numbers, self._rows)
            if len(self._values) > max(_STALE, 2 * self._numbers[: self._rows[_USED]].size):
                self._let_go()

    def _let_go(self) -> None:
        """Keep of the values those that a version has."""
        living = self._numbers != NONE
        numbers, places = np.unique(self._numbers[living], return_inverse=True)
        values = Dictionary()
        self._numbers[living] = values.number(self._values.take(numbers.astype(np.int64)))[places]
        self._values = values

    def look_up(
        self, keys: pa.Array, times: npt.NDArray[np.int64], attributes: Iterable[str] = ()
    ) -> tuple[npt.NDArray[np.bool_], dict[str, pa.Array]]:
        """What was known of keys.

        Args:
            keys: text; null is no key.
            times: for each key the instant, in µs since 1970 UTC.
        Returns:
            which keys a record has named, from whenever on; and the attributes of the version with the latest `effective_from`
            not after the instant, null where there is none.
        """
        with self._lock:
            numbers = self._keys.find(keys)
            rows = np.empty(len(numbers), np.int64)
            _hold_at(numbers, times, self._first, self._next, self._since, rows)
            found = {
                name: self._values.take(np.where(rows != NONE, self._numbers[rows, self.attributes.index(name)], NONE))
                for name in attributes
            }
        return numbers != NONE, found


@compiled
def _replace(
    keys: Any,
    counts: Any,
    since: Any,
    numbers: Any,
    first: Any,
    following: Any,
    rows_since: Any,
    rows_numbers: Any,
    rows: Any,
) -> None:
    """Give back the rows of what was known of the keys, and take others.

    Args:
        rows: the first row of those that were given back (they are a chain, too), and how many rows were ever taken.
    """
    at = 0
    for i in range(len(keys)):
        row = first[keys[i]]
        while row != NONE:
            after = following[row]
            following[row] = rows[_FREE]
            rows[_FREE] = row
            for place in range(rows_numbers.shape[1]):
                rows_numbers[row, place] = NONE
            row = after
        last = NONE
        for _ in range(counts[i]):
            row = rows[_FREE]
            if row == NONE:
                row = rows[_USED]
                rows[_USED] += 1
            else:
                rows[_FREE] = following[row]
            rows_since[row] = since[at]
            for place in range(rows_numbers.shape[1]):
                rows_numbers[row, place] = numbers[at, place]
            following[row] = NONE
            if last == NONE:
                first[keys[i]] = row
            else:
                following[last] = row
            last = row
            at += 1


@compiled
def _hold_at(keys: Any, times: Any, first: Any, following: Any, since: Any, rows: Any) -> None:
    """The row of the version that holds at an instant, by number of key; -1: none."""
    for i in range(len(keys)):
        row = NONE
        if keys[i] != NONE:
            row = int(first[keys[i]])
            while row != NONE and since[row] > times[i]:
                row = int(following[row])
        rows[i] = row
