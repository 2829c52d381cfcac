"""The contract applied to a decoded batch: typed columns, every reason for a rejection, every warning.

Works on whole columns; what concerns few rows (building `extra`) is done for those rows only.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from streams.contract import Contract, Field
from streams.decode import Decoded
from streams.rules import READERS, Context, Raw, Reading
from streams.rules.reading import CODES, INVALID, LENGTH, MISSING, RANGE, Mask
from streams.rules.times import read_effective_from

_AHEAD_US = 24 * 3600 * 1_000_000  # how far a producer's clock may be ahead of Kafka's (contracts.md, "Events")
_EFFECTIVE_FIRST, _EFFECTIVE_END = datetime(1900, 1, 2, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MALFORMED, DUPLICATE = "malformed:json", "duplicate:sid"
_EXTRA_BYTES = 65_536  # of UTF-8, as the column holds it (contracts.md, "Length")
_SCALES = {"money": 10_000}
_TEXTS = pa.large_string()


@dataclass
class Validated:
    """A batch after its contract: one row a message, in order.

    Attributes:
        columns: the contract's columns by name, and `timestamp_raw` for events.
        codes: by code the rows that are rejected for it, in the order in which a row names them.
        warnings: rows with a warning, by its full code, in the order of the contract.
        kept: rows whose value must be kept in `extra`, by field.
        unnamed: rows with members that the contract does not name.
        malformed: rows that are no JSON object; all columns are null there.
    """

    columns: dict[str, pa.Array]
    malformed: Mask
    unnamed: Mask
    codes: dict[str, Mask] = field(default_factory=dict)
    warnings: dict[str, Mask] = field(default_factory=dict)
    kept: dict[str, Mask] = field(default_factory=dict)

    @property
    def rejected(self) -> Mask:
        """Rows with a reason."""
        return _any_of(self.codes, len(self.malformed))

    @property
    def reasons(self) -> pa.Array:
        """The codes joined by `, `; null for accepted rows."""
        if not self.codes:
            return pa.nulls(len(self.malformed), _TEXTS)
        return pc.binary_join(listed(self.codes, len(self.malformed)), ", ")

    @property
    def quality_warnings(self) -> pa.Array:
        """The warnings of each row as a list of text; null where there is none."""
        return listed(self.warnings, len(self.malformed))


def validate(contract: Contract, decoded: Decoded, context: Context) -> Validated:
    """Read every field by its type and hold it against its rules."""
    result = Validated({}, decoded.malformed, decoded.unnamed)
    for f in contract.fields:
        raw = decoded.fields[f.name]
        reading = _read(f, raw, context)
        if reading.remains is not None:
            result.columns["timestamp_raw"] = reading.remains
        _judge(f, raw, reading, context, _condition(contract, f, result))
        result.columns[f.column] = reading.value
        _note(f, reading, result)
    if decoded.malformed.any():
        for rows in result.codes.values():
            rows &= ~decoded.malformed
        result.codes = {code: rows for code, rows in result.codes.items() if rows.any()}
        result.codes[MALFORMED] = decoded.malformed
    return result


def _read(f: Field, raw: Raw, context: Context) -> Reading:
    return read_effective_from(raw, f, context) if f.name == "effective_from" else READERS[f.type](raw, f, context)


def _note(f: Field, reading: Reading, result: Validated) -> None:
    """Put a field's codes, warnings and values to keep beside those of the others."""
    if reading.codes.any():
        for number, word in enumerate(CODES):
            if number and (rows := reading.codes == number).any():
                result.codes[f"{word}:{f.name}"] = rows
    for word, rows in reading.warnings.items():
        if rows.any():
            result.warnings[f"{word}:{f.name}"] = rows
    if reading.unfit.any():
        result.kept[f.name] = reading.unfit


def _judge(f: Field, raw: Raw, reading: Reading, context: Context, condition: Mask | None) -> None:
    """Complete a reading: its codes, at most one a row, the first of missing, type, length, invalid, domain, range; and what
    is a warning instead.

    Args:
        condition: rows in which an optional field is required; None where it never is.
    """
    beyond = _out_of_range(f, reading, context)
    if not f.required and not f.ruled:
        _be_lenient(reading, condition)
        if beyond is not None and beyond.any():
            reading.warnings["range"] = beyond
            _keep_aside(reading, beyond)
    elif beyond is not None:
        reading.codes[beyond & (reading.codes == 0)] = RANGE
    if f.required:
        reading.codes[~raw.present] = MISSING
    elif condition is not None:
        reading.codes[~raw.present & condition] = MISSING


