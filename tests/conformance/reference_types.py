"""The types and patterns of contracts.md, one value at a time. `CHOICE` marks what the words leave open and is taken here."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.conformance.reference_json import NUMBER, SPACE, Number

_CURRENCIES = Path(__file__).resolve().parents[2] / "streams" / "contracts" / "currencies.txt"


@dataclass
class Read:
    """What one value became: the column's value, at most one code word, warning words, whether `extra` keeps it."""

    value: Any = None
    code: str = ""
    warnings: tuple[str, ...] = ()
    kept: bool = False


def trimmed(text: str) -> str:
    """Without white space at both ends."""
    return text.strip(SPACE)


def _number(value: Any) -> Number | None:
    """A number, or text that is one by JSON's grammar."""
    if isinstance(value, Number):
        return value
    if isinstance(value, str) and NUMBER.fullmatch(trimmed(value)):
        return Number(trimmed(value))
    return None


def read_string(value: Any) -> Read:
    """A string, or a whole number by its digits."""
    if isinstance(value, str):
        return Read(trimmed(value))
    if isinstance(value, Number) and value.integer is not None:
        return Read(str(value.integer))
    return Read(code="type", kept=True)


def read_int(value: Any) -> Read:
    """A whole number in 64 bits."""
    number = _number(value)
    if number is None or number.integer is None:
        return Read(code="type", kept=True)
    return Read(number.integer)


def read_double(value: Any) -> Read:
    """A finite number."""
    number = _number(value)
    if number is None or float(number.text) in (float("inf"), float("-inf")):
        return Read(code="type", kept=True)
    return Read(float(number.text))


def read_money(value: Any) -> Read:
    """decimal(18,4), half-even; a JSON number by 15 significant digits of its double (CHOICE: not of its text)."""
    number = _number(value)
    if number is None:
        return Read(code="type", kept=True)
    if isinstance(value, Number) and abs(float(number.text)) != float("inf"):
        number = Number(f"{float(number.text):.15g}".replace("e+", "e"))
    coefficient, power = number.parts
    lost = False
    if coefficient and len(str(abs(coefficient))) + power > 16:
        return Read(code="range", kept=True)
    if power >= -4:
        scaled = coefficient * 10 ** (power + 4)
    elif len(str(abs(coefficient))) + power < -6:
        scaled, lost = 0, True
    else:
        divisor = 10 ** (-4 - power)
        scaled, rest = divmod(abs(coefficient), divisor)
        lost = rest != 0
        if rest * 2 > divisor or (rest * 2 == divisor and scaled % 2 == 1):
            scaled += 1
        scaled = -scaled if coefficient < 0 else scaled
    if abs(scaled) >= 10**18:
        return Read(code="range", kept=True)
    return Read(Decimal(scaled) / 10000, warnings=("rounded",) if lost else ())


def read_bool(value: Any) -> Read:
    """true, false, or that text in any case."""
    if isinstance(value, bool):
        return Read(value)
    word = trimmed(value) if isinstance(value, str) else ""
    if re.fullmatch("true|false", word, re.IGNORECASE | re.ASCII):
        return Read(word[0] in "tT")
    return Read(code="type", kept=True)


_EPOCH = datetime(1970, 1, 1)
_FIRST = -62_135_596_800 * 10**6
_END = 253_402_300_800 * 10**6
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[ Tt]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)((?<=:[0-9]{2}:[0-9]{2})\.[0-9]+)?"
    r"([Zz]|([+-])([0-9]{2})(?::?([0-9]{2}))?)?"
)


def _offset(zone: ZoneInfo, instant_us: int) -> int:
    inside = min(max(instant_us, _FIRST + 10 * 86_400 * 10**6), _END - 10 * 86_400 * 10**6)
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=inside)
    away = at.astimezone(zone).utcoffset()
    assert away is not None
    return away // timedelta(microseconds=1)


def local_to_instant(local_us: int, zone: ZoneInfo) -> tuple[int, bool]:
    """The instant of a local time by trying the offsets of the days around it; and whether there was not exactly one."""
    day = 86_400 * 10**6
    before, after = _offset(zone, local_us - day), _offset(zone, local_us + day)
    fitting = sorted({local_us - away for away in (before, after) if _offset(zone, local_us - away) == away})
    if len(fitting) == 1:
        return fitting[0], False
    return (fitting[0] if fitting else local_us - before), True


def instant_of(text: str, zone: ZoneInfo) -> tuple[int | None, bool, bool]:
    """µs since 1970 UTC of a time's text (None: unreadable), whether a clock change was near, whether it named its offset."""
    match = _TIME.fullmatch(text)
    if not match:
        return None, False, False
    day, clock, fraction, named, sign, hours, minutes = match.groups()
    try:
        clock = clock if len(clock) == 8 else f"{clock}:00"
        local = datetime.strptime(f"{day} {clock}", "%Y-%m-%d %H:%M:%S")
    except ValueError:
        return None, False, False
    if clock.endswith((":60", ":61")):
        return None, False, False  # strptime takes leap seconds
    micros = (local - _EPOCH) // timedelta(microseconds=1) + int((fraction or ".")[1:].ljust(6, "0")[:6])
    doubt = False
    if named is None:
        micros, doubt = local_to_instant(micros, zone)
    elif named not in "Zz":
        # CHOICE: an offset's hours end at 23 and its minutes at 59
        if int(hours) > 23 or int(minutes or 0) > 59:
            return None, False, False
        away = (int(hours) * 60 + int(minutes or 0)) * 60 * 10**6
        micros += away if sign == "-" else -away
    if not _FIRST <= micros < _END:
        return None, False, named is not None
    return micros, doubt, named is not None


