"""What every rule reads and gives: one field of a batch, as spans of bytes in, as a typed column and verdicts out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.contract import Field
from streams.kernel import columns
from streams.kernel.scan import EMPTY, STRING

# The codes that a field can have, the first that fits (contracts.md, "Rules"); 0 is none.
CODES = ("", "missing", "type", "length", "invalid", "domain", "range")
MISSING, TYPE, LENGTH, INVALID, DOMAIN, RANGE = range(1, len(CODES))
Mask = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Context:
    """What rules need besides the value: the operator's settings and the records' Kafka times, in µs since 1970."""

    time_zone: str
    earliest: datetime
    kafka_us: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Raw:
    """One field of a batch: what the spelling that counts is, and between which places of `data` it stands (`kernel.scan`)."""

    data: npt.NDArray[np.uint8]
    kinds: npt.NDArray[np.uint8]
    begins: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def spans(self) -> tuple[Any, Any, Any, Any]:
        """All of it, as the kernel's functions take it."""
        return self.data, self.kinds, self.begins, self.ends

    @cached_property
    def present(self) -> Mask:
        """Rows that hold a value: one that is neither null nor blank."""
        return np.greater(self.kinds, EMPTY)

    @cached_property
    def quoted(self) -> Mask:
        """Rows whose value is a JSON string."""
        return np.equal(self.kinds, STRING)

    def string(self, row: int) -> str:
        """The text of a row that has a value."""
        return bytes(self.data[self.begins[row] : self.ends[row]]).decode()

    @cached_property
    def text(self) -> pa.Array:
        """The strings, unescaped and trimmed; null where there is none."""
        return columns.texts(*self.spans, self.quoted)

    @cached_property
    def bare(self) -> pa.Array:
        """The JSON text of values that are no strings (of objects and arrays their bracket); null elsewhere."""
        return columns.texts(*self.spans, self.present & ~self.quoted)


@dataclass
class Reading:
    """What a rule makes of a field.

    Attributes:
        value: the silver column; null where the value does not fit it.
        codes: by row the code of what can't be read; 0: none.
        unfit: rows whose value is not in the column and must be kept in `extra`.
        warnings: rows with a warning, by its word.
        numbers: the column's values where a range can be held against them, money in ten-thousandths, times in µs.
        known: rows with something in `numbers`.
        remains: another column that keeps the text of what can't be read (`timestamp_raw`).
    """

    value: pa.Array
    codes: Codes
    unfit: Mask
    warnings: dict[str, Mask] = field(default_factory=dict)
    numbers: Any = None
    known: Mask | None = None
    remains: pa.Array | None = None


Reader = Callable[[Raw, Field, Context], Reading]
