"""Instants and dates, in the operator's zone where a text names none."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from streams.contract import Field
from streams.kernel import times as kernel
from streams.kernel.arrow import array_of
from streams.kernel.columns import texts
from streams.kernel.scan import ABSENT
from streams.rules.reading import INVALID, LENGTH, Context, Mask, Raw, Reading

INSTANT = pa.timestamp("us", "UTC")
_DAY = "[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_ANY = re.compile(
    rf"^({_DAY})[ Tt]({_CLOCK})(?:(:[0-5][0-9])(\.[0-9]+)?)?([Zz]|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?$"
)
_DATE = re.compile(rf"^{_DAY}$")
_DIGITS = re.compile("^[0-9]+$")
# A number of 14 digits is `YYYYMMDDhhmmss` of these years, local, or nothing.
_COMPACT_SIZE, _COMPACT_YEARS = 14, range(1900, 2101)
_MILLISECONDS_FROM = 10**11  # smaller numbers would be seconds (contracts.md, "Time")
_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
# The zone's transitions are tabled for these years; other local times are read one by one.
_FIRST_YEAR, _LAST_YEAR = 1970, 2100
_FIRST_US = (datetime(_FIRST_YEAR, 1, 2) - _EPOCH) // _MICROSECOND
_LAST_US = (datetime(_LAST_YEAR, 1, 1) - _EPOCH) // _MICROSECOND
_MIN_US = (datetime(1, 1, 1) - _EPOCH) // _MICROSECOND
_MAX_US = (datetime(9999, 12, 31, 23, 59, 59, 999999) - _EPOCH) // _MICROSECOND


@dataclass(frozen=True)
class _Transitions:
    """A zone's changes of offset, in µs of local time.

    `until[i]` is the local time up to which `offset[i]` counts: for an hour that is skipped the gap's end, for one that
    comes twice the end of the first pass; both are the rule's reading. Between `doubtful[i]` and `until[i]` the local time
    does not exist or exists twice.
    """

    doubtful: np.ndarray
    until: np.ndarray
    offset: np.ndarray


@cache
def _transitions(zone_name: str) -> _Transitions:
    zone = ZoneInfo(zone_name)

    def offset(at: datetime) -> timedelta:
        found = at.replace(tzinfo=UTC).astimezone(zone).utcoffset()
        return found if found is not None else timedelta(0)

    doubtful, until, offsets = [], [], []
    day = datetime(_FIRST_YEAR, 1, 1)
    before = offset(day)
    offsets.append(before)
    while day.year <= _LAST_YEAR:
        following = day + timedelta(days=1)
        after = offset(following)
        if after != before:
            low, high = day, following
            while high - low > timedelta(seconds=1):
                middle = (low + (high - low) / 2).replace(microsecond=0)
                low, high = (middle, high) if offset(middle) == before else (low, middle)
            doubtful.append((high + min(before, after) - _EPOCH) // _MICROSECOND)
            until.append((high + max(before, after) - _EPOCH) // _MICROSECOND)
            offsets.append(after)
        day, before = following, after
    micros = [o // _MICROSECOND for o in offsets]
    return _Transitions(np.array(doubtful, np.int64), np.array(until, np.int64), np.array(micros, np.int64))


def local_instant(local: datetime, zone: ZoneInfo) -> tuple[int | None, bool]:
    """A local time's instant in µs since 1970 UTC, None outside the years 1 to 9999; and whether the clock change left a doubt.

    A time that occurs twice is the earlier one; one that does not exist is read with the offset before the gap: both are
    what fold 0 means (PEP 495).
    """
    first, second = local.replace(tzinfo=zone).utcoffset(), local.replace(tzinfo=zone, fold=1).utcoffset()
    micros = (local - _EPOCH) // _MICROSECOND - (first or timedelta(0)) // _MICROSECOND
    return (micros if _MIN_US <= micros <= _MAX_US else None), first != second


def parse(text: str, zone: ZoneInfo) -> tuple[int | None, bool]:
    """One time's text to µs since 1970 UTC (None: unreadable) and whether a clock change left a doubt."""
    if _DIGITS.match(text):
        return _compact(text, zone) if len(text) == _COMPACT_SIZE else (_milliseconds(text), False)
    match = _ANY.match(text)
    if not match:
        return None, False
    day, clock, seconds, fraction, offset = match.groups()
    try:
        local = datetime.fromisoformat(f"{day} {clock}{seconds or ':00'}")
    except ValueError:
        return None, False
    local = local.replace(microsecond=int(fraction[1:7].ljust(6, "0")) if fraction else 0)
    if offset is None:
        return local_instant(local, zone)
    micros = (local - _EPOCH) // _MICROSECOND - _offset(offset) // _MICROSECOND
    return (micros if _MIN_US <= micros <= _MAX_US else None), False


