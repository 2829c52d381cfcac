"""Whole numbers, doubles, money and booleans."""

import math
import re
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation, localcontext

import polars as pl

from streams.columns import no_rows, put, where
from streams.contract import Field
from streams.rules.reading import NUMBER, Context, Raw, Reading, rare

_NUMBER = re.compile(NUMBER)
_INT64 = 2**63
MONEY = pl.Decimal(18, 4)
_MONEY_LIMIT = Decimal(10) ** 14
# Text that is money as it stands: at most 14 digits before the point (the column's) and 4 behind, and so few that a JSON
# number's 15 significant digits lose nothing.
_PLAIN_MONEY = r"^-?[0-9]{1,10}(?:\.[0-9]{1,4})?$"


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


def whole(text: str) -> int | None:
    """The whole number that a number's text stands for, None if it is no whole number in 64 bits."""
    if not _NUMBER.match(text):
        return None
    number = exact(text)
    # An exponent of thousands would be expanded digit by digit: look at the size first.
    if number and number.adjusted() > 18:
        return None
    if number and number.adjusted() < 0:
        return None
    if number != number.to_integral_value():
        return None
    value = int(number)
    return value if -_INT64 <= value < _INT64 else None


def read_int(raw: Raw, field: Field, context: Context) -> Reading:
    """A whole number in 64 bits, bare or as text."""
    numbers = raw.numbers
    value = rare(numbers.cast(pl.Int64, strict=False), numbers, whole)
    wrong = raw.present & value.is_null()
    return Reading(value, {"type": wrong}, unfit=wrong)


def _finite(text: str) -> float | None:
    number = float(text) if _NUMBER.match(text) else math.inf
    return number if math.isfinite(number) else None


def read_double(raw: Raw, field: Field, context: Context) -> Reading:
    """A finite number, bare or as text."""
    numbers = raw.numbers
    value = numbers.cast(pl.Float64, strict=False)
    infinite = (~value.is_finite()).fill_null(False)
    if infinite.any():
        value = where(~infinite, value)
    value = rare(value, numbers, _finite)
    wrong = raw.present & value.is_null()
    return Reading(value, {"type": wrong}, unfit=wrong)


def fifteen_digits(text: str) -> str:
    """A JSON number as its double's 15 significant digits; beyond a double as it stands."""
    number = float(text)
    return format(number, ".15g") if math.isfinite(number) else text


def money(text: str, bare: bool) -> tuple[Decimal | None, bool, bool]:
    """Money from a number's text.

    Args:
        text: what the message holds.
        bare: whether it was a JSON number (then 15 digits count) rather than text (exact).
    Returns:
        the amount rounded half-even to four decimals, None if it is no number or does not fit; whether digits were
        lost; whether it was a number but too large.
    """
    if not _NUMBER.match(text):
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
    numbers = raw.numbers
    plain = numbers.str.contains(_PLAIN_MONEY).fill_null(False)
    value = (numbers if plain.all() else where(plain, numbers)).cast(MONEY, strict=False)
    left = (numbers.is_not_null() & ~plain).arg_true()
    rounded = too_large = no_rows(len(raw))
    if len(left):
        bare = ~raw.quoted.gather(left)
        read = [money(t, b) for t, b in zip(numbers.gather(left), bare, strict=True)]
        value = put(value, left, (r[0] for r in read))
        rounded = put(rounded, left, (r[1] for r in read))
        too_large = put(too_large, left, (r[2] for r in read))
    unfit = raw.present & value.is_null()
    return Reading(
        value, {"type": unfit & ~too_large}, out_of_range=too_large, unfit=unfit, warnings={"rounded": rounded}
    )


def read_bool(raw: Raw, field: Field, context: Context) -> Reading:
    """`true` or `false`, bare or as text in any case."""
    word = raw.bare if raw.none_quoted else raw.text.str.to_lowercase().zip_with(raw.quoted, raw.bare)
    true, false = (word == "true").fill_null(False), (word == "false").fill_null(False)
    value = where(true | false, true)
    wrong = raw.present & value.is_null()
    return Reading(value, {"type": wrong}, unfit=wrong)
