"""Phone numbers by the number plan, and what else is held against a pattern after it was read as text."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from streams.kernel.arrow import buffers
from streams.kernel.compiled import compiled, inlined
from streams.kernel.json_text import MINUS, NINE, ZERO
from streams.kernel.patterns import Automata, matches
from streams.kernel.strings import NONE, READ, Texts
from streams.kernel.text import character_at, is_white
from streams.number_plan import Rule

INVALID = 4
"""What became of a text, beside those of `strings`: it is one, and matches nothing."""
LUHN = 5
"""It matches, but its last digit is not the Luhn digit of the others."""
IMEI, IMEISV, TAC = 15, 16, 8
_SERIAL_END = 14  # digits of an IMEI before its check digit
OPENING, CLOSING = 0x28, 0x29
# More bytes than any number has, brackets and white space out; beyond it is none.
CLEAN = 64


class Plan(NamedTuple):
    """A number plan as tables.

    Attributes:
        steps, accepts, starts: automata of its patterns.
        text: all prefixes and beginnings, one after the other.
        rules: a row a pattern: begin and end of its prefix in `text`, how many last characters are kept (0: all behind a
            beginning), and the first and last of its beginnings in `beginnings`.
        beginnings: begin and end of each in `text`.
    """

    steps: Any
    accepts: Any
    starts: Any
    text: Any
    rules: Any
    beginnings: Any

    @classmethod
    def of(cls, lines: Sequence[Rule]) -> "Plan":
        """A plan of rules.

        Raises:
            UsageError: a pattern is not understood.
        """
        text = b""
        rules: list[tuple[int, ...]] = []
        beginnings: list[tuple[int, int]] = []
        for rule in lines:
            at, first = len(text), len(beginnings)
            text += rule.prefix.encode()
            for beginning in rule.keep_after:
                beginnings.append((len(text), len(text) + len(beginning.encode())))
                text += beginning.encode()
            rules.append((at, at + len(rule.prefix.encode()), rule.keep_last or 0, first, len(beginnings)))
        automata = Automata.of([rule.pattern for rule in lines])
        return cls(
            *automata, np.frombuffer(text, np.uint8), np.array(rules, np.int64).reshape(-1, 5),
            np.array(beginnings, np.int64).reshape(-1, 2),
        )  # fmt: skip

    @property
    def longest(self) -> int:
        """Bytes by which a number can grow."""
        return int((self.rules[:, 1] - self.rules[:, 0]).max(initial=0))


@inlined
def _trunk_zero(text: Any, begin: int, end: int) -> int:
    """Where the first `(0)` of a number stands, which is not dialled from abroad; -1: nowhere, or at its beginning."""
    for at in range(begin, end - 2):
        if text[at] == OPENING and text[at + 1] == ZERO and text[at + 2] == CLOSING:
            return at if at > begin else -1
    return -1


@compiled
def _clean(text: Any, begin: int, end: int, out: Any) -> int:
    """Write a number without trunk zero, white space, hyphens and parentheses; gives its length, -1 where it can't be one."""
    length, at, trunk_zero = 0, begin, _trunk_zero(text, begin, end)
    while at < end:
        if at == trunk_zero:
            at += 3
            continue
        character, at = character_at(text, at)
        if is_white(character) or character == MINUS or character == OPENING or character == CLOSING:
            continue
        if character >= 0x80 or length == CLEAN:
            return -1
        out[length] = character
        length += 1
    return length


@compiled
def _normalised(
    clean: Any, length: int, pattern: int, out: Any, at: int, text: Any, rules: Any, beginnings: Any
) -> int:
    """Write the E.164 form of a number that matches a pattern; gives the place after it."""
    for i in range(rules[pattern, 0], rules[pattern, 1]):
        out[at] = text[i]
        at += 1
    first = max(0, length - rules[pattern, 2]) if rules[pattern, 2] > 0 else 0
    for number in range(rules[pattern, 3], rules[pattern, 4]):
        size = beginnings[number, 1] - beginnings[number, 0]
        same = size <= length
        for i in range(min(size, length)):
            same = same and clean[i] == text[beginnings[number, 0] + i]
        if same:
            first = size
            break
    for i in range(first, length):
        out[at] = clean[i]
        at += 1
    return at