def _compact(digits: str, zone: ZoneInfo) -> tuple[int | None, bool]:
    """The instant of `YYYYMMDDhhmmss`; 14 digits that are none are no milliseconds either."""
    day, clock = f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}", f"{digits[8:10]}:{digits[10:12]}:{digits[12:]}"
    try:
        local = datetime.fromisoformat(f"{day} {clock}")
    except ValueError:
        return None, False
    return local_instant(local, zone) if local.year in _COMPACT_YEARS else (None, False)


def _offset(text: str) -> timedelta:
    if text in "Zz":
        return timedelta(0)
    digits = text[1:].replace(":", "").ljust(4, "0")
    away = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -away if text[0] == "-" else away


def _milliseconds(digits: str) -> int | None:
    significant = digits.lstrip("0")
    if len(significant) > 18:
        return None
    value = int(significant or "0")
    return value * 1000 if value >= _MILLISECONDS_FROM and value * 1000 <= _MAX_US else None


def _rows(states: Any, wanted: int) -> Iterator[int]:
    yield from np.flatnonzero(states == wanted).tolist()


def _read(raw: Raw, context: Context, alone: bool) -> Reading:
    zone, table = ZoneInfo(context.time_zone), _transitions(context.time_zone)
    values, states = np.empty(len(raw), np.int64), np.empty(len(raw), np.uint8)
    kernel.read_instants(
        *raw.spans, alone, _FIRST_US, _LAST_US, table.doubtful, table.until, table.offset, values, states
    )
    for row in _rows(states, kernel.SLOW):
        text = raw.string(row)
        micros, doubt = parse(f"{text} 00:00:00" if alone and _DATE.match(text) else text, zone)
        values[row] = micros or 0
        states[row] = kernel.WRONG if micros is None else (kernel.DOUBTFUL if doubt else kernel.READ)
    doubtful, wrong = states == kernel.DOUBTFUL, states == kernel.WRONG
    known = (states == kernel.READ) | doubtful
    value = array_of(INSTANT, known, values)
    return Reading(value, wrong * np.uint8(INVALID), wrong, {"dst": doubtful}, values, known)


def read_time(raw: Raw, field: Field, context: Context) -> Reading:
    """An instant: local text, text with an offset, or epoch milliseconds. A timestamp's unreadable text is in `remains`."""
    raw, long = _without_long(raw, field)
    reading = _read(raw, context, alone=False)
    if field.name == "timestamp":
        wrong = reading.unfit
        reading.unfit, reading.remains = wrong & ~raw.quoted, texts(*raw.spans, wrong & raw.quoted)
    return _with_long(reading, long)


def read_effective_from(raw: Raw, field: Field, context: Context) -> Reading:
    """A time, or a date alone, which is its local midnight."""
    raw, long = _without_long(raw, field)
    return _with_long(_read(raw, context, alone=True), long)


def _without_long(raw: Raw, field: Field) -> tuple[Raw, Mask | None]:
    """What is too long is not read at all (contracts.md, "Length")."""
    if field.max_length is None:
        return raw, None
    long = raw.quoted & (raw.ends - raw.begins > field.max_length)
    if not long.any():
        return raw, None
    return replace(raw, kinds=np.where(long, np.uint8(ABSENT), raw.kinds)), long


def _with_long(reading: Reading, long: Mask | None) -> Reading:
    if long is not None:
        reading.codes[long] = LENGTH
    return reading


def read_date(raw: Raw, field: Field, context: Context) -> Reading:
    """A calendar day: `YYYY-MM-DD`, or the day of a time in the operator's zone."""
    zone = ZoneInfo(context.time_zone)
    values, states = np.empty(len(raw), np.int32), np.empty(len(raw), np.uint8)
    kernel.read_days(*raw.spans, values, states)
    for row in _rows(states, kernel.SLOW):
        day, doubt = _day(raw.string(row), zone)
        values[row] = 0 if day is None else (day - _EPOCH.date()).days
        states[row] = kernel.WRONG if day is None else (kernel.DOUBTFUL if doubt else kernel.READ)
    doubtful, wrong = states == kernel.DOUBTFUL, states == kernel.WRONG
    known = (states == kernel.READ) | doubtful
    return Reading(array_of(pa.date32(), known, values), wrong * np.uint8(INVALID), wrong, {"dst": doubtful})


def _day(text: str, zone: ZoneInfo) -> tuple[date | None, bool]:
    if _DIGITS.match(text) or not _ANY.match(text):
        return None, False
    micros, doubt = parse(text, zone)
    if micros is None:
        return None, False
    match = _ANY.match(text)
    if match and match.group(5) is None:
        return date.fromisoformat(match.group(1)), doubt  # a local time's date is its own, gap or not
    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)).astimezone(zone).date(), doubt
    except OverflowError:
        return None, False
