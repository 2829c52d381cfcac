"""The contract applied to a decoded batch: typed columns, every reason for a rejection, every warning.

Works on whole columns; what concerns few rows (building the reasons' text, `extra`) is done for those rows only.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import polars as pl
import pyarrow as pa

from streams.columns import no_rows, nulls, put, where
from streams.contract import Contract, Field
from streams.decode import Decoded
from streams.rules import READERS, Context, Raw, Reading
from streams.rules.times import read_effective_from

_AHEAD = timedelta(hours=24)  # how far a producer's clock may be ahead of Kafka's (contracts.md, "Events")
_EFFECTIVE_FIRST, _EFFECTIVE_END = datetime(1900, 1, 2, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)
MALFORMED = "malformed:json"
_EXTRA_BYTES = 65_536  # of UTF-8, as the column holds it (contracts.md, "Length")


@dataclass
class Validated:
    """A batch after its contract: one row a message, in order.

    Attributes:
        columns: the contract's columns by name, and `timestamp_raw` for events.
        reasons: the codes joined by `, `; null for accepted rows.
        warnings: rows with a warning, by its full code, in the order of the contract.
        kept: rows whose value must be kept in `extra`, by field.
        unnamed: rows with members that the contract does not name.
        malformed: rows that are no JSON object; all columns are null there.
    """

    columns: dict[str, pl.Series]
    reasons: pl.Series
    warnings: dict[str, pl.Series] = field(default_factory=dict)
    kept: dict[str, pl.Series] = field(default_factory=dict)
    unnamed: pl.Series = field(default_factory=lambda: no_rows(0))
    malformed: pl.Series = field(default_factory=lambda: no_rows(0))

    @property
    def accepted(self) -> pl.Series:
        """Rows without a reason."""
        return self.reasons.is_null()


def validate(contract: Contract, decoded: Decoded, context: Context) -> Validated:
    """Read every field by its type and hold it against its rules."""
    count = len(decoded)
    result = Validated({}, nulls(count, pl.String))
    result.malformed, result.unnamed = decoded.malformed, decoded.unnamed
    codes: list[tuple[str, pl.Series]] = []
    for f in contract.fields:
        raw = decoded.fields[f.name]
        too_long = raw.longer_than(f.max_length) if f.max_length is not None else None
        # what is too long is read by nothing and kept nowhere but as it was sent
        reading = _read(f, raw if too_long is None else raw.without(too_long), context)
        if too_long is not None:
            reading.unreadable["length"] = too_long
        result.columns[f.column] = reading.value
        if f.name == "timestamp":
            assert reading.remains is not None
            result.columns["timestamp_raw"] = reading.remains
        found = _verdicts(contract, f, raw, reading, context, result)
        for code, rows in found:
            if rows.any():
                codes.append((code, rows & ~decoded.malformed))
        for word, rows in reading.warnings.items():
            if rows.any():
                result.warnings[f"{word}:{f.name}"] = rows
        if reading.unfit is not None and reading.unfit.any():
            result.kept[f.name] = reading.unfit
    if decoded.malformed.any():
        codes.append((MALFORMED, decoded.malformed))
    result.reasons = _joined(codes, count)
    return result


def _read(f: Field, raw: Raw, context: Context) -> Reading:
    return read_effective_from(raw, f, context) if f.name == "effective_from" else READERS[f.type](raw, f, context)


def _verdicts(
    contract: Contract, f: Field, raw: Raw, reading: Reading, context: Context, result: Validated
) -> list[tuple[str, pl.Series]]:
    """A field's codes: at most one a row, the first of missing, type, length, invalid, domain, range."""
    found: list[tuple[str, pl.Series]] = []
    needed = _needed(contract, f, result, len(raw))
    if needed is not None:
        found.append((f"missing:{f.name}", ~raw.present & needed))
    if not f.required and not f.ruled:
        found += _lenient(f, reading, needed)
        return found
    for word in ("type", "length", "invalid", "domain"):
        if word in reading.unreadable:
            found.append((f"{word}:{f.name}", reading.unreadable[word]))
    if f.domain is not None:
        outside = ~reading.value.is_in(sorted(f.domain)).fill_null(True)
        found.append((f"domain:{f.name}", outside))
    beyond = _out_of_range(f, reading.value, context)
    if reading.out_of_range is not None:
        beyond = reading.out_of_range if beyond is None else beyond | reading.out_of_range
    if beyond is not None:
        found.append((f"range:{f.name}", beyond))
    return found


