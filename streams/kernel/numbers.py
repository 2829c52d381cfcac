"""Numbers by their JSON text: whole numbers, doubles and money, exactly."""

from typing import Any

from streams.kernel.compiled import compiled, inlined
from streams.kernel.json_text import MINUS, NINE, ZERO, after_number
from streams.kernel.scan import NUMBER, STRING

POINT = 0x2E
# An exponent beyond any message's length is as good as endless: no zeros that are written out make up for it.
_FAR = 10**12
_MOST_DIGITS, _EXACT_POWER = 15, 22  # of a double: 15 digits are kept whatever they are, and 10^22 is one exactly
_MONEY_DIGITS, _MONEY_PLACES = 14, 4
_MONEY_END = 10 ** (_MONEY_DIGITS + _MONEY_PLACES)
_TENTH_OF_64_BITS = -922_337_203_685_477_580
# What became of a number. SLOW: it takes more than is done here, ask Python.
NONE, READ, LOST, TOO_LARGE, SLOW = range(5)


@inlined
def _parts(data: Any, begin: int, end: int) -> tuple[int, int, int, int]:
    """A number's parts: where its first digit that is not zero stands, where its digits end, by how many places these lie
    before the point (the number is 0.ddd times ten to that power), and how many they are from the first to the last."""
    at = begin + 1 if data[begin] == MINUS else begin
    first = at
    while at < end and ZERO <= data[at] <= NINE:
        at += 1
    point = at
    if at < end and data[at] == POINT:
        at += 1
        while at < end and ZERO <= data[at] <= NINE:
            at += 1
    last, power = at, 0
    if at < end:
        at += 1
        negative = data[at] == MINUS
        if negative or data[at] == 0x2B:
            at += 1
        while at < end:
            power = min(power * 10 + int(data[at]) - ZERO, _FAR)
            at += 1
        power = -power if negative else power
    while first < last and (data[first] == ZERO or data[first] == POINT):
        first += 1
    places = point - first if first < point else point + 1 - first
    digits = last - first - (1 if first < point < last else 0)
    return first, last, places + power, digits


@compiled
def whole_number(data: Any, begin: int, end: int) -> tuple[int, bool]:
    """A number's value if it is whole and has 64 bits, and whether it is."""
    first, last, places, _ = _parts(data, begin, end)
    if first == last:
        return 0, True
    if places < 1 or places > 19:
        return 0, False
    # below zero there is room for one number more
    value, taken = 0, 0
    for at in range(first, last):
        if data[at] == POINT:
            continue
        digit = int(data[at]) - ZERO
        if taken >= places:
            if digit != 0:
                return 0, False
            continue
        if value < _TENTH_OF_64_BITS or (value == _TENTH_OF_64_BITS and digit > 8):
            return 0, False
        value = value * 10 - digit
        taken += 1
    while taken < places:
        if value < _TENTH_OF_64_BITS:
            return 0, False
        value *= 10
        taken += 1
    if data[begin] == MINUS:
        return value, True
    if value == _TENTH_OF_64_BITS * 10 - 8:
        return 0, False
    return -value, True


@compiled
def double(data: Any, begin: int, end: int) -> tuple[float, int]:
    """A number as a double, and READ or SLOW. Exact: Clinger, How to read floating point numbers accurately, 1990."""
    first, last, places, digits = _parts(data, begin, end)
    power = places - digits
    if digits > _MOST_DIGITS or power > _EXACT_POWER or power < -_EXACT_POWER:
        return 0.0, SLOW
    mantissa = 0.0
    for at in range(first, last):
        if data[at] != POINT:
            mantissa = mantissa * 10.0 + (int(data[at]) - ZERO)
    ten = 1.0
    for _ in range(abs(power)):
        ten *= 10.0
    mantissa = mantissa / ten if power < 0 else mantissa * ten
    return -mantissa if data[begin] == MINUS else mantissa, READ


@compiled
def money(data: Any, begin: int, end: int, exact: bool) -> tuple[int, int]:
    """A number in ten-thousandths, rounded half-even; and READ, LOST (digits), TOO_LARGE or SLOW.

    Args:
        exact: it is text. A JSON number is taken to 15 significant digits first, which Python does where it has more.
    """
    first, last, places, digits = _parts(data, begin, end)
    if not exact and (digits > _MOST_DIGITS or places > 300 or places < -300):
        return 0, SLOW
    if first == last:
        return 0, READ
    if places > _MONEY_DIGITS:
        return 0, TOO_LARGE
    kept, value, taken, following, rest = places + _MONEY_PLACES, 0, 0, 0, False
    for at in range(first, last):
        if data[at] == POINT:
            continue
        digit = int(data[at]) - ZERO
        if taken < kept:
            value = value * 10 + digit
        elif taken == kept:
            following = digit
        else:
            rest = rest or digit != 0
        taken += 1
    if kept < 0:
        following, rest = 0, True
    while taken < kept:
        value *= 10
        taken += 1
    lost = following != 0 or rest
    if following > 5 or (following == 5 and (rest or value % 2 == 1)):
        value += 1
    if value >= _MONEY_END:
        return 0, TOO_LARGE
    return -value if data[begin] == MINUS else value, LOST if lost else READ


@inlined
def is_number(data: Any, kind: int, begin: int, end: int) -> bool:
    """Whether a value is a number, or text that is one."""
    return kind == NUMBER or (kind == STRING and after_number(data, begin, end) == end)


@compiled
def read_wholes(data: Any, kinds: Any, begins: Any, ends: Any, values: Any, states: Any) -> None:
    """Read whole numbers; states are NONE or READ."""
    for row in range(len(kinds)):
        values[row], states[row] = 0, NONE
        if is_number(data, kinds[row], begins[row], ends[row]):
            value, good = whole_number(data, begins[row], ends[row])
            if good:
                values[row], states[row] = value, READ


@compiled
def read_doubles(data: Any, kinds: Any, begins: Any, ends: Any, values: Any, states: Any) -> None:
    """Read doubles; states are NONE, READ or SLOW."""
    for row in range(len(kinds)):
        values[row], states[row] = 0.0, NONE
        if is_number(data, kinds[row], begins[row], ends[row]):
            values[row], states[row] = double(data, begins[row], ends[row])


@compiled
def read_moneys(data: Any, kinds: Any, begins: Any, ends: Any, values: Any, states: Any) -> None:
    """Read money, as 128 bits in two words each."""
    for row in range(len(kinds)):
        values[row, 0], values[row, 1], states[row] = 0, 0, NONE
        if is_number(data, kinds[row], begins[row], ends[row]):
            value, states[row] = money(data, begins[row], ends[row], kinds[row] == STRING)
            values[row, 0], values[row, 1] = value, -1 if value < 0 else 0
