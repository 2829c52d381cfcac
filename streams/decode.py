"""From message bytes to what each field holds: exactly one row a message, in order.

The kernel reads whole batches (`streams.kernel`). What few rows have, members that the contract does not name and values that
fit no column, is read one message at a time (`streams.message`).
"""

import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from streams import message
from streams.contract import Contract, contracts
from streams.kernel.arrow import buffers
from streams.kernel.compiled import is_compiled, mark_compiled
from streams.kernel.history import History
from streams.kernel.names import Names
from streams.kernel.phones import tacs
from streams.kernel.plain import plain
from streams.kernel.records import Records
from streams.kernel.scan import MALFORMED, UNNAMED, scan
from streams.rules.reading import Mask, Raw


@dataclass(frozen=True)
class Decoded:
    """A batch of messages, one row each.

    Attributes:
        malformed: which rows are no JSON object.
        fields: by field name, the spelling that counts.
        unnamed: which rows have members that the contract does not name.
    """

    malformed: Mask
    fields: dict[str, Raw]
    unnamed: Mask

    def __len__(self) -> int:
        return len(self.malformed)


class Decoder:
    """Reads the messages of one source."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._names = Names.of(contract)
        self._named = frozenset(path for path, _ in contract.spellings())

    def decode(self, values: pa.Array) -> Decoded:
        """Read a binary array of messages."""
        # a null has no bytes here, and Arrow allows it some
        data, places, _ = buffers(values.fill_null(b"") if values.null_count else values)
        state, kinds, begins, ends = scan(data, places, self._names)
        data = plain(data, kinds, begins, ends)
        fields = {
            f.name: Raw(data, kinds[number], begins[number], ends[number])
            for number, f in enumerate(self._contract.fields)
        }
        return Decoded(state == MALFORMED, fields, state == UNNAMED)

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
    """Have the kernel's machine code on the disk, where the first process of a machine looks for it: half a minute, once."""
    from streams.rules import READERS, Context
    from streams.rules.times import read_effective_from

    contract = next(iter(contracts().values()))
    for values in ([b"{}"], [b'{"name": "\\n1"}']):
        fields = Decoder(contract).decode(pa.array(values, pa.large_binary())).fields
        raw = next(iter(fields.values()))
        context = Context("UTC", datetime(1970, 1, 1, tzinfo=UTC), np.zeros(1, np.int64))
        for f in (f for c in contracts().values() for f in c.fields):
            (read_effective_from if f.name == "effective_from" else READERS[f.type])(raw, f, context)
            _ = raw.text, raw.bare
    history = History(["a"])
    history.replace([("1", [(0, ["b"])])] * 2)
    history.look_up(tacs(pa.array(["1" * 15])), np.zeros(1, np.int64), ["a"])
    Records(1).add(bytes(10), 0, (0, 1), 0, 0, 0, 1)
    mark_compiled()


def ensure_compiled() -> None:
    """Have the kernel compiled by another process, if nobody has: the compiler takes 150 MB, and would keep them."""
    if not is_compiled():
        subprocess.run(
            [sys.executable, "-c", "from streams.decode import compile_kernel; compile_kernel()"], check=False
        )
