"""Small files of a gold table are written together, on the real Trino: fewer files, the same rows."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from bench.commits import a_batch
from catalog import client
from catalog.fenced import FencedTable
from catalog.offsets import PartitionId
from catalog.schemas import LINEAGE
from lakehouse.deadline import Deadline
from lakehouse.gold.engine import Engine
from lakehouse.gold.models import Model, gold, models
from lakehouse.gold.upkeep import Upkeep, crowd_of_gold, crowds_of
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
    crowd = crowd_of_gold(fact)
    assert crowd is not None
    assert upkeep.write_together(crowd)
    after = files_of(trino, fact)
    assert [len(after[day]) for day in CROWDED] == [1, 1]
    assert after[QUIET] == files[QUIET], "a day with few files is left alone"
    assert trino(rows) == before
    assert len(before) == 21
    assert not upkeep.write_together(crowd), "no file has come since"


def test_small_files_of_events_are_written_together_and_workers_go_on(stack: dict[str, str], trino: Query) -> None:
    place, name = PartitionId("topic-of-the-upkeep-test", 0), "silver.test_upkeep"
    catalog = client.connect(settings())
    table = FencedTable.ensure(catalog, name, LINEAGE, "a test's")
    for first in range(0, 5000, 1000):
        table.append([a_batch(place, first)], Deadline.after(20))
    upkeep = Upkeep(Engine(settings(), source="lakehouse-test"), lambda table: 100)
    assert upkeep.write_together(replace(crowds_of("test_upkeep")[0], files=4, day_files=4))
    assert trino('select count(*) as n from silver."test_upkeep$files"')[0]["n"] == 1
    assert table.positions().next == {place: 5000}
    table.append([a_batch(place, 5000)], Deadline.after(20))
    rows = trino(
        f"select count(distinct kafka_offset) as offsets, count(*) as n, max(kafka_offset) as last from {name}"
    )
    assert rows == [{"offsets": 6000, "n": 6000, "last": 5999}]
    catalog.drop_table(name)