def _condition(contract: Contract, f: Field, result: Validated) -> Mask | None:
    """Rows in which a field is required because another one has a value; None where it never is."""
    if f.required_if is None:
        return None
    other = result.columns[contract[f.required_if.field].column]
    return np.asarray(pc.fill_null(pc.equal(other, f.required_if.value), False))


def _be_lenient(reading: Reading, needed: Mask | None) -> None:
    """An optional field without a rule: what can't be read is a warning, but where a condition requires it."""
    found = reading.codes != 0
    if needed is not None:
        found &= ~needed
    if not found.any():
        return
    long = found & (reading.codes == LENGTH)
    reading.warnings["type"], reading.warnings["length"] = found & ~long, long
    _keep_aside(reading, found & (reading.codes >= INVALID))
    reading.codes[found] = 0


def _keep_aside(reading: Reading, rows: Mask) -> None:
    """Take values that were read out of the column; `extra` keeps them."""
    if rows.any():
        reading.value = pc.if_else(pa.array(rows), None, reading.value)
        reading.unfit = reading.unfit | rows


def _out_of_range(f: Field, reading: Reading, context: Context) -> Mask | None:
    """Rows whose value breaks the field's bounds, or is not plausible; None where it has none."""
    value, known = reading.numbers, reading.known
    if f.name == "timestamp":
        beyond = (value < _micros(context.earliest)) | (value > context.kafka_us + _AHEAD_US)
    elif f.name == "effective_from":
        beyond = (value < _micros(_EFFECTIVE_FIRST)) | (value >= _micros(_EFFECTIVE_END))
    elif (bounds := f.range or f.plausible) is not None:
        scale = _SCALES.get(f.type, 1)
        beyond = np.zeros(len(value), np.bool_)
        if bounds.min is not None:
            least = bounds.min * scale
            beyond = (value <= least) if bounds.above else (value < least)
        if bounds.max is not None:
            beyond = beyond | (value > bounds.max * scale)
    else:
        return None
    assert known is not None
    return np.asarray(beyond & known)


def _micros(at: datetime) -> int:
    seconds = at - _EPOCH
    return (seconds.days * 86_400 + seconds.seconds) * 1_000_000 + seconds.microseconds


def _any_of(masks: dict[str, Mask], count: int) -> Mask:
    found = np.zeros(count, np.bool_)
    for rows in masks.values():
        found |= rows
    return found


def listed(masks: dict[str, Mask], count: int) -> pa.Array:
    """The names of the masks that hold in each row, in their order, as a list of text; null where none does."""
    kind = pa.list_(pa.string())
    if not masks:
        return pa.nulls(count, kind)
    rows, which = np.nonzero(np.stack(list(masks.values()), axis=1))
    if not len(rows):
        return pa.nulls(count, kind)
    sizes = np.bincount(rows, minlength=count)
    ends = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    valid = pa.py_buffer(np.packbits(sizes > 0, bitorder="little"))
    names = pa.array(list(masks), pa.string()).take(pa.array(which))
    return pa.Array.from_buffers(kind, count, [valid, pa.py_buffer(ends)], children=[names])


def measured_extras(validated: Validated, extra: pa.Array) -> pa.Array:
    """The `extra` column without what is too long for it, which becomes the last warning."""
    if extra.null_count == len(extra):
        return extra
    too_long = pc.fill_null(pc.greater(pc.binary_length(extra), _EXTRA_BYTES), False)
    if not pc.any(too_long).as_py():
        return extra
    validated.warnings["length:extra"] = np.asarray(too_long)
    return pc.if_else(too_long, None, extra)


def extras(validated: Validated, values: pa.Array, write: Callable[[bytes, frozenset[str]], str | None]) -> pa.Array:
    """The `extra` column: unnamed members and values that fit no column, as JSON text.

    Args:
        values: the messages.
        write: makes one row's text from its message and the fields to keep.
    """
    concerned = validated.unnamed | _any_of(validated.kept, len(values))
    rows = np.flatnonzero(concerned & ~validated.malformed)
    if not len(rows):
        return pa.nulls(len(values), _TEXTS)
    kept: list[set[str]] = [set() for _ in rows]
    for name, mask in validated.kept.items():
        for i in np.flatnonzero(mask[rows]).tolist():
            kept[i].add(name)
    messages = values.take(pa.array(rows)).to_pylist()
    texts = [write(message, frozenset(names)) for message, names in zip(messages, kept, strict=True)]
    places: npt.NDArray[np.int64] = np.full(len(values), -1, np.int64)
    places[rows] = np.arange(len(rows))
    return pa.array(texts, _TEXTS).take(pa.array(places, mask=places < 0))
