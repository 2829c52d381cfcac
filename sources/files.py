"""Reads messages from files: one a line, or a JSON array, plain or gzipped, byte for byte as they stand."""

import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from lakehouse.errors import UsageError

_HEAD_BYTES = 1 << 16
# text has next to no control bytes besides tabs and line ends; compressed data has about one in ten
_CONTROL_SHARE = 0.02
_MARK = b"\xef\xbb\xbf"
_SPACE = " \t\r\n"


@dataclass
class MessageFile:
    """An open file of messages; iterate over it once.

    Attributes:
        name: as the user wrote it.
        size: in bytes; None where it cannot be known (standard input, gzip, pipes).
        blank_lines: lines without a message that were left out so far.
        had_mark: whether a byte-order mark stood at the file's start (it is the file's, no message's).
    """

    name: str
    reader: BinaryIO
    size: int | None = None
    lines_only: bool = False
    blank_lines: int = 0
    had_mark: bool = field(default=False, init=False)

    def __iter__(self) -> Iterator[bytes]:
        """The messages in order, without their line ends.

        Raises:
            UsageError: the file is damaged.
        """
        try:
            yield from self._messages()
        except (OSError, EOFError, zlib.error) as error:
            raise UsageError(
                f"{self.name}: cannot be read to its end ({error}). What stands before that was published."
            ) from None

    def content(self) -> bytes:
        """All of it, without a byte-order mark at its start.

        Raises:
            UsageError: the file is damaged.
        """
        try:
            return self.reader.read().removeprefix(_MARK)
        except (OSError, EOFError, zlib.error) as error:
            raise UsageError(f"{self.name}: cannot be read to its end ({error}). Nothing was published.") from None

    def _messages(self) -> Iterator[bytes]:
        if _peek(self.reader).startswith(_MARK):
            self.had_mark = True
            self.reader.read(len(_MARK))
        head = _peek(self.reader).lstrip()
        first = head.partition(b"\n")[0].strip()
        if not self.lines_only and (head[:1] == b"[" or first == b"{"):
            yield from self._document(self.reader.read())
        else:
            yield from self._lines(self.reader)

    def _lines(self, lines: BinaryIO) -> Iterator[bytes]:
        for line in lines:
            message = line.removesuffix(b"\n").removesuffix(b"\r")
            if message.strip():
                yield message
            else:
                self.blank_lines += 1

    def _document(self, content: bytes) -> Iterator[bytes]:
        """An array's elements or objects written over several lines; if it is neither, the lines."""
        first = content.lstrip().partition(b"\n")[0]
        try:
            text = content.decode()
            values = split_values(text)
        except (ValueError, RecursionError) as error:
            if _is_json(first):
                yield from self._lines(io.BytesIO(content))
                return
            raise UsageError(f"{self.name}: {_where(error)}. Nothing of it was published.") from None
        if len(values) > 1 and _is_json(first):
            yield from self._lines(io.BytesIO(content))
        elif len(values) == 1 and values[0].startswith("["):
            yield from (element.encode() for element in split_elements(values[0]))
        else:
            yield from (value.encode() for value in values)


def open_messages(name: str, force: bool = False) -> MessageFile:
    """Open a file (`-` is standard input) and look at its beginning.

    Args:
        force: take every line as a message, whatever it looks like.

    Raises:
        UsageError: it cannot be opened, is no text, or has no JSON object at its beginning.
    """
    try:
        plain = cast(BinaryIO, sys.stdin.buffer if name == "-" else open(name, "rb", buffering=_HEAD_BYTES))  # noqa: SIM115
        packed = _peek(plain).startswith(b"\x1f\x8b")
        reader = cast(BinaryIO, io.BufferedReader(gzip.GzipFile(fileobj=plain), _HEAD_BYTES)) if packed else plain
        head = _peek(reader).removeprefix(_MARK)
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"cannot read {name}: {getattr(error, 'strerror', None) or error}.") from None
    if not force:
        _look_at(name, head)
    size = None if packed or name == "-" or not Path(name).is_file() else Path(name).stat().st_size
    return MessageFile("standard input" if name == "-" else name, reader, size, lines_only=force)


def _peek(reader: BinaryIO) -> bytes:
    return cast(io.BufferedReader, reader).peek(_HEAD_BYTES)[:_HEAD_BYTES]


def _look_at(name: str, head: bytes) -> None:
    control = sum(head.count(byte) for byte in range(32) if byte not in b"\t\r\n")
    if control > len(head) * _CONTROL_SHARE:
        raise UsageError(f"{name} is no text in UTF-8; messages are JSON, one object a line (.gz is fine).")
    lines = [line.strip() for line in head.split(b"\n") if line.strip()]
    if lines and not any(line.startswith((b"{", b"[")) for line in lines):
        shown = lines[0][:60].decode(errors="replace")
        raise UsageError(
            f"{name} is not JSON: it begins with {shown!r}. A file has one JSON object a line, or is one JSON array; "
            "--force sends each line as it is."
        )


def split_values(text: str) -> list[str]:
    """The JSON values that follow each other in a text, as they are written.

    Raises:
        ValueError: something is no JSON.
    """
    decoder = json.JSONDecoder()
    values = []
    at = _skip(text, 0)
    while at < len(text):
        _, end = decoder.raw_decode(text, at)
        values.append(text[at:end])
        at = _skip(text, end)
    return values


def split_elements(array: str) -> list[str]:
    """The elements of a valid JSON array, as they are written."""
    decoder = json.JSONDecoder()
    elements = []
    at = _skip(array, 1)
    while array[at] != "]":
        _, end = decoder.raw_decode(array, at)
        elements.append(array[at:end])
        at = _skip(array, end)
        if array[at] == ",":
            at = _skip(array, at + 1)
    return elements


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _where(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON at line {error.lineno}, column {error.colno} ({error.msg})"
    return f"not JSON ({error})"
