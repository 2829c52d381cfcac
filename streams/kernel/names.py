"""A contract's member names as tables that the scan looks names up in."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streams.contract import Contract
from streams.kernel.compiled import compiled, inlined

_Ints = npt.NDArray[np.int64]
_Bytes = npt.NDArray[np.uint8]
_NONE = -1
_FIRST_HASH, _PRIME = 0x811C9DC5, 0x01000193  # FNV-1a of 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/


BEGIN, END, LEVEL, SPELLING, GROUP = range(5)


class Names(NamedTuple):
    """The names of each level: 0 is the message itself, the others are its groups.

    Few arrays, since each costs time wherever it is handed on.

    Attributes:
        text: all names' bytes, one after the other.
        table: a row a name: where it begins and ends in `text`, its level, the spelling of a field that it is (-1: none), and
            the level that it opens where its value is an object (-1: none).
        buckets: the number of a name by its hash; -1: none. Two to the power of something, at most half full.
        spellings: where each field's spellings begin; one more than there are fields. They stand in the order in which they
            count.
    """

    text: _Bytes
    table: _Ints
    buckets: _Ints
    spellings: _Ints

    @property
    def levels(self) -> int:
        """How many levels there are."""
        return 1 + int((self.table[:, GROUP] != _NONE).sum())

    @property
    def longest(self) -> int:
        """Bytes of the longest name."""
        return int((self.table[:, END] - self.table[:, BEGIN]).max())

    @classmethod
    def of(cls, contract: Contract) -> "Names":
        """The names of a contract."""
        levels = {group: number for number, group in enumerate(sorted(contract.groups), 1)}
        found = [(group.encode(), 0, _NONE, number) for group, number in levels.items()]
        spellings = [0]
        for f in contract.fields:
            paths = list(dict.fromkeys(f.paths))
            for spelling, path in enumerate(paths, spellings[-1]):
                found.append((path[-1].encode(), levels[path[0]] if len(path) > 1 else 0, spelling, _NONE))
            spellings.append(spellings[-1] + len(paths))
        names = [name for name, *_ in found]
        ends = np.cumsum([len(name) for name in names])
        begins = ends - [len(name) for name in names]
        table = np.array([(*span, *of) for *span, (_, *of) in zip(begins, ends, found, strict=True)], np.int64)
        text = np.frombuffer(b"".join(names), np.uint8)
        return cls(text, table, hashed(text, table), np.array(spellings, np.int64))


def hashed(text: _Bytes, table: _Ints) -> _Ints:
    """The buckets of names, of which `table` has begin, end and level first."""
    buckets = np.full(1 << (2 * len(table)).bit_length(), _NONE, np.int64)
    for name, (begin, end, level, *_) in enumerate(table):
        at = hash_of(text, begin, end, level) % len(buckets)
        while buckets[at] != _NONE:
            at = (at + 1) % len(buckets)
        buckets[at] = name
    return buckets


@compiled
def hash_of(data: Any, begin: int, end: int, level: int) -> int:
    """A hash of a name on a level."""
    number = _FIRST_HASH ^ int(level)
    for at in range(begin, end):
        number = ((number ^ int(data[at])) * _PRIME) & 0xFFFFFFFF
    return number


@inlined
def is_name(data: Any, begin: int, end: int, name: int, text: Any, table: Any) -> bool:
    """Whether the bytes between two places are a name."""
    first = table[name, BEGIN]
    if end - begin != table[name, END] - first:
        return False
    for i in range(end - begin):
        if data[begin + i] != text[first + i]:
            return False
    return True


@compiled
def find_name(data: Any, begin: int, end: int, level: int, text: Any, table: Any, buckets: Any) -> int:
    """The number of the name that the bytes between two places are on a level; -1: none."""
    last = len(buckets) - 1
    at = hash_of(data, begin, end, level) & last
    while buckets[at] != _NONE:
        name = buckets[at]
        if table[name, LEVEL] == level and is_name(data, begin, end, name, text, table):
            return int(name)
        at = (at + 1) & last
    return _NONE
