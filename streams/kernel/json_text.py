"""JSON by RFC 8259 over bytes: what a string, a number, a value is, and where it ends. Nothing is copied.

Every function takes the buffer, a place in it and the end of the message, reads only before that end, and gives the place after
what it read, or -1 where there is no such thing. The meaning is `streams.message`, which reads one message the slow way.
"""

from typing import Any

from streams.kernel.compiled import compiled, inlined

MAX_DEPTH = 64
QUOTE, BACKSLASH, MINUS, ZERO, NINE = 0x22, 0x5C, 0x2D, 0x30, 0x39
OPEN, CLOSE, OPEN_LIST, CLOSE_LIST, COMMA, COLON = 0x7B, 0x7D, 0x5B, 0x5D, 0x2C, 0x3A
ESCAPE = 1
"""A flag of strings: it holds an escape."""


@inlined
def after_white(data: Any, at: int, end: int) -> int:
    """The next place that is no white space."""
    while at < end and (data[at] == 0x20 or data[at] == 0x0A or data[at] == 0x0D or data[at] == 0x09):
        at += 1
    return at


@compiled
def _hex(data: Any, at: int, end: int) -> int:
    """The number of four hexadecimal digits; -1 where they are none."""
    if at + 4 > end:
        return -1
    number = 0
    for i in range(at, at + 4):
        byte = int(data[i])
        if 0x30 <= byte <= 0x39:
            digit = byte - 0x30
        elif 0x41 <= byte <= 0x46:
            digit = byte - 0x37
        elif 0x61 <= byte <= 0x66:
            digit = byte - 0x57
        else:
            return -1
        number = number * 16 + digit
    return number


@compiled
def escape(data: Any, at: int, end: int) -> tuple[int, int]:
    """The character of the escape whose backslash is at a place, and the place after it (-1: it is none)."""
    if at + 1 >= end:
        return 0, -1
    byte = int(data[at + 1])
    if byte == 0x75:  # u
        first = _hex(data, at + 2, end)
        if first < 0 or 0xDC00 <= first <= 0xDFFF:
            return 0, -1
        if first < 0xD800 or first > 0xDFFF:
            return first, at + 6
        if at + 8 > end or data[at + 6] != BACKSLASH or data[at + 7] != 0x75:
            return 0, -1
        second = _hex(data, at + 8, end)
        if second < 0xDC00 or second > 0xDFFF:
            return 0, -1
        return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00), at + 12
    if byte == QUOTE or byte == BACKSLASH or byte == 0x2F:
        return byte, at + 2
    if byte == 0x6E:
        return 0x0A, at + 2
    if byte == 0x74:
        return 0x09, at + 2
    if byte == 0x72:
        return 0x0D, at + 2
    if byte == 0x62:
        return 0x08, at + 2
    if byte == 0x66:
        return 0x0C, at + 2
    return 0, -1


@compiled
def after_character(data: Any, at: int, end: int) -> int:
    """The place after a character of several bytes in UTF-8 (Unicode, table 3-7)."""
    first = int(data[at])
    low, high = 0x80, 0xBF  # of the second byte
    if 0xC2 <= first <= 0xDF:
        more = 1
    elif 0xE0 <= first <= 0xEF:
        more = 2
        if first == 0xE0:
            low = 0xA0
        elif first == 0xED:
            high = 0x9F
    elif 0xF0 <= first <= 0xF4:
        more = 3
        if first == 0xF0:
            low = 0x90
        elif first == 0xF4:
            high = 0x8F
    else:
        return -1
    if at + more >= end:
        return -1
    second = int(data[at + 1])
    if second < low or second > high:
        return -1
    for i in range(at + 2, at + 1 + more):
        if data[i] & 0xC0 != 0x80:
            return -1
    return at + 1 + more


@inlined
def after_string(data: Any, at: int, end: int) -> tuple[int, int]:
    """The place after the closing quote of a string, from the place after the opening one; and its flags."""
    flags = 0
    while at < end:
        byte = int(data[at])
        if byte == QUOTE:
            return at + 1, flags
        if byte == BACKSLASH:
            flags = ESCAPE
            _, at = escape(data, at, end)
        elif byte < 0x20:
            return -1, flags
        elif byte < 0x80:
            at += 1
        else:
            at = after_character(data, at, end)
        if at < 0:
            return -1, flags
    return -1, flags


@inlined
def after_digits(data: Any, at: int, end: int) -> int:
    """The place after digits; there must be one."""
    begin = at
    while at < end and ZERO <= data[at] <= NINE:
        at += 1
    return at if at > begin else -1


@inlined
def after_number(data: Any, at: int, end: int) -> int:
    """The place after a number."""
    if at < end and data[at] == MINUS:
        at += 1
    if at < end and data[at] == ZERO:
        at += 1
    else:
        at = after_digits(data, at, end)
        if at < 0:
            return -1
    if at < end and data[at] == 0x2E:
        at = after_digits(data, at + 1, end)
        if at < 0:
            return -1
    if at < end and (data[at] == 0x65 or data[at] == 0x45):
        at += 1
        if at < end and (data[at] == 0x2B or data[at] == MINUS):
            at += 1
        at = after_digits(data, at, end)
    return at


@inlined
def after_word(data: Any, at: int, end: int) -> int:
    """The place after `true`, `false` or `null`."""
    if at + 4 > end:
        return -1
    a, b, c, d = int(data[at]), int(data[at + 1]), int(data[at + 2]), int(data[at + 3])
    if a == 0x74 and b == 0x72 and c == 0x75 and d == 0x65:
        return at + 4
    if a == 0x6E and b == 0x75 and c == 0x6C and d == 0x6C:
        return at + 4
    if a == 0x66 and b == 0x61 and c == 0x6C and d == 0x73 and at + 5 <= end and data[at + 4] == 0x65:
        return at + 5
    return -1
