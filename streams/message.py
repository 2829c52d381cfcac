"""One message read strictly, the slow way: the meaning of "reading a message" in contracts.md, one Python object at a time.

`decode.py` reads whole batches quickly and hands over here what its fast path can't be sure of; a property test holds the two
equal. Numbers are kept as their text, so that nothing is lost before a rule has looked.
"""

import json
from collections.abc import Iterable
from typing import Any

MAX_DEPTH = 64  # the message's object is level 1
# Unicode's White_Space property; Python's own strip() also takes the separators U+001C to U+001F.
WHITE_SPACE = "".join(
    map(
        chr,
        [*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000],
    )
)


class Number(str):
    """A JSON number by its text."""

    __slots__ = ()


class Malformed(ValueError):
    """The message is not one JSON object by RFC 8259."""


def _refuse(constant: str) -> Any:
    raise Malformed(constant)


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        members.setdefault(name, value)
    return members


_DECODER = json.JSONDecoder(
    object_pairs_hook=_first_wins, parse_int=Number, parse_float=Number, parse_constant=_refuse, strict=True
)


def trimmed(text: str) -> str:
    """The text without Unicode white space at its ends (Python's own strip also takes control characters)."""
    return text.strip(WHITE_SPACE)


def _check_depth(text: str) -> None:
    """Raise where objects and arrays nest too deep, dropped repetitions included; brackets in strings don't count."""
    depth, quoted, skip = 0, False, False
    for character in text:
        if skip:
            skip = False
        elif quoted:
            skip = character == "\\"
            quoted = character != '"'
        elif character == '"':
            quoted = True
        elif character in "{[":
            depth += 1
            if depth > MAX_DEPTH:
                raise Malformed("nested too deep")
        elif character in "}]":
            depth -= 1


def parse(message: bytes | None) -> dict[str, Any]:
    """The message's object: first of repeated names, numbers as `Number`.

    Raises:
        Malformed: no value, not UTF-8, a byte-order mark, not RFC 8259, not one object, or nested deeper than 64.
    """
    if not message:
        raise Malformed("no value")
    try:
        text = message.decode("utf-8")
        if text.count("{") + text.count("[") > MAX_DEPTH:
            _check_depth(text)
        value = _DECODER.decode(text)
        if "\\u" in text:
            dump(value).encode("utf-8")  # an unpaired surrogate cannot be written as UTF-8
            _check_dropped_surrogates(text)
    except (UnicodeError, json.JSONDecodeError, RecursionError) as error:
        raise Malformed(str(error)) from None
    if not isinstance(value, dict):
        raise Malformed("not an object")
    return value


def _check_dropped_surrogates(text: str) -> None:
    """Unpaired surrogates also count in members that a repetition dropped."""
    whole = json.JSONDecoder(object_pairs_hook=list, parse_int=Number, parse_float=Number, strict=True).decode(text)
    repr_safe = json.dumps(whole, ensure_ascii=False)
    repr_safe.encode("utf-8")


def dump(value: Any) -> str:
    """The value as JSON text, numbers by their own digits."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k, ensure_ascii=False)}: {dump(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(dump, value)) + "]"
    if isinstance(value, Number):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def at(members: dict[str, Any], path: tuple[str, ...]) -> Any:
    """The value at a path, None where there is none."""
    value: Any = members
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def is_blank(value: Any) -> bool:
    """Whether a spelling counts as absent: null, or text of white space only."""
    return value is None or (isinstance(value, str) and not isinstance(value, Number) and not trimmed(value))


def chosen(members: dict[str, Any], paths: Iterable[tuple[str, ...]]) -> tuple[tuple[str, ...], Any] | None:
    """The first spelling that is neither null nor blank, with its value."""
    for path in paths:
        value = at(members, path)
        if not is_blank(value):
            return path, value
    return None


def unnamed(members: dict[str, Any], named: frozenset[tuple[str, ...]], groups: frozenset[str]) -> dict[str, Any]:
    """The members that a contract does not name, in the message's own nesting."""
    left: dict[str, Any] = {}
    for name, value in members.items():
        if name in groups:
            if not isinstance(value, dict):
                left[name] = value
                continue
            inner = {k: v for k, v in value.items() if (name, k) not in named}
            if inner:
                left[name] = inner
        elif (name,) not in named:
            left[name] = value
    return left
