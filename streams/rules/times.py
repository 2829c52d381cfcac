"""Instants and dates, in the operator's zone where a text names none."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from streams.columns import no_rows, put, where
from streams.contract import Field
from streams.rules.numbers import whole
from streams.rules.reading import Context, Raw, Reading

INSTANT = pl.Datetime("us", "UTC")
_DAY = "[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_LOCAL = rf"^{_DAY}[ T]{_CLOCK}$"
_ANY = re.compile(rf"^({_DAY})[ T]({_CLOCK})(\.[0-9]+)?(Z|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?$")
_DATE = re.compile(rf"^{_DAY}$")
_DIGITS = re.compile("^[0-9]+$")
_MILLISECONDS_FROM = 10**11  # smaller numbers would be seconds (contracts.md, "Time")
_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
# The zone's transitions are tabled for these years; other local times are read one by one.
_FIRST_YEAR, _LAST_YEAR = 1970, 2100
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
        return _milliseconds(text), False
    match = _ANY.match(text)
    if not match:
        return None, False
    day, clock, fraction, offset = match.groups()
    try:
        local = datetime.fromisoformat(f"{day} {clock}")
    except ValueError:
        return None, False
    local = local.replace(microsecond=int(fraction[1:7].ljust(6, "0")) if fraction else 0)
    if offset is None:
        return local_instant(local, zone)
    micros = (local - _EPOCH) // _MICROSECOND - _offset(offset) // _MICROSECOND
    return (micros if _MIN_US <= micros <= _MAX_US else None), False


def _offset(text: str) -> timedelta:
    if text == "Z":
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


def _read_locals(text: pl.Series, zone_name: str) -> tuple[pl.Series, pl.Series]:
    """The plain local times of a column, vectorised: µs since 1970 UTC (null: not one), and the doubtful rows."""
    micros = where(text.str.contains(_LOCAL).fill_null(False), text).str.replace("T", " ", literal=True)
    local = micros.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False).cast(pl.Int64)
    table = _transitions(zone_name)
    low = int((datetime(_FIRST_YEAR, 1, 2) - _EPOCH) / _MICROSECOND)
    high = int((datetime(_LAST_YEAR, 1, 1) - _EPOCH) / _MICROSECOND)
    local = where(local.is_between(low, high).fill_null(False), local)
    values = local.fill_null(low).to_numpy()
    index = np.searchsorted(table.until, values, side="right")
    instant = pl.Series(values - table.offset[index])
    if len(table.doubtful):
        nearest = np.minimum(index, len(table.doubtful) - 1)
        doubt = pl.Series((index < len(table.doubtful)) & (values >= table.doubtful[nearest]))
    else:
        doubt = no_rows(len(text))
    known = local.is_not_null()
    return where(known, instant), doubt & known


def read_time(raw: Raw, field: Field, context: Context) -> Reading:
    """An instant: local text, text with an offset, or epoch milliseconds. A timestamp's unreadable text is in `remains`."""
    zone = ZoneInfo(context.time_zone)
    micros, doubt = _read_locals(raw.text, context.time_zone)
    rows = (raw.text.is_not_null() & micros.is_null()).arg_true()
    if len(rows):
        read = [parse(text, zone) for text in raw.text.gather(rows)]
        micros, doubt = put(micros, rows, (r[0] for r in read)), put(doubt, rows, (r[1] for r in read))
    if not raw.all_quoted:
        rows = (raw.bare.is_not_null()).arg_true()
        numbers = (whole(text) for text in raw.bare.gather(rows))
        micros = put(micros, rows, (None if n is None or n < 0 else _milliseconds(str(n)) for n in numbers))
    value = micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    wrong = raw.present & value.is_null()
    reading = Reading(value, {"invalid": wrong}, unfit=wrong, warnings={"dst": doubt})
    if field.name == "timestamp":
        reading.unfit, reading.remains = wrong & ~raw.quoted, where(wrong & raw.quoted, raw.text)
    return reading


def read_date(raw: Raw, field: Field, context: Context) -> Reading:
    """A calendar day: `YYYY-MM-DD`, or the day of a time in the operator's zone."""
    zone = ZoneInfo(context.time_zone)
    plain = where(raw.text.str.contains(_DATE.pattern).fill_null(False), raw.text)
    value = plain.str.to_date("%Y-%m-%d", strict=False)
    first_day, doubt = date(1, 1, 1), no_rows(len(raw))
    value = where((value >= first_day).fill_null(False), value)
    rows = (raw.text.is_not_null() & value.is_null()).arg_true()
    if len(rows):
        read = [_day(text, zone) for text in raw.text.gather(rows)]
        value, doubt = put(value, rows, (r[0] for r in read)), put(doubt, rows, (r[1] for r in read))
    wrong = raw.present & value.is_null()
    return Reading(value, {"invalid": wrong}, unfit=wrong, warnings={"dst": doubt})


def _day(text: str, zone: ZoneInfo) -> tuple[date | None, bool]:
    if _DIGITS.match(text) or not _ANY.match(text):
        return None, False
    micros, doubt = parse(text, zone)
    if micros is None:
        return None, False
    match = _ANY.match(text)
    if match and match.group(4) is None:
        return date.fromisoformat(match.group(1)), doubt  # a local time's date is its own, gap or not
    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)).astimezone(zone).date(), doubt
    except OverflowError:
        return None, False


def read_effective_from(raw: Raw, field: Field, context: Context) -> Reading:
    """A time, or a date alone, which is its local midnight."""
    dates = raw.text.str.contains(_DATE.pattern).fill_null(False)
    if dates.any():
        rows = dates.arg_true()
        midnights = put(raw.text, rows, raw.text.gather(rows) + " 00:00:00")
        return read_time(Raw(midnights, raw.bare), field, context)
    return read_time(raw, field, context)
