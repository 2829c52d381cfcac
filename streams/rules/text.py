"""Strings, and what is held against a pattern after it was read as one: phones, IMEIs, TACs, currencies."""

from collections.abc import Iterable
from functools import cache

import numpy as np

from lakehouse.paths import data_file
from streams.contract import FOLDER, Field
from streams.kernel import phones as kernel
from streams.kernel import strings
from streams.number_plan import rules
from streams.rules.reading import DOMAIN, INVALID, LENGTH, TYPE, Context, Mask, Raw, Reading

# By what became of a text: the code; and whether the text is in the column.
_CODES = np.array([0, 0, TYPE, LENGTH, INVALID, 0], np.uint8)
_IN_COLUMN = np.array([False, True, False, False, True, True])


def _texts(raw: Raw, field: Field) -> strings.Texts:
    return strings.read_strings(*raw.spans, field.max_length if field.max_length is not None else len(raw.data))


def _reading(texts: strings.Texts, warnings: dict[str, Mask] | None = None) -> Reading:
    value = texts.array(_IN_COLUMN[texts.states])
    return Reading(value, _CODES[texts.states], texts.states == strings.WRONG, warnings or {})


def read_string(raw: Raw, field: Field, context: Context) -> Reading:
    """Text, or a whole number by its digits; in the field's list, if it has one."""
    texts = _texts(raw, field)
    reading = _reading(texts)
    if field.domain is not None:
        reading.codes[_outside(texts, field.domain)] = DOMAIN
    return reading


def _outside(texts: strings.Texts, listed: Iterable[str]) -> Mask:
    outside = np.empty(len(texts.states), np.bool_)
    strings.find_outside(*texts, 0, *_words(frozenset(listed)), outside)
    return outside


@cache
def _words(listed: frozenset[str]) -> strings.Words:
    return strings.Words.of([listed])


def read_tac(raw: Raw, field: Field, context: Context) -> Reading:
    """A type allocation code: 8 ASCII digits."""
    texts = _texts(raw, field)
    kernel.hold_tacs(*texts)
    return _reading(texts)


def read_imei(raw: Raw, field: Field, context: Context) -> Reading:
    """An IMEI of 15 digits, a wrong Luhn digit being the warning `luhn`; of 14 or 16 (IMEISV) digits it gets the right one.

    3GPP TS 23.003, section 6.2 and annex B.
    """
    texts = _texts(raw, field)
    imeis = strings.Texts.room(len(raw), len(texts.out) + len(raw))._replace(states=texts.states)
    kernel.read_imeis(*texts, imeis.out, imeis.places)
    return _reading(imeis, {"luhn": imeis.states == kernel.LUHN})


@cache
def currencies() -> frozenset[str]:
    """The ISO 4217 codes of list one, from the frozen file."""
    lines = data_file(FOLDER, "currencies.txt").read_text().splitlines()
    return frozenset(code for line in lines if not line.startswith("#") for code in line.split())


def read_currency(raw: Raw, field: Field, context: Context) -> Reading:
    """A currency code as it stands; whether it is one is a domain."""
    texts = _texts(raw, field)
    reading = _reading(texts)
    reading.codes[_outside(texts, currencies())] = DOMAIN
    return reading


@cache
def number_plan() -> kernel.Plan:
    """The operator's number plan.

    Raises:
        UsageError: a pattern is not understood.
    """
    return kernel.Plan.of(rules())


def read_phone(raw: Raw, field: Field, context: Context) -> Reading:
    """A phone number in E.164 by the number plan; one that matches nothing stays as its trimmed text."""
    texts, plan, rows = _texts(raw, field), number_plan(), len(raw)
    e164 = strings.Texts.room(rows, len(texts.out) + rows * plan.longest)._replace(states=texts.states)
    kernel.read_phones(*texts, *plan, np.empty(kernel.CLEAN, np.uint8), e164.out, e164.places)
    return _reading(e164)
