"""When things happen: the daily and weekly curve of a mobile network, in the operator's local time."""

from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lakehouse.settings import Settings

DEFAULT_ZONE: str = Settings.model_fields["time_zone"].default
# share of a day's traffic in each hour from 0 to 23: nights are quiet, late evenings are the peak
_HOURS = np.array([3, 2, 1, 1, 1, 1, 2, 3, 4, 5, 5, 5, 6, 6, 6, 6, 6, 6, 7, 7, 7, 7, 6, 4], dtype=np.float64)
# from Monday to Sunday; Friday is the day of rest, Thursday evening its beginning
WEEKDAY_FACTORS = np.array([1.0, 1.0, 1.02, 1.15, 0.85, 0.95, 1.0])


class ClockChange(NamedTuple):
    """Local times that need care: one that a change of the clock skips and one that it repeats; None without one."""

    skipped: str | None
    repeated: str | None


def event_times(draw: np.random.Generator, count: int, end: datetime, days: int, zone: str) -> pl.Series:
    """Sorted local times (naive datetimes, whole seconds) over the days before `end`, busy hours holding more.

    Times that a change of the clock skips never appear; of the hour that it repeats, events move to the hour before,
    because their text would be ambiguous (the defect `dst_repeated` makes such events on purpose, and counts them).
    """
    end = end.replace(microsecond=0)  # or the hours up to it would be one more, in the future
    start = end - timedelta(days=days)
    hours = pl.datetime_range(start, end, "1h", closed="left", eager=True).dt.convert_time_zone(zone)
    weights = _HOURS[hours.dt.hour().to_numpy()] * WEEKDAY_FACTORS[hours.dt.weekday().to_numpy() - 1]
    edges = np.cumsum(weights)
    hour = np.searchsorted(edges, draw.random(count) * edges[-1], side="right")
    seconds = np.sort(hour * 3600 + draw.integers(0, 3600, count))
    local = (
        pl.Series("time", seconds * 1_000_000).cast(pl.Duration("us")) + start.replace(tzinfo=None) - start.utcoffset()
    )
    return local_times(local.dt.replace_time_zone("UTC"), zone)


def seasonal_multiplier(times: pl.Series) -> NDArray[np.float64]:
    """The factor of each time's day of the week, as the sources send it."""
    return np.asarray(WEEKDAY_FACTORS[times.dt.weekday().to_numpy() - 1])


def local_times(instants: pl.Series, zone: str) -> pl.Series:
    """Instants (UTC) as naive local times; those of the hour that the clock repeats an hour earlier, as above."""
    naive = instants.dt.convert_time_zone(zone).dt.replace_time_zone(None)
    certain = naive.dt.replace_time_zone(zone, ambiguous="null", non_existent="null").is_not_null()
    return naive.zip_with(certain, naive - timedelta(hours=1))


def last_clock_change(zone: str, before: datetime) -> ClockChange:
    """The newest skipped and repeated local times within the 400 days before, half an hour into the change."""
    place = ZoneInfo(zone)
    skipped = repeated = None
    moment = before.replace(minute=0, second=0, microsecond=0)
    for _ in range(400 * 24):
        earlier = moment - timedelta(hours=1)
        offset, previous = moment.astimezone(place).utcoffset(), earlier.astimezone(place).utcoffset()
        assert offset is not None
        assert previous is not None
        if offset > previous and skipped is None:
            skipped = _text((moment + previous).replace(tzinfo=None) + timedelta(minutes=30))
        if offset < previous and repeated is None:
            repeated = _text((moment + offset).replace(tzinfo=None) + timedelta(minutes=30))
        moment = earlier
    return ClockChange(skipped, repeated)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")
