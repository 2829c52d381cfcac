"""Writing the small files of gold together: each build leaves some, and what is read next opens every one of them.

Rows stay as they are, so that nothing that goes by builds or offsets notices. It runs between two builds.
"""

from collections.abc import Callable
from datetime import date, timedelta

from lakehouse.gold.engine import Engine
from lakehouse.gold.models import Model, gold

# A merge adds a data file and a file of deletions to each day that it touches.
_DAY_FILES = 8
_TABLE_FILES = 16
# Bigger files are left as they are, or a day of 90 MB would be written again for each few files that come to it.
_SMALL_MB = 16
# So much at a time: builds wait meanwhile.
_DAYS = 10
_DAY_COLUMN = "event_time"
_BY_DAY = f"day({_DAY_COLUMN})"


class Upkeep:
    """Knows how many files each table had when it was last looked at."""

    def __init__(self, engine: Engine, files: Callable[[str], int]) -> None:
        """Args:
        files: how many files, those of deletions included, a gold table has.
        """
        self._engine = engine
        self._files = files
        self._known: dict[str, int] = {}

    def write_together(self, model: Model) -> bool:
        """Rewrite what lies in too many files: days of a fact, the worst first, or a dimension. Gives whether it did.

        Raises:
            Retry: Trino does not answer.
            LakehouseError: it refuses.
        """
        files = self._files(model.table)
        self._known[model.table] = min(self._known.get(model.table, 0), files)
        if files - self._known[model.table] <= _TABLE_FILES or model.partition not in (None, _BY_DAY):
            return False
        days = self._crowded_days(model) if model.partition else []
        crowded = bool(days) or not model.partition
        if crowded:
            where = f" where {_within(days)}" if days else ""
            small = f"optimize(file_size_threshold => '{_SMALL_MB}MB')"
            self._engine.run(f"alter table {gold(model.table)} execute {small}{where}")
        if len(days) < _DAYS:
            self._known[model.table] = self._files(model.table)
        return crowded

    def _crowded_days(self, model: Model) -> list[date]:
        files = gold(f'"{model.table}$files"')
        day = f"partition.{_DAY_COLUMN}_day"
        rows = self._engine.run(
            f"select {day} from {files} where {day} is not null and file_size_in_bytes < {_SMALL_MB << 20}"
            f" group by 1 having count(*) > {_DAY_FILES} order by count(*) desc limit {_DAYS}"
        )
        return [row[0] for row in rows]


def _within(days: list[date]) -> str:
    """A predicate of whole days (UTC), which the partitions fulfil by themselves."""
    return " or ".join(
        f"{_DAY_COLUMN} >= timestamp '{day} 00:00:00 UTC' and {_DAY_COLUMN} < timestamp '{day + timedelta(1)} 00:00:00 UTC'"
        for day in days
    )