@compiled
def read_phones(
    texts: Any, places: Any, states: Any, steps: Any, accepts: Any, starts: Any, text: Any, rules: Any, beginnings: Any,
    clean: Any, out: Any, out_places: Any,
) -> None:  # fmt: skip
    """Write each text as its number in E.164; what is none stays as it is, and becomes INVALID.

    Args:
        clean: room for one number.
    """
    at = 0
    for row in range(len(states)):
        out_places[row] = at
        if states[row] != READ:
            continue
        length = _clean(texts, places[row], places[row + 1], clean)
        found = False
        for pattern in range(len(starts)):
            if length >= 0 and matches(clean, 0, length, starts[pattern], steps, accepts):
                at = _normalised(clean, length, pattern, out, at, text, rules, beginnings)
                found = True
                break
        if not found:
            states[row] = INVALID
            for i in range(places[row], places[row + 1]):
                out[at] = texts[i]
                at += 1
    out_places[len(states)] = at


@inlined
def _all_digits(text: Any, begin: int, end: int) -> bool:
    for at in range(begin, end):
        if text[at] < ZERO or text[at] > NINE:
            return False
    return True


@compiled
def hold_tacs(texts: Any, places: Any, states: Any) -> None:
    """Make INVALID what does not have exactly 8 ASCII digits."""
    for row in range(len(states)):
        begin, end = places[row], places[row + 1]
        if states[row] == READ and (end - begin != TAC or not _all_digits(texts, begin, end)):
            states[row] = INVALID


@inlined
def _luhn_total(text: Any, begin: int) -> int:
    """What the digits before the check digit come to, each second one doubled (3GPP TS 23.003, annex B)."""
    total = 0
    for i in range(_SERIAL_END):
        digit = int(text[begin + i]) - ZERO
        total += digit if i % 2 == 0 else (2 * digit if digit < 5 else 2 * digit - 9)
    return total


@inlined
def _is_imei(text: Any, begin: int, end: int) -> bool:
    """Whether a text is an IMEI with its check digit, without it, or with a software version, and not all zeros."""
    if end - begin < _SERIAL_END or end - begin > IMEISV or not _all_digits(text, begin, end):
        return False
    for at in range(begin, begin + _SERIAL_END):
        if text[at] != ZERO:
            return True
    return False


@compiled
def read_imeis(texts: Any, places: Any, states: Any, out: Any, out_places: Any) -> None:
    """Write each text as an IMEI of 15 digits; one with a wrong check digit becomes LUHN, what is none INVALID and stays.

    Args:
        out: room for the texts and a digit more a row.
    """
    at = 0
    for row in range(len(states)):
        out_places[row] = at
        begin, end = places[row], places[row + 1]
        length = end - begin
        good = states[row] == READ and _is_imei(texts, begin, end)
        if good and length != IMEI:
            length = _SERIAL_END
        for i in range(length):
            out[at + i] = texts[begin + i]
        at += length
        if good:
            check = (10 - _luhn_total(texts, begin) % 10) % 10
            if length == _SERIAL_END:
                out[at] = ZERO + check
                at += 1
            elif int(texts[end - 1]) - ZERO != check:
                states[row] = LUHN
        elif states[row] == READ:
            states[row] = INVALID
    out_places[len(states)] = at


def tacs(imei: pa.Array) -> pa.Array:
    """The first 8 digits of valid IMEIs (15 ASCII digits, not all zeros), null elsewhere."""
    text, places, there = buffers(imei)
    found = Texts.room(len(there), TAC * len(there))
    _take_tacs(text, places, there, *found)
    return found.array(found.states == READ)


@compiled
def _take_tacs(text: Any, places: Any, there: Any, out: Any, out_places: Any, states: Any) -> None:
    at = 0
    for row in range(len(there)):
        out_places[row] = at
        good = there[row] and places[row + 1] - places[row] == IMEI and _is_imei(text, places[row], places[row + 1])
        states[row] = READ if good else NONE
        if good:
            for i in range(TAC):
                out[at + i] = text[places[row] + i]
            at += TAC
    out_places[len(there)] = at
