"""One pass over the bytes of messages: which are JSON objects, and where each named field's value stands.

Names are expected in the order in which the last message had them, so that a name costs a comparison; another is looked up by
its hash. Repeated names, groups that are no objects and spellings are as `streams.message` has them, the slow reference.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from streams.kernel.compiled import compiled, inlined
from streams.kernel.json_text import (
    BACKSLASH,
    CLOSE,
    CLOSE_LIST,
    COLON,
    COMMA,
    ESCAPE,
    MAX_DEPTH,
    OPEN,
    OPEN_LIST,
    QUOTE,
    after_number,
    after_string,
    after_white,
    after_word,
    escape,
)  # fmt: skip
from streams.kernel.names import GROUP, SPELLING, Names, find_name, is_name
from streams.kernel.text import after_blank, put_character, width

# What a field's value is. Of these, the first two count as absent. Of the last (object or array) only the bracket is noted.
ABSENT, EMPTY, STRING, ESCAPED, NUMBER, TRUE, FALSE, NESTED = range(8)
MALFORMED, READ, UNNAMED = range(3)
"""What a message is; the last: a JSON object with members that the contract does not name."""
# What may come next.
NAME, NAME_OR_CLOSE, VALUE, VALUE_OR_CLOSE, FOLLOW = range(5)
# So many members of an object are expected to be where they were; names beyond are looked up.
_EXPECTED = 64
_NOTHING = -1
# Places in what is remembered while a message is read.
_KIND, _BEGIN, _END = range(3)
_SEEN = 0


def scan(data: npt.NDArray[np.uint8], places: npt.NDArray[np.int64], names: Names) -> tuple[Any, Any, Any, Any]:
    """Find the fields of messages.

    Args:
        data: the bytes of all messages.
        places: where each message begins; one more than there are messages. A null one is empty.
    Returns:
        what each message is; and by field and message what its value is, where it begins and where it ends (of strings
        without the quotes).
    """
    rows, fields = len(places) - 1, len(names.spellings) - 1
    state = np.empty(rows, np.uint8)
    kinds = np.empty((fields, rows), np.uint8)
    begins, ends = np.empty((2, fields, rows), np.int64)
    memory = np.full((names.levels, 1 + _EXPECTED), _NOTHING, np.int64)
    unescaped, found = np.empty(names.longest, np.uint8), np.empty((3, names.spellings[-1]), np.int64)
    _scan(data, places, *names, memory, unescaped, found, state, kinds, begins, ends)
    return state, kinds, begins, ends


@compiled
def _scan(
    data: Any, places: Any, text: Any, table: Any, buckets: Any, spellings: Any, memory: Any, unescaped: Any, found: Any,
    state: Any, kinds: Any, begins: Any, ends: Any,
) -> None:  # fmt: skip
    """Args:
    memory: by level whether it was there in this message, and the names that the last message had in their order.
    unescaped: room for a name.
    found: by spelling the kind of its value, where it begins and where it ends.
    """
    for row in range(len(places) - 1):
        found[_KIND, :] = ABSENT
        memory[:, _SEEN] = 0
        state[row] = _read(data, places[row], places[row + 1], text, table, buckets, memory, unescaped, found)
        for field in range(len(spellings) - 1):
            kinds[field, row] = ABSENT
            if state[row] == MALFORMED:
                continue
            for spelling in range(spellings[field], spellings[field + 1]):
                if found[_KIND, spelling] > EMPTY:
                    kinds[field, row] = found[_KIND, spelling]
                    begins[field, row], ends[field, row] = found[_BEGIN, spelling], found[_END, spelling]
                    break


@inlined
def _read(
    data: Any, at: int, last: int, text: Any, table: Any, buckets: Any, memory: Any, unescaped: Any, found: Any
) -> int:
    """Read one message into `found`; gives what it is.

    A pushdown automaton over tokens, so that each kind of token is read in one place: calls in this loop would cost more than
    what they do.
    """
    at = after_white(data, at, last) + 1
    if at > last or data[at - 1] != OPEN:
        return MALFORMED
    state, wants = READ, NAME_OR_CLOSE
    depth, objects = 1, 0  # `objects`: a bit a level from the second on, whether it is an object
    group, member, outer_member = 0, 0, 0  # the level of names, and how many members came before
    spelling, opens = _NOTHING, _NOTHING  # of the member whose value comes: its spelling, and the group that it is
    while True:
        at = after_white(data, at, last)
        if at >= last:
            return MALFORMED
        first, byte = at, int(data[at])
        if byte == QUOTE:
            first += 1
            at, flags = after_string(data, first, last)
            if at < 0 or wants == FOLLOW:
                return MALFORMED
            if wants == NAME or wants == NAME_OR_CLOSE:
                spelling, opens = _NOTHING, _NOTHING
                if depth == 1 or (depth == 2 and group > 0):
                    name = _name(data, first, at - 1, flags, group, member, text, table, buckets, memory, unescaped)
                    member += 1
                    spelling, opens = (table[name, SPELLING], table[name, GROUP]) if name >= 0 else (_NOTHING, _NOTHING)
                    state = state if name >= 0 else UNNAMED
                at = _after_colon(data, at, last)
                if at < 0:
                    return MALFORMED
                if opens > 0 and (data[at] != OPEN or memory[opens, _SEEN] == 1):
                    state = state if memory[opens, _SEEN] == 1 else UNNAMED
                    memory[opens, _SEEN], opens = 1, _NOTHING
                wants = VALUE
            else:
                if spelling >= 0 and found[_KIND, spelling] == ABSENT:
                    _note(found, spelling, _kind_of_string(data, first, at - 1, flags), first, at - 1)
                wants = FOLLOW
        elif byte == COMMA:
            if wants != FOLLOW:
                return MALFORMED
            wants = NAME if _is_object(depth, objects) else VALUE
            at += 1
        elif byte == CLOSE or byte == CLOSE_LIST:
            if wants == NAME or wants == VALUE or _is_object(depth, objects) != (byte == CLOSE):
                return MALFORMED
            at += 1
            depth -= 1
            if depth == 0:
                return state if after_white(data, at, last) == last else MALFORMED
            if depth == 1 and group > 0:
                group, member = 0, outer_member
            wants = FOLLOW
        elif wants != VALUE and wants != VALUE_OR_CLOSE:
            return MALFORMED
        elif byte == OPEN or byte == OPEN_LIST:
            if depth == MAX_DEPTH:
                return MALFORMED
            if opens > 0:
                group, outer_member, member, memory[opens, _SEEN] = opens, member, 0, 1
            elif spelling >= 0 and found[_KIND, spelling] == ABSENT:
                _note(found, spelling, NESTED, at, at + 1)
            spelling, opens = _NOTHING, _NOTHING
            objects = _opened(objects, depth, byte)
            wants = NAME_OR_CLOSE if byte == OPEN else VALUE_OR_CLOSE
            depth += 1
            at += 1
        else:
            kind, at = _plain(data, at, last)
            if at < 0:
                return MALFORMED
            if spelling >= 0 and found[_KIND, spelling] == ABSENT:
                _note(found, spelling, kind, first, at)
            wants = FOLLOW


@inlined
def _name(
    data: Any, first: int, last: int, flags: int, group: int, member: int, text: Any, table: Any, buckets: Any, memory: Any,
    unescaped: Any,
) -> int:  # fmt: skip
    """The number of a member's name; most often it is the one that the last message had in its place."""
    turn = 1 + min(member, _EXPECTED - 1)
    name = memory[group, turn]
    if flags != 0 or name < 0 or not is_name(data, first, last, name, text, table):
        name = _look_up(data, first, last, flags, group, text, table, buckets, unescaped)
        memory[group, turn] = name
    return int(name)


