"""Regular expressions as tables: a small part of them, compiled to automata over ASCII.

What is understood: characters, `\\` before one, classes in brackets with ranges, groups, `|`, `?`, `*`, `+`, `{n}`, `{n,m}`,
all between `^` and `$`. Thompson's construction, then subsets: Aho, Lam, Sethi, Ullman, Compilers, 3.7.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lakehouse.errors import UsageError
from streams.kernel.compiled import compiled

_ASCII = 128
_DEAD = -1
# A number plan needs some twenty states a pattern.
_MOST_STATES = 2_000
_Edges = list[tuple[frozenset[int], int]]


class Automata(NamedTuple):
    """Automata of several patterns in one table.

    Attributes:
        steps: by state and character the next state; -1: none.
        accepts: by state whether a text may end there.
        starts: where each pattern begins.
    """

    steps: Any
    accepts: Any
    starts: Any

    @classmethod
    def of(cls, patterns: Sequence[str]) -> "Automata":
        """Compile patterns.

        Raises:
            UsageError: one has something that is not understood; the message names it.
        """
        steps: list[list[int]] = []
        accepts: list[bool] = []
        starts = []
        for pattern in patterns:
            starts.append(len(steps))
            for row, accepting in _automaton(pattern):
                steps.append([state + starts[-1] if state != _DEAD else _DEAD for state in row])
                accepts.append(accepting)
        return cls(
            np.array(steps, np.int64).reshape(-1, _ASCII), np.array(accepts, np.bool_), np.array(starts, np.int64)
        )


@compiled
def matches(text: Any, begin: int, end: int, state: int, steps: Any, accepts: Any) -> bool:
    """Whether the bytes between two places match the pattern that begins at a state."""
    for at in range(begin, end):
        if text[at] >= _ASCII:
            return False
        state = steps[state, text[at]]
        if state == _DEAD:
            return False
    return bool(accepts[state])


class _Parser:
    """Makes a nondeterministic automaton of a pattern: edges by state, those without characters apart."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at = pattern, 0
        self.edges: list[_Edges] = []
        self.free: list[list[int]] = []

    def parse(self) -> tuple[int, int]:
        """Its first and its last state."""
        if not (self.pattern.startswith("^") and self.pattern.endswith("$")):
            raise self.wrong("must be a whole text's, between ^ and $")
        self.pattern = self.pattern[1:-1]
        found = self.choice()
        if self.at < len(self.pattern):
            raise self.wrong(f"{self.pattern[self.at]!r} is not understood there")
        return found

    def wrong(self, what: str) -> UsageError:
        """The error of a pattern."""
        return UsageError(f"the pattern {self.pattern!r} of the number plan: {what}")

    def state(self) -> int:
        """Another state."""
        if len(self.edges) >= _MOST_STATES:
            raise self.wrong("is too large")
        self.edges.append([])
        self.free.append([])
        return len(self.edges) - 1

    def choice(self) -> tuple[int, int]:
        """Alternatives."""
        first, last = self.state(), self.state()
        while True:
            begin, end = self.sequence()
            self.free[first].append(begin)
            self.free[end].append(last)
            if self.at >= len(self.pattern) or self.pattern[self.at] != "|":
                return first, last
            self.at += 1

    def sequence(self) -> tuple[int, int]:
        """Parts that follow on each other."""
        first = last = self.state()
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            place = self.at
            self.part()
            least, most = self.times()
            after = self.at
            for number in range(most if most is not None else least + 1):
                self.at = place
                begin, end = self.part()
                self.free[last].append(begin)
                joined = self.state()
                self.free[end].append(joined)
                if number >= least:
                    self.free[last].append(joined)
                    if most is None:
                        self.free[joined].append(begin)
                last = joined
            self.at = after
        return first, last

    def part(self) -> tuple[int, int]:
        """A character, a class or a group."""
        sign = self.pattern[self.at]
        self.at += 1
        if sign == "(":
            if self.pattern.startswith("?:", self.at):
                self.at += 2
            found = self.choice()
            if self.at >= len(self.pattern) or self.pattern[self.at] != ")":
                raise self.wrong("a group has no end")
            self.at += 1
            return found
        if sign in "?*+{}.^$" or (sign == "\\" and self.at >= len(self.pattern)):
            raise self.wrong(f"{sign!r} is not understood there")
        first, last = self.state(), self.state()
        self.edges[first].append((self.characters() if sign == "[" else frozenset([self.character(sign)]), last))
        return first, last

    def character(self, sign: str) -> int:
        """A character's code, the sign being the first of what stands for it."""
        if sign == "\\":
            sign = self.pattern[self.at]
            self.at += 1
            if sign.isalnum():
                raise self.wrong(f"\\{sign} is not understood; write a class in brackets, as [0-9]")
        if ord(sign) >= _ASCII:
            raise self.wrong(f"{sign!r} is not ASCII")
        return ord(sign)

    def characters(self) -> frozenset[int]:
        """A class in brackets, behind the first one."""
        found: set[int] = set()
        end = self.pattern.find("]", self.at)
        if end < 0 or self.pattern[self.at] == "^":
            raise self.wrong("a class has no end, or says what it is not")
        while self.at < end:
            self.at += 1
            first = last = self.character(self.pattern[self.at - 1])
            if self.pattern[self.at] == "-" and self.at + 1 < end:
                self.at += 2
                last = self.character(self.pattern[self.at - 1])
            found.update(range(first, last + 1))
        self.at = end + 1
        return frozenset(found)

    def times(self) -> tuple[int, int | None]:
        """How often a part comes, at least and at most (None: any number)."""
        sign = self.pattern[self.at : self.at + 1]
        if sign and sign in "?*+":
            self.at += 1
            return (0, 1) if sign == "?" else (int(sign == "+"), None)
        if sign != "{":
            return 1, 1
        end = self.pattern.find("}", self.at)
        least, comma, most = self.pattern[self.at + 1 : end].partition(",")
        if end < 0 or not (least + most).isdigit() or not least.isdigit() or (comma and not most.isdigit()):
            raise self.wrong("numbers are wanted in {}")
        self.at = end + 1
        return int(least), int(most) if comma else int(least)


def _automaton(pattern: str) -> list[tuple[list[int], bool]]:
    """The deterministic automaton of a pattern: each state's next states by character, and whether it accepts."""
    parser = _Parser(pattern)
    first, last = parser.parse()

    def reached(states: set[int]) -> frozenset[int]:
        found, new = set(states), list(states)
        while new:
            for state in parser.free[new.pop()]:
                if state not in found:
                    found.add(state)
                    new.append(state)
        return frozenset(found)

    numbers = {reached({first}): 0}
    waiting, table = list(numbers), []
    for subset in waiting:
        row = []
        for character in range(_ASCII):
            after = {to for state in subset for characters, to in parser.edges[state] if character in characters}
            if not after:
                row.append(_DEAD)
                continue
            target = reached(after)
            if target not in numbers:
                if len(numbers) >= _MOST_STATES:
                    raise parser.wrong("is too large")
                numbers[target] = len(numbers)
                waiting.append(target)
            row.append(numbers[target])
        table.append((row, last in subset))
    return table