def _needed(contract: Contract, f: Field, result: Validated, count: int) -> pl.Series | None:
    """Rows in which the field is required; None where it never is."""
    if f.required:
        return ~no_rows(count)
    if f.required_if is None:
        return None
    other = result.columns[contract[f.required_if.field].column]
    return (other == f.required_if.value).fill_null(False)


def _lenient(f: Field, reading: Reading, needed: pl.Series | None) -> list[tuple[str, pl.Series]]:
    """Codes of an optional field without a rule: what can't be read is a warning, but where the condition requires it."""
    unreadable = dict(reading.unreadable)
    if reading.out_of_range is not None:
        unreadable["range"] = reading.out_of_range
    found: list[tuple[str, pl.Series]] = []
    for word, rows in unreadable.items():
        if not rows.any():
            continue
        optional = rows
        if needed is not None:
            found.append((f"{word}:{f.name}", rows & needed))
            optional = rows & ~needed
        said = "length" if word == "length" else "type"
        before = reading.warnings.get(said)
        reading.warnings[said] = optional if before is None else before | optional
    return found


def _out_of_range(f: Field, value: pl.Series, context: Context) -> pl.Series | None:
    """Rows whose value breaks the field's bounds; None where it has none."""
    if f.name == "timestamp":
        beyond = (value < context.earliest) | (value > context.kafka_timestamp + _AHEAD)
    elif f.name == "effective_from":
        beyond = (value < _EFFECTIVE_FIRST) | (value >= _EFFECTIVE_END)
    elif f.range is not None:
        beyond = no_rows(len(value))
        if f.range.min is not None:
            beyond = (value <= f.range.min) if f.range.above else (value < f.range.min)
        if f.range.max is not None:
            beyond = beyond | (value > f.range.max)
    else:
        return None
    return beyond.fill_null(False)


def _joined(codes: list[tuple[str, pl.Series]], count: int) -> pl.Series:
    """The codes of each row joined by `, `; null where there is none."""
    reasons = nulls(count, pl.String)
    if not codes:
        return reasons
    bad = codes[0][1]
    for _, rows in codes[1:]:
        bad = bad | rows
    rows = bad.arg_true()
    if not len(rows):
        return reasons
    parts = [pl.when(mask.gather(rows)).then(pl.lit(code)) for code, mask in codes]
    joined = pl.select(pl.concat_str(parts, separator=", ", ignore_nulls=True)).to_series()
    return put(reasons, rows, joined)


def quality_warnings(warnings: dict[str, pl.Series], malformed: pl.Series) -> pl.Series:
    """The warnings of each row as a list of text; null where there is none."""
    count = len(malformed)
    empty = nulls(count, pl.List(pl.String))
    if not warnings:
        return empty
    any_row = no_rows(count)
    for mask in warnings.values():
        any_row = any_row | mask
    rows = (any_row & ~malformed).arg_true()
    if not len(rows):
        return empty
    parts = [pl.when(mask.gather(rows)).then(pl.lit(code)).alias(code) for code, mask in warnings.items()]
    lists = pl.select(pl.concat_list(parts).list.drop_nulls()).to_series()
    positions = put(nulls(count, pl.UInt32), rows, pl.arange(len(rows), dtype=pl.UInt32, eager=True))
    return lists.gather(positions)


def measured_extras(validated: Validated, extra: pl.Series) -> pl.Series:
    """The `extra` column without what is too long for it, which becomes the last warning."""
    too_long = (extra.str.len_bytes() > _EXTRA_BYTES).fill_null(False)
    if not too_long.any():
        return extra
    validated.warnings["length:extra"] = too_long
    return where(~too_long, extra)


def extras(validated: Validated, values: pa.Array, write: Callable[[bytes, frozenset[str]], str | None]) -> pl.Series:
    """The `extra` column: unnamed members and values that fit no column, as JSON text.

    Args:
        values: the messages.
        write: makes one row's text from its message and the fields to keep.
    """
    concerned = validated.unnamed
    for mask in validated.kept.values():
        concerned = concerned | mask
    rows = (concerned & ~validated.malformed).arg_true()
    column = nulls(len(values), pl.String)
    if not len(rows):
        return column
    kept: list[set[str]] = [set() for _ in range(len(rows))]
    for name, mask in validated.kept.items():
        for i in mask.gather(rows).arg_true():
            kept[i].add(name)
    messages = values.take(rows.to_arrow()).to_pylist()
    texts = [write(message, frozenset(names)) for message, names in zip(messages, kept, strict=True)]
    return put(column, rows, texts)
