"""Reads messages from files and S3 objects: one a line, or a JSON array, plain or gzipped, byte for byte as they stand."""

import contextlib
import gzip
import io
import json
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from lakehouse.errors import UsageError
from sources import s3

_HEAD_BYTES = 1 << 16
# text has next to no control bytes besides tabs and line ends; compressed data has about one in ten
_CONTROL_SHARE = 0.02
_MARK = b"\xef\xbb\xbf"
_SPACE = " \t\r\n"


@dataclass
class MessageFile:
    """A file of messages; iterate over it once.

    Attributes:
        name: as the user wrote it.
        open: opens it, unpacked.
        size: in bytes; None where it cannot be known (standard input, gzip, pipes).
        version: changes when the file is written anew; None of what can be read only once (standard input, pipes).
        lines_only: every line is a message, whatever it looks like.
        blank_lines: lines without a message that were left out so far.
        had_mark: whether a byte-order mark stood at the file's start (it is the file's, no message's).
    """

    name: str
    open: Callable[[], BinaryIO]
    size: int | None = None
    version: str | None = None
    lines_only: bool = False
    blank_lines: int = 0
    had_mark: bool = field(default=False, init=False)

    def __iter__(self) -> Iterator[bytes]:
        """The messages in order, without their line ends.

        Raises:
            UsageError: the file is damaged.
        """
        try:
            with contextlib.closing(self.open()) as reader:
                yield from self._messages(reader)
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
            with contextlib.closing(self.open()) as reader:
                return reader.read().removeprefix(_MARK)
        except (OSError, EOFError, zlib.error) as error:
            raise UsageError(f"{self.name}: cannot be read to its end ({error}). Nothing was published.") from None

    def _messages(self, reader: BinaryIO) -> Iterator[bytes]:
        if _peek(reader).startswith(_MARK):
            self.had_mark = True
            reader.read(len(_MARK))
        head = _peek(reader).lstrip()
        first = head.partition(b"\n")[0].strip()
        if not self.lines_only and (head[:1] == b"[" or first == b"{"):
            yield from self._document(reader.read())
        else:
            yield from self._lines(reader)

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


def expand(names: Iterable[str]) -> list[str]:
    """The names with those of S3 that stand for several objects replaced by them; see `sources.s3.objects`."""
    return [one for name in names for one in (s3.objects(name) if s3.is_object(name) else [name])]


def open_messages(name: str, force: bool = False) -> MessageFile:
    """Look at the beginning of a file, of an S3 object (`s3://bucket/key`) or of standard input (`-`).

    What can be opened again is closed until it is read: a folder may hold more objects than a process may have open.

    Args:
        force: take every line as a message, whatever it looks like.

    Raises:
        UsageError: it cannot be opened, is no text, or has no JSON object at its beginning.
        Retry: S3 does not answer.
    """
    try:
        plain, size, version = _open(name)
        reader, packed = _unpacked(plain)
        head = _peek(reader).removeprefix(_MARK)
        if not force:
            _look_at(name, head)
        if version is not None:
            reader.close()
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"cannot read {name}: {getattr(error, 'strerror', None) or error}.") from None

    def open_now() -> BinaryIO:
        return reader if version is None else _unpacked(_open(name)[0])[0]

    shown = "standard input" if name == "-" else name
    return MessageFile(shown, open_now, None if packed else size, version, lines_only=force)


def _open(name: str) -> tuple[BinaryIO, int | None, str | None]:
    """A reader of the bytes as they are stored, their number and version if they can be known."""
    if s3.is_object(name):
        return s3.open_object(name)
    if name == "-":
        return cast(BinaryIO, sys.stdin.buffer), None, None
    reader = open(name, "rb", buffering=_HEAD_BYTES)  # noqa: SIM115
    if not Path(name).is_file():
        return reader, None, None
    about = os.fstat(reader.fileno())
    return reader, about.st_size, f"{about.st_size} bytes of {about.st_mtime_ns}"


def _unpacked(plain: BinaryIO) -> tuple[BinaryIO, bool]:
    """The reader, or one that unpacks what it reads, and whether it does."""
    if not _peek(plain).startswith(b"\x1f\x8b"):
        return plain, False
    return cast(BinaryIO, io.BufferedReader(_Gzip(plain), _HEAD_BYTES)), True


class _Gzip(gzip.GzipFile):
    """Closes the file that it unpacks too."""

    def __init__(self, packed: BinaryIO) -> None:
        super().__init__(fileobj=packed)
        self._packed = packed

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._packed.close()


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
