"""Strings, and what is held against a pattern after it was read as one: phones, IMEIs, TACs, currencies."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl
import yaml

from lakehouse.paths import data_file
from streams.columns import no_rows, nulls, put
from streams.contract import FOLDER, Field
from streams.rules.numbers import whole
from streams.rules.reading import Context, Raw, Reading, rare


def strings(raw: Raw) -> tuple[pl.Series, pl.Series | None]:
    """The values as text, whole numbers by their digits, and the rows that can't be (None: no such row)."""
    if raw.all_quoted:
        return raw.text, None
    blank = nulls(len(raw), pl.String)
    value = raw.text.zip_with(raw.quoted, rare(blank, raw.bare, _digits))
    return value, raw.present & value.is_null()


def _digits(text: str) -> str | None:
    number = whole(text)
    return None if number is None else str(number)


def _reading(value: pl.Series, wrong_type: pl.Series | None) -> Reading:
    return Reading(value) if wrong_type is None else Reading(value, {"type": wrong_type}, unfit=wrong_type)


def read_string(raw: Raw, field: Field, context: Context) -> Reading:
    """Text, or a whole number by its digits."""
    return _reading(*strings(raw))


def _patterned(raw: Raw, pattern: str) -> tuple[Reading, pl.Series]:
    """Text held against a pattern; what does not match stays in the column. Also gives the rows that match."""
    reading = read_string(raw, _ANY, _NO_CONTEXT)
    matches = reading.value.str.contains(pattern).fill_null(False)
    reading.unreadable["invalid"] = reading.value.is_not_null() & ~matches
    return reading, matches


_ANY = Field("", "string", "", ())
_NO_CONTEXT: Context = None  # type: ignore[assignment]  # strings need none


def read_tac(raw: Raw, field: Field, context: Context) -> Reading:
    """A type allocation code: 8 ASCII digits."""
    return _patterned(raw, "^[0-9]{8}$")[0]


def read_imei(raw: Raw, field: Field, context: Context) -> Reading:
    """Exactly 15 ASCII digits; a wrong Luhn digit is the warning `luhn` (3GPP TS 23.003, annex B)."""
    reading, matches = _patterned(raw, "^[0-9]{15}$")
    reading.warnings["luhn"] = luhn_wrong(reading.value, matches)
    return reading


_DOUBLED = np.array([sum(divmod(2 * d, 10)) for d in range(10)], dtype=np.uint8)


def luhn_wrong(imei: pl.Series, valid: pl.Series) -> pl.Series:
    """Rows, of those valid (15 digits), whose last digit is not the Luhn digit of the others."""
    wrong = no_rows(len(imei))
    rows = valid.arg_true()
    if not len(rows):
        return wrong
    joined = imei.gather(rows).str.join("")[0]
    digits = np.frombuffer(joined.encode(), dtype=np.uint8).reshape(-1, 15) - ord("0")
    total = digits[:, 0::2].sum(axis=1) + _DOUBLED[digits[:, 1::2]].sum(axis=1)
    return put(wrong, rows, pl.Series(total % 10 != 0))


@cache
def currencies() -> frozenset[str]:
    """The ISO 4217 codes of list one, from the frozen file."""
    lines = data_file(FOLDER, "currencies.txt").read_text().splitlines()
    return frozenset(code for line in lines if not line.startswith("#") for code in line.split())


def read_currency(raw: Raw, field: Field, context: Context) -> Reading:
    """A currency code as it stands; whether it is one is a domain."""
    reading = read_string(raw, field, context)
    known = reading.value.is_in(sorted(currencies())).fill_null(False)
    reading.unreadable["domain"] = reading.value.is_not_null() & ~known
    return reading


@dataclass(frozen=True)
class NumberPattern:
    """One line of the number plan: what matches, and how it becomes E.164."""

    pattern: str
    prefix: str
    keep_last: int | None
    keep_after: tuple[str, ...]

    def normalise(self, numbers: pl.Series) -> pl.Series:
        """E.164 of numbers that match."""
        if self.keep_last:
            return self.prefix + numbers.str.tail(self.keep_last)
        kept = numbers
        for beginning in self.keep_after:
            stripped = numbers.str.strip_prefix(beginning)
            kept = stripped.zip_with(numbers.str.starts_with(beginning), kept)
        return self.prefix + kept


@cache
def number_plan() -> tuple[NumberPattern, ...]:
    """The operator's number plan, from its file."""
    lines = yaml.safe_load(data_file(FOLDER, "number_plan.yaml").read_text())
    return tuple(
        NumberPattern(line["pattern"], line["prefix"], line.get("keep_last"), tuple(line.get("keep_after", ())))
        for line in lines
    )


def read_phone(raw: Raw, field: Field, context: Context) -> Reading:
    """A phone number in E.164 by the number plan; one that matches nothing stays as its trimmed text."""
    reading = read_string(raw, field, context)
    text = reading.value
    clean = text
    decorated = text.str.contains(r"[\s()\-]").fill_null(False)
    if decorated.any():
        rows = decorated.arg_true()
        clean = put(text, rows, text.gather(rows).str.replace_all(r"[\s()\-]", ""))
    value, open_rows = text, text.is_not_null()
    for line in number_plan():
        matches = clean.str.contains(line.pattern).fill_null(False) & open_rows
        if matches.all():
            return Reading(line.normalise(clean), reading.unreadable, unfit=reading.unfit)
        rows = matches.arg_true()
        if len(rows):
            value = put(value, rows, line.normalise(clean.gather(rows)))
            open_rows = open_rows & ~matches
    return Reading(value, {**reading.unreadable, "invalid": open_rows}, unfit=reading.unfit)
