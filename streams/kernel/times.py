"""Instants and days by their text."""

from typing import Any

from streams.kernel.compiled import compiled, inlined
from streams.kernel.json_text import COLON, MINUS, NINE, ZERO
from streams.kernel.numbers import POINT, whole_number
from streams.kernel.scan import EMPTY, NUMBER, STRING

# What became of a time. DOUBTFUL: read, but a clock change left a doubt. SLOW: ask Python.
NONE, READ, WRONG, DOUBTFUL, SLOW = range(5)
_DAY_US, _SECOND_US = 86_400_000_000, 1_000_000
# The years 1 to 9999, in µs since 1970.
_MIN_US, _MAX_US = -62_135_596_800_000_000, 253_402_300_799_999_999
_LOWER = 0x20  # a letter with this bit is a small one
_MILLISECONDS_FROM = 100_000_000_000  # smaller numbers would be seconds (contracts.md, "Time")
_DAY_SIZE, _MINUTE_SIZE, _SECOND_SIZE = 10, 5, 3
# `YYYYMMDDhhmmss`, read in these years only: other numbers of so many digits are more likely something else.
_COMPACT_SIZE, _COMPACT_FROM, _COMPACT_TO = 14, 1900, 2100
_COMPACT_LEAST, _COMPACT_END = 10 ** (_COMPACT_SIZE - 1), 10**_COMPACT_SIZE


@inlined
def _two(data: Any, at: int) -> int:
    """The number of two digits; below zero where they are none."""
    a, b = int(data[at]) - ZERO, int(data[at + 1]) - ZERO
    return a * 10 + b if 0 <= a <= 9 and 0 <= b <= 9 else -1


@compiled
def day_number(data: Any, at: int, end: int) -> tuple[int, bool]:
    """The days since 1970 of `YYYY-MM-DD` at a place, and whether it is a day (proleptic Gregorian, years 1 to 9999).

    Hinnant, chrono-Compatible Low-Level Date Algorithms, days_from_civil.
    """
    if at + _DAY_SIZE > end or data[at + 4] != MINUS or data[at + 7] != MINUS:
        return 0, False
    century, year, month, day = _two(data, at), _two(data, at + 2), _two(data, at + 5), _two(data, at + 8)
    if century < 0 or year < 0:
        return 0, False
    return _days(century * 100 + year, month, day)


@inlined
def _days(year: int, month: int, day: int) -> tuple[int, bool]:
    """The days since 1970 of a calendar day, and whether it is one."""
    if month < 1 or month > 12 or day < 1:
        return 0, False
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    longest = (
        (29 if leap else 28) if month == 2 else (30 if month == 4 or month == 6 or month == 9 or month == 11 else 31)
    )
    if year < 1 or day > longest:
        return 0, False
    y = year - 1 if month <= 2 else year
    era = y // 400
    of_era = y - era * 400
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468, True


@inlined
def _clock(data: Any, at: int) -> int:
    """The seconds of `hh:mm` at a place; -1 where it is none."""
    hour, minute = _two(data, at), _two(data, at + 3)
    if data[at + 2] != COLON or hour > 23 or minute > 59:
        return -1
    return -1 if hour < 0 or minute < 0 else hour * 3600 + minute * 60


@inlined
def _zone(data: Any, at: int, end: int) -> tuple[int, bool]:
    """The seconds east of UTC that `Z`, `±HH`, `±HHMM` or `±HH:MM` says, and whether it is one of them."""
    size = end - at
    if size == 1 and data[at] | _LOWER == 0x7A:
        return 0, True
    if size < 3 or (data[at] != MINUS and data[at] != 0x2B):
        return 0, False
    hours, minutes = _two(data, at + 1), 0
    if size == 5:
        minutes = _two(data, at + 3)
    elif size == 6 and data[at + 3] == COLON:
        minutes = _two(data, at + 4)
    elif size != 3:
        return 0, False
    if hours < 0 or hours > 23 or minutes < 0 or minutes > 59:
        return 0, False
    away = hours * 3600 + minutes * 60
    return (-away if data[at] == MINUS else away), True


@compiled
def _local(micros: int, first: int, last: int, doubtful: Any, until: Any, offset: Any) -> tuple[int, int]:
    """The instant of a local time by a table of a zone's offsets (see `rules.times`), and what became of it."""
    if micros < first or micros > last:
        return 0, SLOW
    low, high = 0, len(until)
    while low < high:
        middle = (low + high) // 2
        if until[middle] <= micros:
            low = middle + 1
        else:
            high = middle
    doubt = low < len(doubtful) and micros >= doubtful[low]
    return micros - offset[low], DOUBTFUL if doubt else READ