@inlined
def _after_colon(data: Any, at: int, last: int) -> int:
    """The place of a member's value, from the place after its name; -1: there is none."""
    at = after_white(data, at, last)
    if at >= last or data[at] != COLON:
        return -1
    at = after_white(data, at + 1, last)
    return at if at < last else -1


@inlined
def _is_object(depth: int, objects: int) -> bool:
    """Whether what is open on a level is an object; else it is an array."""
    return depth == 1 or (objects >> (depth - 2)) & 1 == 1


@inlined
def _opened(objects: int, depth: int, byte: int) -> int:
    """`objects` after an object or array was opened on a level."""
    bit = 1 << (depth - 1)
    return objects | bit if byte == OPEN else objects & ~bit


@inlined
def _plain(data: Any, at: int, last: int) -> tuple[int, int]:
    """What a value that is no string, object or array is, and the place after it (-1: none)."""
    byte = int(data[at])
    if byte == 0x74 or byte == 0x66 or byte == 0x6E:
        at = after_word(data, at, last)
        return (TRUE if byte == 0x74 else (FALSE if byte == 0x66 else EMPTY)), at
    return NUMBER, after_number(data, at, last)


@inlined
def _note(found: Any, spelling: int, kind: int, begin: int, end: int) -> None:
    found[_KIND, spelling], found[_BEGIN, spelling], found[_END, spelling] = kind, begin, end


@inlined
def _kind_of_string(data: Any, first: int, last: int, flags: int) -> int:
    """What a string is, of the kinds above; most begin with a letter or digit."""
    if first == last:
        return EMPTY
    byte = int(data[first])
    if (byte <= 0x20 or byte >= 0x80 or byte == BACKSLASH) and after_blank(data, first, last, True) == last:
        return EMPTY
    return ESCAPED if flags & ESCAPE else STRING


@compiled
def _look_up(
    data: Any, first: int, last: int, flags: int, group: int, text: Any, table: Any, buckets: Any, unescaped: Any
) -> int:
    """The number of a member's name on its level; -1: the contract does not name it."""
    if flags & ESCAPE:
        length = _unescape(data, first, last, unescaped)
        return find_name(unescaped, 0, length, group, text, table, buckets) if length >= 0 else _NOTHING
    return find_name(data, first, last, group, text, table, buckets)


@compiled
def _unescape(data: Any, begin: int, end: int, out: Any) -> int:
    """The bytes that a string stands for, and how many; -1: more than there is room for."""
    length, at = 0, begin
    while at < end:
        if data[at] == BACKSLASH:
            character, at = escape(data, at, end)
            if length + width(character) > len(out):
                return -1
            length = put_character(out, length, character)
        else:
            if length >= len(out):
                return -1
            out[length] = data[at]
            length += 1
            at += 1
    return length
