"""JSON by RFC 8259, read by recursive descent: slow, exact, and sharing no code with the engine."""

import json
import re
from dataclasses import dataclass
from typing import Any

SPACE = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
NUMBER = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")
_STRING = re.compile(r'"((?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*)"')
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Malformed(Exception):
    """Not one JSON object by RFC 8259."""


@dataclass(frozen=True)
class Number:
    """A number as sign, digits and power of ten: exact, whatever its size."""

    text: str

    @property
    def parts(self) -> tuple[int, int]:
        """Coefficient without trailing zeros (with its sign) and exponent."""
        match = NUMBER.fullmatch(self.text)
        assert match
        sign, whole, fraction, exponent = match.groups()
        digits = (whole + (fraction or "")).lstrip("0")
        power = int(exponent or 0) - len(fraction or "")
        if not digits:
            return 0, 0
        kept = digits.rstrip("0")
        return int(sign + kept), power + len(digits) - len(kept)

    @property
    def integer(self) -> int | None:
        """The whole number in 64 bits that this is, else None."""
        coefficient, power = self.parts
        if power < 0 or power > 20:
            return None
        value = coefficient * 10**power
        return value if -(2**63) <= value < 2**63 else None


class _Reader:
    """A recursive-descent reader of RFC 8259; objects come as dicts in which the first of repeated names counts."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def message(self) -> dict[str, Any]:
        self.space()
        if self.text[self.at : self.at + 1] != "{":
            raise Malformed("no object")
        value = self.value(1)
        self.space()
        if self.at != len(self.text):
            raise Malformed("something follows")
        assert isinstance(value, dict)
        return value

    def space(self) -> None:
        while self.text[self.at : self.at + 1] in (" ", "\t", "\n", "\r"):
            self.at += 1

    def value(self, depth: int) -> Any:
        first = self.text[self.at : self.at + 1]
        if first in ("{", "["):
            if depth > 64:
                raise Malformed("too deep")
            self.at += 1
            return self.members(depth) if first == "{" else self.items(depth)
        if first == '"':
            return self.string()
        for word, meaning in (("true", True), ("false", False), ("null", None)):
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return meaning
        match = NUMBER.match(self.text, self.at)
        if not match:
            raise Malformed("no value")
        self.at = match.end()
        return Number(match.group())

    def closes(self, bracket: str) -> bool:
        self.space()
        if self.text[self.at : self.at + 1] == bracket:
            self.at += 1
            return True
        return False

    def expect(self, sign: str) -> None:
        if not self.closes(sign):
            raise Malformed(f"no {sign}")
        self.space()

    def members(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.closes("}"):
            return found
        while True:
            self.space()
            name = self.string()
            self.expect(":")
            value = self.value(depth + 1)
            if name not in found:
                found[name] = value
            if self.closes("}"):
                return found
            self.expect(",")

    def items(self, depth: int) -> list[Any]:
        found: list[Any] = []
        if self.closes("]"):
            return found
        while True:
            self.space()
            found.append(self.value(depth + 1))
            if self.closes("]"):
                return found
            self.expect(",")

    def string(self) -> str:
        match = _STRING.match(self.text, self.at)
        if not match:
            raise Malformed("no string")
        self.at = match.end()
        units = _ESCAPE.sub(
            lambda m: chr(int(m[1][1:], 16)) if len(m[1]) == 5 else _ESCAPED.get(m[1], m[1]), match.group(1)
        )
        try:
            return units.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise Malformed("unpaired surrogate") from None


def read_message(message: bytes | None) -> dict[str, Any]:
    """The message's object."""
    if not message:
        raise Malformed("no value")
    try:
        text = message.decode("utf-8", "strict")
    except UnicodeDecodeError:
        raise Malformed("no UTF-8") from None
    return _Reader(text).message()


def comparable(value: Any) -> Any:
    """JSON in a form in which numbers equal in value are equal, and `1` is not `true`."""
    if isinstance(value, dict):
        return {"object": {name: comparable(inner) for name, inner in value.items()}}
    if isinstance(value, list):
        return {"array": [comparable(inner) for inner in value]}
    if isinstance(value, Number):
        return {"number": value.parts}
    return value if value is None or isinstance(value, str) else {"bool": value}


def written(value: Any) -> str:
    """JSON text as the column `extra` holds it: a blank after commas and colons, nothing escaped that need not be."""
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{json.dumps(name, ensure_ascii=False)}: {written(v)}" for name, v in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return value.text if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)
