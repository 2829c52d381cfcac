"""From message bytes to one column of texts a field: exactly one row a message, in order.

The kernel reads whole batches (`streams.kernel`). What few rows have, members that the contract does not name and values that
fit no column, is read one message at a time (`streams.message`).
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from streams import message
from streams.contract import Contract, contracts
from streams.kernel import columns, scan
from streams.kernel.names import Names
from streams.rules.reading import Raw


@dataclass(frozen=True)
class Decoded:
    """A batch of messages, one row each.

    Attributes:
        malformed: which rows are no JSON object.
        fields: by field name, the spelling that counts.
        unnamed: which rows have members that the contract does not name.
    """

    malformed: pl.Series
    fields: dict[str, Raw]
    unnamed: pl.Series

    def __len__(self) -> int:
        return len(self.malformed)


class Decoder:
    """Reads the messages of one source."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._names = Names.of(contract)
        self._named = frozenset(path for path, _ in contract.spellings())

    def decode(self, values: pa.Array) -> Decoded:
        """Read a large binary array of messages."""
        data, places = _buffers(values)
        state, kinds, begins, ends = scan.scan(data, places, self._names)
        texts = columns.columns(data, kinds, begins, ends)
        fields = {
            f.name: Raw(pl.Series(strings), pl.Series(others))
            for f, (strings, others) in zip(self._contract.fields, texts, strict=True)
        }
        return Decoded(pl.Series(state == scan.MALFORMED), fields, pl.Series(state == scan.UNNAMED))

    def extra(self, raw: bytes, kept: frozenset[str]) -> str | None:
        """The JSON object of a message's unnamed members and of the named fields whose value had to be kept.

        Args:
            raw: a message that is not malformed.
            kept: names of fields whose value did not fit its column.
        """
        members = message.parse(raw)
        left = message.unnamed(members, self._named, self._contract.groups)
        for f in self._contract.fields:
            spelling = message.chosen(members, f.paths) if f.name in kept else None
            if spelling is None:
                continue
            path, value = spelling
            target = left
            for name in path[:-1]:
                target = target.setdefault(name, {})
            target[path[-1]] = value
        return message.dump(left) if left else None


def compile_kernel() -> None:
    """Have the kernel's machine code on the disk, where the first process of a machine looks for it; takes ten seconds once."""
    contract = next(iter(contracts().values()))
    Decoder(contract).decode(pa.array([b"{}"], pa.large_binary()))


def _buffers(values: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The bytes of a large binary array, and where each value begins in them.

    A null has no bytes here, and Arrow allows it some: such an array is written anew.
    """
    values = values.cast(pa.large_binary())
    if values.null_count:
        values = values.fill_null(b"")
    _, places, content = values.buffers() if len(values) else (None, bytes(8), None)
    begins = np.frombuffer(places, np.int64)[values.offset : values.offset + len(values) + 1]
    return np.frombuffer(b"" if content is None else content, np.uint8), begins
