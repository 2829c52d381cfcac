"""What a viewer sends, read: text, whole numbers, times. What can't be meant is refused in one sentence."""

import re
from datetime import UTC, datetime

from lakehouse.errors import UsageError

# ClickHouse's times of seconds have 32 bits: bars in time would be others before and after.
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2106, 1, 1, tzinfo=UTC)
# Longer than any value of ours that is shown whole, and short enough to be compared with a million rows.
_LONGEST = 10_000
_SHOWN = 40
# NUL ends a text for many a program behind us; half of a surrogate pair is no UTF-8.
_NO_TEXT = re.compile(r"[\x00\ud800-\udfff]")


def text(value: str, what: str) -> str:
    """A text that can be looked for.

    Raises:
        UsageError: it is none.
    """
    if len(value) > _LONGEST:
        raise UsageError(f"{what} is longer than {_LONGEST:,} characters")
    if _NO_TEXT.search(value):
        raise UsageError(f"{what} holds a character that is in no text: {shown(value)}")
    return value


def whole(value: str, what: str, most: int) -> int:
    """A whole number from 0 to `most`.

    Raises:
        UsageError: it is none.
    """
    if not re.fullmatch(r"[0-9]{1,20}", value) or int(value) > most:
        raise UsageError(f"{what} is a whole number from 0 to {most}, not {shown(value)}")
    return int(value)


def instant(value: str, what: str) -> datetime:
    """A time: seconds since 1970, or ISO 8601, UTC unless it says otherwise.

    Raises:
        UsageError: it is none, or one that no event can have.
    """
    try:
        if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
            at = datetime.fromtimestamp(float(value), UTC)
        else:
            at = datetime.fromisoformat(value)
            at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"{what}: {shown(value)} is no time; use seconds since 1970 or ISO 8601") from None
    if not EARLIEST <= at < LATEST:
        raise UsageError(f"{what}: {shown(value)} is not between {EARLIEST:%Y} and {LATEST:%Y}")
    return at


def shown(value: str) -> str:
    """What was sent, as a sentence can show it: short, and nothing invisible."""
    return repr(value) if len(value) <= _SHOWN else f"{value[:_SHOWN]!r}…"
