"""Writing small files together: each commit of a worker and each build leaves some, and whoever reads opens every one.

Rows stay as they are, so that nothing that goes by offsets or builds notices. It runs between two builds.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from lakehouse.gold.engine import Engine
from lakehouse.gold.models import Model

# Bigger files are left as they are, or a day of 90 MB would be written again for each few files that come to it.
_SMALL_MB = 16
# So much at a time: builds wait meanwhile.
_DAYS = 10
# A merge adds a data file and a file of deletions to each day that it touches.
_GOLD_FILES, _GOLD_DAY_FILES = 16, 8
# A worker commits each second, and all of it goes into today's partition.
_EVENT_FILES = 400
# A statement that takes minutes loses its race with the expiry of the snapshot that it began with, and builds wait for it.
_EVENT_FILES_AT_MOST = 4_000
# So long a table is left alone whose files could not be written together.
_PAUSE_S = 3600.0


@dataclass(frozen=True)
class Crowd:
    """A table, and when its files have become too many.

    Attributes:
        table: with its namespace.
        day_of: the column that partitions it by day; None: no partitions.
        files: so many more than when it was last looked at make it worth a look.
        day_files: more small files of a day than these are written together.
        days: so many at a time.
        day_files_at_most: a day with more is left to a person.
    """

    table: str
    day_of: str | None
    files: int
    day_files: int
    days: int = _DAYS
    day_files_at_most: int = 1_000_000


def crowd_of_gold(model: Model) -> Crowd | None:
    """A gold table; None if it is partitioned by something else than days."""
    if model.partition not in (None, "day(event_time)"):
        return None
    return Crowd(f"gold.{model.table}", "event_time" if model.partition else None, _GOLD_FILES, _GOLD_DAY_FILES)


def crowds_of(source: str) -> list[Crowd]:
    """Silver and bronze of a source."""
    layers = ("silver", "bronze")
    return [Crowd(f"{n}.{source}", "ingested_at", _EVENT_FILES, _EVENT_FILES, 1, _EVENT_FILES_AT_MOST) for n in layers]


class Upkeep:
    """Knows how many files each table had when it was last looked at."""

    def __init__(self, engine: Engine, files: Callable[[str], int]) -> None:
        """Args:
        files: how many files, those of deletions included, a table has; 0 if there is no such table.
        """
        self._engine = engine
        self._files = files
        self._known: dict[str, int] = {}
        self._failed_s: dict[str, float] = {}

    def write_together(self, crowd: Crowd) -> bool:
        """Rewrite what lies in too many files: days, the worst first, or a whole table. Gives whether it did.

        Raises:
            Retry: Trino does not answer.
            LakehouseError: it refuses.
        """
        if time.monotonic() - self._failed_s.get(crowd.table, -_PAUSE_S) < _PAUSE_S:
            return False
        files = self._files(crowd.table)
        self._known[crowd.table] = min(self._known.get(crowd.table, 0), files)
        if files - self._known[crowd.table] <= crowd.files:
            return False
        days = self._crowded_days(crowd, crowd.day_of) if crowd.day_of else []
        crowded = bool(days) or crowd.day_of is None
        if crowded:
            where = f" where {_within(crowd.day_of, days)}" if crowd.day_of else ""
            small = f"optimize(file_size_threshold => '{_SMALL_MB}MB')"
            self._failed_s[crowd.table] = time.monotonic()
            self._engine.run(f"alter table iceberg.{crowd.table} execute {small}{where}")
            del self._failed_s[crowd.table]
        if len(days) < crowd.days:
            self._known[crowd.table] = self._files(crowd.table)
        return crowded

    def _crowded_days(self, crowd: Crowd, day_of: str) -> list[date]:
        namespace, _, name = crowd.table.partition(".")
        day = f"partition.{day_of}_day"
        rows = self._engine.run(
            f'select {day} from iceberg.{namespace}."{name}$files"'
            f" where {day} is not null and file_size_in_bytes < {_SMALL_MB << 20}"
            f" group by 1 having count(*) > {crowd.day_files} and count(*) <= {crowd.day_files_at_most}"
            f" order by count(*) desc limit {crowd.days}"
        )
        return [row[0] for row in rows]


def _within(day_of: str, days: list[date]) -> str:
    """A predicate of whole days (UTC), which the partitions fulfil by themselves."""
    return " or ".join(
        f"{day_of} >= timestamp '{day} 00:00:00 UTC' and {day_of} < timestamp '{day + timedelta(1)} 00:00:00 UTC'"
        for day in days
    )
