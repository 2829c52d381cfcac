"""Reads reference records from a file, and checks all of them before the first is sent."""

from typing import Any

import orjson

from lakehouse.errors import UsageError
from sources.files import open_messages, split_elements, split_values
from sources.topics import Source

_NOTHING = "Nothing was published."


def message_key(message: Any, members: tuple[str, ...]) -> str | None:
    """The key of a decoded message: the first member that holds text or a whole number; None without one."""
    if not isinstance(message, dict):
        return None
    for name in members:
        value = message.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return None


def key_of_bytes(value: bytes, members: tuple[str, ...]) -> str | None:
    """The key of a message as it was read; None if it is not JSON either."""
    try:
        return message_key(orjson.loads(value), members)
    except orjson.JSONDecodeError:
        return None


def read_records(name: str, source: Source) -> list[tuple[str, bytes]]:
    """Key and JSON text of every record in a file: a JSON array, or one object a line.

    Raises:
        UsageError: the file is not JSON, or a record is no object or has no key; the message says where.
    """
    content = open_messages(name).content()
    return [
        (_checked(name, source, number, value), value) for number, value in enumerate(_split(name, content), start=1)
    ]


def _split(name: str, content: bytes) -> list[bytes]:
    if content.lstrip().startswith(b"["):
        _decoded(content, name)
        return [element.encode() for element in split_elements(content.decode().strip())]
    lines = content.splitlines()
    try:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                _decoded(line, name, number)
    except UsageError:
        # objects written over several lines
        try:
            return [value.encode() for value in split_values(content.decode())]
        except (ValueError, RecursionError):
            pass
        raise
    return [line for line in lines if line.strip()]


def _decoded(value: bytes, name: str, line: int | None = None) -> Any:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        reason = error.msg.partition(": line")[0]
        raise UsageError(f"{name}, line {line or error.lineno}: not JSON ({reason}). {_NOTHING}") from None


def _checked(name: str, source: Source, number: int, value: bytes) -> str:
    record = _decoded(value, name)
    if not isinstance(record, dict):
        raise UsageError(f"{name}, record {number}: not a JSON object. {_NOTHING}")
    key = message_key(record, source.keys)
    if key is None:
        spelt = " or ".join(source.keys)
        raise UsageError(f"{name}, record {number}: no {spelt}, the key of {source.name}. {_NOTHING}")
    return key
