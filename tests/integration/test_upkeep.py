"""Small files of a gold table are written together, on the real Trino: fewer files, the same rows."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from lakehouse.gold.engine import Engine
from lakehouse.gold.models import Model, gold, models
from lakehouse.gold.upkeep import Upkeep
from lakehouse.settings import settings

pytestmark = pytest.mark.stack
CROWDED, QUIET = ("2026-01-05", "2026-01-07"), "2026-01-06"
Query = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def fact(stack: dict[str, str], trino: Query) -> Iterator[Model]:
    """A fact with ten files of each of two days, a row of one of them deleted, and two files of the day in between."""
    model = replace(models()["fact_calls"], table="fact_of_upkeep")
    trino(f"drop table if exists {gold(model.table)}")
    trino(model.ddl())
    for number in range(10):
        days = [*CROWDED, *([QUIET] if number < 2 else [])]
        rows = ", ".join(f"('{number}', timestamp '{day} 23:59:59.999999 UTC', {number})" for day in days)
        trino(f"insert into {gold(model.table)} (transaction_sk, event_time, build_id) values {rows}")
    trino(f"delete from {gold(model.table)} where build_id = 3 and event_time < timestamp '{QUIET} 00:00:00 UTC'")
    yield model
    trino(f"drop table {gold(model.table)}")


def files_of(trino: Query, model: Model) -> dict[str, set[str]]:
    """Paths of data and delete files by day."""
    files = gold(f'"{model.table}$files"')
    found: dict[str, set[str]] = {}
    for row in trino(f"select cast(partition.event_time_day as varchar) as day, file_path from {files}"):
        found.setdefault(row["day"], set()).add(row["file_path"])
    return found


def test_crowded_days_are_written_together_and_keep_their_rows(fact: Model, trino: Query) -> None:
    rows = f"select transaction_sk, event_time, build_id from {gold(fact.table)} order by event_time, build_id"
    before, files = trino(rows), files_of(trino, fact)
    assert {day: len(paths) for day, paths in files.items()} == {CROWDED[0]: 11, QUIET: 2, CROWDED[1]: 10}
    upkeep = Upkeep(Engine(settings(), source="lakehouse-test"), lambda table: 100)
    assert upkeep.write_together(fact)
    after = files_of(trino, fact)
    assert [len(after[day]) for day in CROWDED] == [1, 1]
    assert after[QUIET] == files[QUIET], "a day with few files is left alone"
    assert trino(rows) == before
    assert len(before) == 21
    assert not upkeep.write_together(fact), "no file has come since"
