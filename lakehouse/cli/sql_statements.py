"""Cuts a text into SQL statements at the semicolons that are no part of a string, a name or a comment."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

Values = Sequence[Any] | Mapping[str, Any] | None
"""Values that a statement is bound to: in order for Trino, by name for ClickHouse."""

# What cannot be cut: each alternative that is not closed reaches to the end of the text.
_PIECES = r"""
    (?P<comment> --[^\n]* | /\*.*?(?:\*/|\Z) {comments} )
  | (?P<end> ; )
  | (?P<space> \s+ )
  | (?P<code> {string} | "(?:[^"]|"")*(?:"|\Z) | `[^`]*(?:`|\Z) | \$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z) | [^\s;'"`$\-/#]+ | . )
"""
_STRING = r"'(?:[^']|'')*(?:'|\Z)"
# ClickHouse escapes by backslash too, and has shell-like comments.
_STRING_ESCAPED = r"'(?:[^'\\]|''|\\.)*(?:'|\\?\Z)"
_SHELL_COMMENTS = r"| \#[ !][^\n]*"


@dataclass(frozen=True)
class Statement:
    """One statement without its semicolon, where it begins in the text (counted from one), and the values of its
    parameters."""

    text: str
    line: int
    column: int
    values: Values = None

    @property
    def placed(self) -> str:
        """The statement at its own place, so that the positions in a server's errors are those of the text."""
        return "\n" * (self.line - 1) + " " * (self.column - 1) + self.text


def split_statements(text: str, engine: str = "trino") -> tuple[list[Statement], Statement | None]:
    """The statements of a text in order, and the last one apart if no semicolon ends it.

    Comments before and after a statement are left out, those inside stay.
    """
    ended: list[Statement] = []
    begin, stop = -1, 0
    for piece in _pattern(engine).finditer(text):
        if piece.lastgroup == "code":
            begin, stop = (piece.start() if begin < 0 else begin), piece.end()
        elif piece.lastgroup == "end" and begin >= 0:
            ended.append(_statement(text, begin, stop))
            begin = -1
    return ended, _statement(text, begin, stop) if begin >= 0 else None


def code_pieces(text: str, engine: str = "trino") -> Iterator[tuple[str, bool]]:
    """The text in pieces, each with whether it is code: no string, quoted name, comment or space."""
    for piece in _pattern(engine).finditer(text):
        yield piece[0], piece.lastgroup == "code" and piece[0][0] not in "'\"`$"


def _statement(text: str, begin: int, stop: int) -> Statement:
    return Statement(text[begin:stop], text.count("\n", 0, begin) + 1, begin - text.rfind("\n", 0, begin))


@cache
def _pattern(engine: str) -> re.Pattern[str]:
    clickhouse = engine == "clickhouse"
    pieces = _PIECES.replace("{comments}", _SHELL_COMMENTS if clickhouse else "")
    string = _STRING_ESCAPED if clickhouse else _STRING
    return re.compile(pieces.replace("{string}", string), re.DOTALL | re.VERBOSE)
