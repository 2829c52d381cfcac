"""Text columns: strings as they stand, whole numbers by their digits; and which texts are in a list."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.kernel.arrow import text_array
from streams.kernel.compiled import compiled
from streams.kernel.json_text import MINUS, ZERO
from streams.kernel.names import find_name, hashed
from streams.kernel.numbers import whole_number
from streams.kernel.scan import EMPTY, NUMBER, STRING

# What became of a text.
NONE, READ, WRONG, LONG = range(4)
# A whole number of 64 bits has so many digits at most, and a number of fewer signs may stand for it.
_DIGITS = 20


class Texts(NamedTuple):
    """Text of rows, being written: bytes, where each row's begin (one more than rows), and what became of each."""

    out: Any
    places: Any
    states: Any

    @classmethod
    def room(cls, rows: int, bytes_at_most: int) -> "Texts":
        """Room for rows of at most so many bytes together."""
        return cls(np.empty(bytes_at_most, np.uint8), np.empty(rows + 1, np.int64), np.empty(rows, np.uint8))

    def array(self, there: npt.NDArray[np.bool_]) -> pa.Array:
        """As an Arrow column; null where there is nothing."""
        return text_array(self.out, self.places, there)


def read_strings(data: Any, kinds: Any, begins: Any, ends: Any, most: int) -> Texts:
    """Read a field as text; of more than `most` bytes it is LONG, and empty."""
    texts = Texts.room(len(kinds), room_of(kinds, begins, ends))
    _read_strings(data, kinds, begins, ends, most, *texts)
    return texts


@compiled
def room_of(kinds: Any, begins: Any, ends: Any) -> int:
    """Bytes that the texts of a field take at most."""
    size = 0
    for row in range(len(kinds)):
        if kinds[row] == STRING:
            size += ends[row] - begins[row]
        elif kinds[row] == NUMBER:
            size += _DIGITS
    return size


@compiled
def put_digits(out: Any, at: int, number: int) -> int:
    """Write a whole number of 64 bits; gives the place after it."""
    if number < 0:
        out[at] = MINUS
        at += 1
    else:
        number = -number  # below zero there is room for the smallest, too
    size, left = 1, number
    while left <= -10:
        left = (left + (10 - left % 10) % 10) // 10
        size += 1
    for place in range(at + size - 1, at - 1, -1):
        digit = (10 - number % 10) % 10
        out[place] = ZERO + digit
        number = (number + digit) // 10
    return at + size


@compiled
def _read_strings(data: Any, kinds: Any, begins: Any, ends: Any, most: int, out: Any, places: Any, states: Any) -> None:
    at = 0
    for row in range(len(kinds)):
        places[row] = at
        if kinds[row] == STRING:
            if ends[row] - begins[row] > most:
                states[row] = LONG
                continue
            for i in range(begins[row], ends[row]):
                out[at] = data[i]
                at += 1
            states[row] = READ
        elif kinds[row] == NUMBER:
            number, good = whole_number(data, begins[row], ends[row])
            states[row] = READ if good else WRONG
            if good:
                at = put_digits(out, at, number)
        else:
            states[row] = WRONG if kinds[row] > EMPTY else NONE
    places[len(kinds)] = at


class Words(NamedTuple):
    """Lists of words as tables: which list has which text.

    Attributes:
        text: all words' bytes, one after the other.
        table: a row a word: where it begins and ends in `text`, and its list.
        buckets: the number of a word by its hash (see `names`).
    """

    text: Any
    table: Any
    buckets: Any

    @classmethod
    def of(cls, lists: Iterable[Iterable[str]]) -> "Words":
        """The words of several lists, which are numbered in their order."""
        found = [(word.encode(), number) for number, words in enumerate(lists) for word in sorted(words)]
        ends = np.cumsum([len(word) for word, _ in found]) if found else np.empty(0, np.int64)
        rows = [(end - len(word), end, number) for end, (word, number) in zip(ends, found, strict=True)]
        table = np.array(rows, np.int64).reshape(-1, 3)
        text = np.frombuffer(b"".join(word for word, _ in found), np.uint8)
        return cls(text, table, hashed(text, table))


@compiled
def find_outside(
    out: Any, places: Any, states: Any, number: int, text: Any, table: Any, buckets: Any, outside: Any
) -> None:
    """Mark the rows whose text is read and not in a list."""
    for row in range(len(states)):
        outside[row] = (
            states[row] == READ and find_name(out, places[row], places[row + 1], number, text, table, buckets) < 0
        )
