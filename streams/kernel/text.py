"""The text of JSON strings: unescaped, and trimmed of Unicode white space at both ends."""

from typing import Any

from streams.kernel.compiled import compiled
from streams.kernel.json_text import BACKSLASH, escape


@compiled
def is_white(character: int) -> bool:
    """Whether a character has Unicode's property White_Space (`message.WHITE_SPACE`)."""
    if character < 0x80:
        return character == 0x20 or 0x09 <= character <= 0x0D
    return (
        character == 0x85
        or character == 0xA0
        or character == 0x1680
        or 0x2000 <= character <= 0x200A
        or character == 0x2028
        or character == 0x2029
        or character == 0x202F
        or character == 0x205F
        or character == 0x3000
    )


@compiled
def character_at(data: Any, at: int) -> tuple[int, int]:
    """The character that begins at a place of valid UTF-8, and the place after it."""
    first = int(data[at])
    if first < 0x80:
        return first, at + 1
    if first < 0xE0:
        return (first & 0x1F) << 6 | int(data[at + 1]) & 0x3F, at + 2
    if first < 0xF0:
        return (first & 0x0F) << 12 | (int(data[at + 1]) & 0x3F) << 6 | int(data[at + 2]) & 0x3F, at + 3
    number = (first & 0x07) << 18 | (int(data[at + 1]) & 0x3F) << 12
    return number | (int(data[at + 2]) & 0x3F) << 6 | int(data[at + 3]) & 0x3F, at + 4


@compiled
def width(character: int) -> int:
    """Bytes of a character in UTF-8."""
    return 1 if character < 0x80 else (2 if character < 0x800 else (3 if character < 0x10000 else 4))


@compiled
def put_character(out: Any, at: int, character: int) -> int:
    """Write a character as UTF-8; gives the place after it. There must be room for its bytes."""
    if character < 0x80:
        out[at] = character
        return at + 1
    if character < 0x800:
        out[at], out[at + 1] = 0xC0 | character >> 6, 0x80 | character & 0x3F
        return at + 2
    if character < 0x10000:
        out[at], out[at + 1] = 0xE0 | character >> 12, 0x80 | character >> 6 & 0x3F
        out[at + 2] = 0x80 | character & 0x3F
        return at + 3
    out[at], out[at + 1] = 0xF0 | character >> 18, 0x80 | character >> 12 & 0x3F
    out[at + 2], out[at + 3] = 0x80 | character >> 6 & 0x3F, 0x80 | character & 0x3F
    return at + 4


@compiled
def after_blank(data: Any, at: int, end: int, escapes: bool) -> int:
    """The place after white space, as bytes and, where a backslash begins an escape, as escapes."""
    while at < end:
        if data[at] > 0x20 and data[at] < 0x80 and data[at] != BACKSLASH:
            return at
        if escapes and data[at] == BACKSLASH:
            character, after = escape(data, at, end)
        else:
            character, after = character_at(data, at)
        if not is_white(character):
            return at
        at = after
    return at


@compiled
def trimmed_end(data: Any, begin: int, end: int) -> int:
    """The place after the last character that is no white space, of plain UTF-8 between two places."""
    while end > begin:
        first = end - 1
        while first > begin and data[first] & 0xC0 == 0x80:
            first -= 1
        character, _ = character_at(data, first)
        if not is_white(character):
            return end
        end = first
    return end


@compiled
def put_text(data: Any, at: int, end: int, out: Any, begin: int) -> int:
    """Write what a string with escapes stands for, trimmed; gives the place after it. It is never longer than the string."""
    put = begin
    at = after_blank(data, at, end, True)
    while at < end:
        if data[at] == BACKSLASH:
            character, at = escape(data, at, end)
            put = put_character(out, put, character)
        else:
            out[put] = data[at]
            put += 1
            at += 1
    return trimmed_end(out, begin, put)
