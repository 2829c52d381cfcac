"""Messages that are not one JSON object: every kind that the contracts call `malformed:json`."""

from collections.abc import Callable

from sources.faults import Defect

CODE = "malformed:json"
# the contracts allow 64 levels, the message's own object being the first
_ALLOWED_DEPTH = 64


def _invalid_utf8(value: bytes) -> bytes:
    return value[:-1] + b',"note":"\xff\xfe"}'


def _too_deep(value: bytes) -> bytes:
    return value[:-1] + b',"deep":' + b"[" * _ALLOWED_DEPTH + b"]" * _ALLOWED_DEPTH + b"}"


# each takes a good message, whose last byte closes its object
_REWRITES: dict[str, Callable[[bytes], bytes | None]] = {
    "truncated": lambda value: value[: len(value) // 2],
    "array": lambda value: b"[" + value + b"]",
    "two_objects": lambda value: value + value,
    "scalar": lambda value: b'"call"',
    "empty": lambda value: b"",
    "tombstone": lambda value: None,
    "byte_order_mark": lambda value: b"\xef\xbb\xbf" + value,
    "invalid_utf8": _invalid_utf8,
    "lone_surrogate": lambda value: value[:-1] + b',"note":"\\ud800"}',
    "nan": lambda value: value[:-1] + b',"note":NaN}',
    "infinity": lambda value: value[:-1] + b',"note":[-Infinity]}',
    "too_deep": _too_deep,
    "trailing_comma": lambda value: value[:-1] + b",}",
    "not_json": lambda value: b"\x00\x01 hello",
}
# what a file of one message a line cannot hold
_NO_LINE = frozenset({"empty", "tombstone"})

MALFORMED = tuple(
    Defect(f"malformed:{name}", codes=(CODE,), rewrite=rewrite, fits_a_line=name not in _NO_LINE)
    for name, rewrite in _REWRITES.items()
)
