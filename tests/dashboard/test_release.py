"""A release that changes the file of a copy's table: that copy is made anew, the others stay as they are."""

from typing import Any

import pytest

from lakehouse.copies.copy import copied_tables
from lakehouse.copies.server import Server
from lakehouse.copies.shape import shape_of
from lakehouse.orchestrator import Orchestrator
from lakehouse.settings import settings

pytestmark = pytest.mark.stack
COPIED = "select table_name, count() as n from gold.copies group by 1 order by 1"


@pytest.mark.parametrize("table", ["fact_support", "rejected"])
def test_a_copy_whose_file_changed_is_made_anew(events: None, settled: Any, clickhouse: Any, table: str) -> None:
    settled()
    count = f"select count() as n, sum(cityHash64(* except (build_id))) as hash from gold.{table}"
    before, people = clickhouse(count), clickhouse("select uniqExact(subscriber) as n from gold.activity")
    copied = {row["table_name"]: row["n"] for row in clickhouse(COPIED)}
    column = {"fact_support": "subscriber", "rejected": "codes"}[table]
    Server(settings()).run(f"alter table gold.{table} drop column {column}")  # as an earlier release had made it
    Orchestrator(settings()).turn()
    assert clickhouse(count) == before
    assert clickhouse("select uniqExact(subscriber) as n from gold.activity") == people
    after = {row["table_name"]: row["n"] for row in clickhouse(COPIED)}
    assert {name for name, n in after.items() if n != copied[name]} == {table}


def test_a_twin_of_a_table_counts_as_the_same(events: None, settled: Any) -> None:
    settled()
    server = Server(settings())
    for table in copied_tables():
        server.run(f"create table gold.{table}__twin clone as gold.{table}")
        twin = shape_of(server, f"{table}__twin")
        server.run(f"drop table gold.{table}__twin sync")
        assert twin == shape_of(server, table)