def _instant(micros: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)


def read_time(value: Any, zone: ZoneInfo) -> Read:
    """An instant."""
    millis: int | None = None
    digits = trimmed(value) if isinstance(value, str) else ""
    if isinstance(value, Number) and value.integer is not None:
        digits = str(value.integer)
    if re.fullmatch("[0-9]{14}", digits):
        return _compact_time(digits, zone)
    if isinstance(value, Number):
        millis = value.integer
    elif isinstance(value, str) and re.fullmatch("[0-9]+", trimmed(value)):
        millis = int(trimmed(value)) if len(trimmed(value).lstrip("0")) < 30 else None
    elif isinstance(value, str):
        micros, doubt, _ = instant_of(trimmed(value), zone)
        if micros is not None:
            return Read(_instant(micros), warnings=("dst",) if doubt else ())
    if millis is not None and 10**11 <= millis < _END // 1000:
        return Read(_instant(millis * 1000))
    return Read(code="invalid", kept=True)


def _compact_time(digits: str, zone: ZoneInfo) -> Read:
    """YYYYMMDDhhmmss in local time, of the years 1900 to 2100. CHOICE: of the local year."""
    parts = [digits[:4], digits[4:6], digits[6:8], digits[8:10], digits[10:12], digits[12:]]
    if 1900 <= int(parts[0]) <= 2100:
        micros, doubt, _ = instant_of("{}-{}-{} {}:{}:{}".format(*parts), zone)
        if micros is not None:
            return Read(_instant(micros), warnings=("dst",) if doubt else ())
    return Read(code="invalid", kept=True)


def read_date(value: Any, zone: ZoneInfo) -> Read:
    """A day, or a time's day in the operator's zone. CHOICE: a number is digits alone, so unreadable."""
    if isinstance(value, str):
        text = trimmed(value)
        try:
            if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
                return Read(date.fromisoformat(text))
            micros, doubt, _ = instant_of(text, zone)
            if micros is not None:
                return Read(_instant(micros).astimezone(zone).date(), warnings=("dst",) if doubt else ())
        except (ValueError, OverflowError):
            pass
    return Read(code="invalid", kept=True)


def read_phone(value: Any) -> Read:
    """E.164 by the national plan of Egypt and the foreign pattern."""
    read = read_string(value)
    if read.code:
        return read
    before, zero, after = read.value.partition("(0)")
    number = before + after if before and zero else read.value
    bare = "".join(c for c in number if c not in SPACE and c not in "-()")
    if re.fullmatch(r"(\+20|0020|20)?0?1[0125][0-9]{8}", bare):
        return Read("+20" + bare[-10:])
    foreign = re.fullmatch(r"(\+|00)([13-9][0-9]{7,14}|2[1-9][0-9]{6,13})", bare)
    if foreign:
        return Read("+" + foreign[2])
    if re.fullmatch(r"[13-9][0-9]{10,14}|2[1-9][0-9]{9,13}", bare):
        return Read("+" + bare)
    return Read(read.value, "invalid")


def _luhn_digit(digits: str) -> int:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * 2 if place % 2 == 0 else int(digit)
        total += doubled - 9 if doubled > 9 else doubled
    return -total % 10


def read_imei(value: Any) -> Read:
    """15 digits, the last of which should be the Luhn digit; 14 and 16 get it."""
    read = read_string(value)
    if read.code:
        return read
    if not re.fullmatch("[0-9]{14,16}", read.value) or read.value[:14] == "0" * 14:
        return Read(read.value, "invalid")
    if len(read.value) != 15:
        return Read(read.value[:14] + str(_luhn_digit(read.value[:14])))
    right = _luhn_digit(read.value[:14]) == int(read.value[14])
    return Read(read.value, warnings=() if right else ("luhn",))


def read_tac(value: Any) -> Read:
    """8 digits."""
    read = read_string(value)
    if not read.code and not re.fullmatch("[0-9]{8}", read.value):
        read.code = "invalid"
    return read


def read_currency(value: Any) -> Read:
    """One of the codes."""
    lines = _CURRENCIES.read_text().splitlines()
    known = {code for line in lines if not line.startswith("#") for code in line.split()}
    read = read_string(value)
    if not read.code and read.value not in known:
        read.code = "domain"
    return read


_READ = {
    "string": read_string, "int": read_int, "double": read_double, "money": read_money, "bool": read_bool,
    "phone": read_phone, "imei": read_imei, "tac": read_tac, "currency": read_currency,
}  # fmt: skip


def read(kind: str, value: Any, zone: ZoneInfo) -> Read:
    """A value that is neither null nor blank, by its type."""
    if kind == "time":
        return read_time(value, zone)
    return read_date(value, zone) if kind == "date" else _READ[kind](value)
