"""What a viewer looks at, and how the address of a page says it: time range, filters, activity window, currency."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from lakehouse.clock import now
from lakehouse.dashboard.model import Cube, Model
from lakehouse.dashboard.parameters import instant, shown, text, whole
from lakehouse.errors import UsageError

DEFAULT_RANGE = "7d"
FILTER = "f."
_SAID = ("range", "from", "to", "window")
# What an address may say besides, of which this is not the place.
_BESIDE = ("page", "compare", "live", "offset", "bom")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_LONGEST = timedelta(days=3700)
_VALUES = 1000
# Shorter ranges end now.
_BY_MINUTES = timedelta(hours=12)
_HOUR = timedelta(hours=1)
# A range of up to so many hours is drawn in buckets of so many minutes: 100 to 200 bars on a screen.
_BUCKETS = ((3, 1), (12, 5), (36, 15), (8 * 24, 60), (45 * 24, 6 * 60), (200 * 24, 24 * 60), (10**9, 7 * 24 * 60))


@dataclass(frozen=True)
class Scope:
    """What a viewer looks at.

    Attributes:
        start, end: the time range, half-open, aware.
        filters: by dimension the values that are let through; the empty text is an unknown value.
        window_days: how far back a subscriber counts as active.
        money: the currency in which amounts are added.
        zone: the operator's time zone.
    """

    start: datetime
    end: datetime
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    window_days: int = 30
    money: str = ""
    zone: str = "UTC"

    @property
    def before(self) -> "Scope":
        """The period of equal length that ends where this one begins."""
        start = self.start - (self.end - self.start)
        return Scope(start, self.start, self.filters, self.window_days, self.money, self.zone)

    @property
    def bucket_minutes(self) -> int:
        """Width of a bar in time."""
        hours = (self.end - self.start) / _HOUR
        return next(minutes for limit, minutes in _BUCKETS if hours <= limit)

    @property
    def whole_hours(self) -> bool:
        """Whether the range can be cut by the hour, in UTC and in the zone alike."""
        zone = ZoneInfo(self.zone)
        offsets = [at.astimezone(zone).utcoffset() or timedelta() for at in (self.start, self.end)]
        return self.ends_on_the_hour and _on_the_hour(self.start) and not any(offset % _HOUR for offset in offsets)

    @property
    def ends_on_the_hour(self) -> bool:
        """Whether it ends with a whole hour, and so is still looked at a moment later; one up to now is another each time."""
        return _on_the_hour(self.end)

    def ignored(self, cube: Cube) -> list[str]:
        """Filters that this cube knows nothing of."""
        return [name for name in self.filters if name not in cube.dimensions]


def scope_of(parameters: Iterable[tuple[str, str]], model: Model, zone: str) -> Scope:
    """The scope of an address.

    `range` is 90m, 24h or 7d up to now; or `from` and `to` are seconds since 1970 or ISO 8601. `f.<dimension>` may be repeated.
    `window` is the activity window in days.

    Raises:
        UsageError: something can't be read, or names no dimension.
    """
    known = {name for cube in model.cubes.values() for name in cube.dimensions}
    filters: dict[str, list[str]] = {}
    said: dict[str, str] = {}
    for name, value in parameters:
        if not name.startswith(FILTER):
            if name not in (*_SAID, *_BESIDE):
                raise UsageError(
                    f"there is nothing called {shown(name)} here; there are {', '.join(_SAID)}, and filters as f.plan"
                )
            said[name] = value
            continue
        dimension = name.removeprefix(FILTER)
        if dimension not in known:
            raise UsageError(f"there is nothing called {shown(dimension)} to filter by")
        filters.setdefault(dimension, []).append(text(value, name))
    if sum(map(len, filters.values())) > _VALUES:
        raise UsageError(f"more than {_VALUES} values to filter by")
    start, end = _range(said)
    chosen = filters.get("currency", [])
    return Scope(
        start,
        end,
        {name: tuple(values) for name, values in filters.items()},
        _window(said.get("window", "30")),
        chosen[0] if len(chosen) == 1 else "",
        zone,
    )


def _range(said: dict[str, str]) -> tuple[datetime, datetime]:
    if "from" in said or "to" in said:
        end = instant(said["to"], "to") if said.get("to") else now()
        start = instant(said["from"], "from") if said.get("from") else end - timedelta(days=7)
    else:
        length_said = said.get("range") or DEFAULT_RANGE
        found = re.fullmatch(r"([0-9]{1,5})([mhd])", length_said)
        if not found or int(found[1]) == 0:
            raise UsageError(f"a range is such as 90m, 24h or 7d, not {shown(length_said)}")
        length = timedelta(**{_UNITS[found[2]]: int(found[1])})
        end = _hour_after(now()) if length > _BY_MINUTES else now()
        start = end - length
    if not timedelta(0) < end - start <= _LONGEST:
        raise UsageError("the range must begin before it ends, and be shorter than ten years")
    return start, end


def _hour_after(at: datetime) -> datetime:
    """The end of the present hour: a range of many hours is one of whole hours, which is answered from sums by the hour."""
    return at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def _window(value: str) -> int:
    if (days := whole(value, "window", 366)) < 1:
        raise UsageError("window is a number of days from 1 to 366")
    return days


def _on_the_hour(at: datetime) -> bool:
    return not (at.minute or at.second or at.microsecond)
