"""Phone numbers and IMEIs by the thousand: numpy and Polars, no loop an item."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

Ints = NDArray[np.int64]

# the mobile prefixes of the four Egyptian operators: Vodafone, Etisalat, Orange, WE
MOBILE_PREFIXES = (10, 11, 12, 15)
# country code, first digits and number of further digits of the foreign numbers that are called
_COUNTRIES = (("966", "5", 8), ("971", "5", 8), ("965", "6", 7), ("44", "7", 9), ("49", "15", 9), ("1", "2", 9),
              ("33", "6", 8), ("39", "3", 9), ("218", "9", 8), ("249", "9", 8))  # fmt: skip


def with_luhn_digit(numbers: Ints) -> Ints:
    """Append the Luhn check digit to each number of 14 digits, which gives IMEIs (3GPP TS 23.003, annex B)."""
    total = np.zeros_like(numbers)
    rest = numbers.copy()
    for position in range(14):
        digit = rest % 10
        rest //= 10
        # the digit next to the check digit is doubled, then every second one
        doubled = digit * 2 if position % 2 == 0 else digit
        total += doubled // 10 + doubled % 10
    return numbers * 10 + (10 - total % 10) % 10


def mobile_numbers(draw: np.random.Generator, count: int) -> Ints:
    """Distinct national numbers without the leading zero, such as 1012345678."""
    subscriber = draw.choice(90_000_000, size=count, replace=False) + 10_000_000
    prefix = draw.choice(MOBILE_PREFIXES, size=count, p=(0.42, 0.25, 0.22, 0.11))
    return np.asarray(prefix * 100_000_000 + subscriber, dtype=np.int64)


def local_spelling(number: pl.Expr) -> pl.Expr:
    """The number as its owner says it: 01012345678."""
    return pl.lit("0") + number.cast(pl.String)


def varied_spelling(number: pl.Expr, choice: pl.Expr) -> pl.Expr:
    """The number as source systems write it; `choice` in [0, 1) picks the spelling, three of four are the local one."""
    digits = number.cast(pl.String)
    local = local_spelling(number)
    return (
        pl.when(choice < 0.76)
        .then(local)
        .when(choice < 0.88)
        .then(pl.lit("+20") + digits)
        .when(choice < 0.94)
        .then(pl.lit("0020") + digits)
        .when(choice < 0.96)
        .then(pl.lit("20") + digits)
        .when(choice < 0.98)
        .then(local.str.slice(0, 3) + " " + local.str.slice(3, 4) + " " + local.str.slice(7))
        .otherwise(pl.lit("(") + local.str.slice(0, 3) + ") " + local.str.slice(3, 4) + "-" + local.str.slice(7))
    )


def foreign_number(draw: np.random.Generator) -> str:
    """One number abroad, with `+` or `00` in front."""
    country, start, digits = _COUNTRIES[int(draw.integers(0, len(_COUNTRIES)))]
    sign = "+" if draw.random() < 0.7 else "00"
    return f"{sign}{country}{start}{draw.integers(0, 10**digits):0{digits}d}"