@inlined
def _seconds(data: Any, at: int, end: int) -> tuple[int, int]:
    """The µs of `:ss`, with or without a fraction, if they are there; -1 where they are none. And the place after them."""
    if at == end or data[at] != COLON:
        return 0, at
    second = _two(data, at + 1) if at + _SECOND_SIZE <= end else -1
    if second < 0 or second > 59:
        return -1, at
    at += _SECOND_SIZE
    micros = second * _SECOND_US
    if at < end and data[at] == POINT:
        at += 1
        place, unit = at, _SECOND_US // 10
        while at < end and ZERO <= data[at] <= NINE:
            micros += (int(data[at]) - ZERO) * unit
            unit //= 10
            at += 1
        if at == place:
            return -1, at
    return micros, at


@compiled
def instant(
    data: Any, begin: int, end: int, alone: bool, first: int, last: int, doubtful: Any, until: Any, offset: Any
) -> tuple[int, int]:
    """The µs since 1970 of a time's text, and what became of it.

    Args:
        alone: whether a day alone is its local midnight.
        first, last: the local times for which the table holds; beyond, Python is asked.
    """
    at = begin
    while at < end and ZERO <= data[at] <= NINE:
        at += 1
    if at == end:
        return _of_number(_digits(data, begin, end), end - begin == _COMPACT_SIZE, first, last, doubtful, until, offset)
    days, good = day_number(data, begin, end)
    if not good:
        return 0, WRONG
    at = begin + _DAY_SIZE
    if at == end and alone:
        return _local(days * _DAY_US, first, last, doubtful, until, offset)
    if at + 1 + _MINUTE_SIZE > end or (data[at] != 0x20 and data[at] | _LOWER != 0x74):
        return 0, WRONG
    clock = _clock(data, at + 1)
    if clock < 0:
        return 0, WRONG
    at += 1 + _MINUTE_SIZE
    part, at = _seconds(data, at, end)
    if part < 0:
        return 0, WRONG
    micros = days * _DAY_US + clock * _SECOND_US + part
    if at == end:
        return _local(micros, first, last, doubtful, until, offset)
    east, good = _zone(data, at, end)
    micros -= east * _SECOND_US
    if not good or micros < _MIN_US or micros > _MAX_US:
        return 0, WRONG
    return micros, READ


@compiled
def _of_number(
    value: int, compact: bool, first: int, last: int, doubtful: Any, until: Any, offset: Any
) -> tuple[int, int]:
    """The instant of a number: `YYYYMMDDhhmmss` in local time (`compact`), else milliseconds since 1970."""
    if not compact:
        return (0, WRONG) if value < _MILLISECONDS_FROM or value > _MAX_US // 1000 else (value * 1000, READ)
    day, clock = value // 1_000_000, value % 1_000_000
    hour, minute, second, year = clock // 10_000, clock // 100 % 100, clock % 100, day // 10_000
    days, good = _days(year, day // 100 % 100, day % 100)
    if not good or year < _COMPACT_FROM or year > _COMPACT_TO or hour > 23 or minute > 59 or second > 59:
        return 0, WRONG
    micros = days * _DAY_US + (hour * 3600 + minute * 60 + second) * _SECOND_US
    return _local(micros, first, last, doubtful, until, offset)


@inlined
def _digits(data: Any, begin: int, end: int) -> int:
    """The number of digits alone, as far as it can be a time."""
    value = 0
    for at in range(begin, end):
        value = min(value * 10 + int(data[at]) - ZERO, 10**17)
    return value


@compiled
def read_instants(
    data: Any, kinds: Any, begins: Any, ends: Any, alone: bool, first: int, last: int, doubtful: Any, until: Any, offset: Any,
    values: Any, states: Any,
) -> None:  # fmt: skip
    """Read times; what is neither text nor a number is WRONG."""
    for row in range(len(kinds)):
        values[row], states[row] = 0, NONE
        if kinds[row] == STRING:
            values[row], states[row] = instant(
                data, begins[row], ends[row], alone, first, last, doubtful, until, offset
            )
        elif kinds[row] == NUMBER:
            number, good = whole_number(data, begins[row], ends[row])
            compact = _COMPACT_LEAST <= number < _COMPACT_END
            values[row], states[row] = (
                _of_number(number, compact, first, last, doubtful, until, offset) if good else (0, WRONG)
            )
        elif kinds[row] > EMPTY:
            states[row] = WRONG


@compiled
def read_days(data: Any, kinds: Any, begins: Any, ends: Any, values: Any, states: Any) -> None:
    """Read days; text that is more than a day is SLOW."""
    for row in range(len(kinds)):
        values[row], states[row] = 0, NONE
        if kinds[row] == STRING:
            days, good = day_number(data, begins[row], ends[row])
            if good and ends[row] - begins[row] == _DAY_SIZE:
                values[row], states[row] = days, READ
            else:
                states[row] = SLOW
        elif kinds[row] > EMPTY:
            states[row] = WRONG
