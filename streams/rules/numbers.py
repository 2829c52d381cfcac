"""Whole numbers, doubles, money and booleans."""

import math
import re
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation, localcontext

import numpy as np
import pyarrow as pa

from streams.contract import Field
from streams.kernel import numbers as kernel
from streams.kernel.arrow import array_of
from streams.kernel.scan import FALSE, TRUE
from streams.rules.reading import RANGE, TYPE, Context, Raw, Reading

MONEY = pa.decimal128(18, 4)
# JSON's number grammar (RFC 8259, section 6), for numbers that arrive as text.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_MONEY_LIMIT = Decimal(10) ** 14
_TEN_THOUSANDTHS = 10**4


def exact(text: str) -> Decimal:
    """A number's text as a decimal; what is beyond a decimal's exponents as something as good: huge, tiny or zero."""
    try:
        return Decimal(text)
    except InvalidOperation:
        mantissa, exponent = text.lower().split("e")
        if not mantissa.strip("-0."):
            return Decimal(0)
        size = Decimal("1e-1000") if exponent.startswith("-") else Decimal("1e1000")
        return size.copy_negate() if text.startswith("-") else size


def read_int(raw: Raw, field: Field, context: Context) -> Reading:
    """A whole number in 64 bits, bare or as text."""
    values, states = np.empty(len(raw), np.int64), np.empty(len(raw), np.uint8)
    kernel.read_wholes(*raw.spans, values, states)
    known = states == kernel.READ
    wrong = raw.present & ~known
    return Reading(array_of(pa.int64(), known, values), wrong * np.uint8(TYPE), wrong, {}, values, known)


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def read_double(raw: Raw, field: Field, context: Context) -> Reading:
    """A finite number, bare or as text."""
    values, states = np.empty(len(raw), np.float64), np.empty(len(raw), np.uint8)
    kernel.read_doubles(*raw.spans, values, states)
    for row in np.flatnonzero(states == kernel.SLOW).tolist():
        number = _finite(raw.string(row))
        values[row], states[row] = (0.0, kernel.NONE) if number is None else (number, kernel.READ)
    known = states == kernel.READ
    wrong = raw.present & ~known
    return Reading(array_of(pa.float64(), known, values), wrong * np.uint8(TYPE), wrong, {}, values, known)


def fifteen_digits(text: str) -> str:
    """A JSON number as its double's 15 significant digits; beyond a double as it stands."""
    number = float(text)
    return format(number, ".15g") if math.isfinite(number) else text


def money(text: str, bare: bool) -> tuple[Decimal | None, bool, bool]:
    """Money from a number's text, the slow way: what the kernel does not do itself.

    Args:
        text: what the message holds.
        bare: whether it was a JSON number (then 15 digits count) rather than text (exact).
    Returns:
        the amount rounded half-even to four decimals, None if it is no number or does not fit; whether digits were
        lost; whether it was a number but too large.
    """
    if not _NUMBER.fullmatch(text):
        return None, False, False
    amount = exact(fifteen_digits(text) if bare else text)
    if amount and amount.adjusted() >= 15:
        return None, False, True
    with localcontext() as precise:
        precise.prec = max(40, len(text) + 40)
        # A tiny exponent would need endless digits; below 10^-30 the rounded value is 0 either way.
        if amount and amount.adjusted() < -30:
            return Decimal("0.0000"), True, False
        rounded = amount.quantize(Decimal("0.0001"), rounding=ROUND_HALF_EVEN)
    if abs(rounded) >= _MONEY_LIMIT:
        return None, False, True
    return rounded, rounded != amount, False


def read_money(raw: Raw, field: Field, context: Context) -> Reading:
    """An amount as decimal(18,4), rounded half-even."""
    values, states = np.empty((len(raw), 2), np.int64), np.empty(len(raw), np.uint8)
    kernel.read_moneys(*raw.spans, values, states)
    for row in np.flatnonzero(states == kernel.SLOW).tolist():
        amount, lost, too_large = money(raw.string(row), bare=not raw.quoted[row])
        whole = 0 if amount is None else int(amount * _TEN_THOUSANDTHS)
        values[row] = whole, -1 if whole < 0 else 0
        states[row] = kernel.TOO_LARGE if too_large else (kernel.LOST if lost else kernel.READ)
    lost = states == kernel.LOST
    known = (states == kernel.READ) | lost
    unfit = raw.present & ~known
    codes = unfit * np.uint8(TYPE)
    codes[states == kernel.TOO_LARGE] = RANGE
    return Reading(array_of(MONEY, known, values), codes, unfit, {"rounded": lost}, values[:, 0], known)


def read_bool(raw: Raw, field: Field, context: Context) -> Reading:
    """`true` or `false`, bare or as text in any case."""
    true, known = raw.kinds == TRUE, (raw.kinds == TRUE) | (raw.kinds == FALSE)
    for row in np.flatnonzero(raw.quoted & (raw.ends - raw.begins <= len("false"))).tolist():
        word = raw.string(row).lower()
        true[row], known[row] = word == "true", word in ("true", "false")
    wrong = raw.present & ~known
    value = array_of(pa.bool_(), known, np.packbits(true, bitorder="little"))
    return Reading(value, wrong * np.uint8(TYPE), wrong)
