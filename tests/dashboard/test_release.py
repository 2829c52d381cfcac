"""A release that changes the file of a copy's table: that copy is made anew, the others stay as they are."""

from typing import Any

import pytest

from lakehouse.copies.copy import copied_tables
from lakehouse.copies.server import Server
from lakehouse.copies.shape import shape_of
from lakehouse.orchestrator import Orchestrator
from lakehouse.settings import settings

pytestmark = pytest.mark.stack
PEOPLE = "select uniqExact(user_no) as n from gold.activity"
COPIED = "select table_name, count() as n from gold.copies group by 1 order by 1"


@pytest.mark.parametrize("table", ["fact_support", "rejected"])
def test_a_copy_whose_file_changed_is_made_anew(events: None, settled: Any, clickhouse: Any, table: str) -> None:
    settled()
    count = f"select count() as n, sum(cityHash64(* except (build_id))) as hash from gold.{table}"
    before, people = clickhouse(count), clickhouse(PEOPLE)
    copied = {row["table_name"]: row["n"] for row in clickhouse(COPIED)}
    server = Server(settings())
    server.run(f"alter table gold.{table} drop projection if exists by_user")
    column = {"fact_support": "user_no", "rejected": "codes"}[table]
    server.run(f"alter table gold.{table} drop column {column}")  # as an earlier release had made it
    Orchestrator(settings()).turn()
    assert clickhouse(count) == before
    assert clickhouse(PEOPLE) == people
    after = {row["table_name"]: row["n"] for row in clickhouse(COPIED)}
    assert {name for name, n in after.items() if n != copied[name]} == {table}


FACTS = {
    name: "from_user_sk" if name in ("fact_calls", "fact_sms") else "user_sk"
    for name in copied_tables()
    if name[:4] == "fact"
}


def misnumbered(clickhouse: Any) -> dict[str, int]:
    """Rows whose number is that of no version of a subscriber, or of another one than their key."""
    found = {}
    for fact, key in FACTS.items():
        other = f"left any join gold.dim_user as d on d.number = f.user_no where d.user_sk != f.{key} or d.number = 0"
        found[fact] = clickhouse(f"select count() as n from gold.{fact} as f {other}")[0]["n"]
    return found


def test_each_row_has_the_number_of_its_subscriber(events: None, settled: Any, clickhouse: Any) -> None:
    settled()
    assert misnumbered(clickhouse) == dict.fromkeys(FACTS, 0)
    counted = "count() as n, uniqExact(user_sk) as keys, uniqExact(number) as numbers, max(number) as most"
    record = clickhouse(f"select {counted} from gold.user_numbers")
    assert len(set(record[0].values())) == 1, record
    assert record[0]["n"] > 100


def test_a_lost_record_of_numbers_makes_the_copies_anew(events: None, settled: Any, clickhouse: Any) -> None:
    settled()
    rows = {fact: clickhouse(f"select count() as n from gold.{fact}") for fact in FACTS}
    people = clickhouse(PEOPLE)
    Server(settings()).run("truncate table gold.user_numbers")
    Orchestrator(settings()).turn()
    assert misnumbered(clickhouse) == dict.fromkeys(FACTS, 0)
    assert {fact: clickhouse(f"select count() as n from gold.{fact}") for fact in FACTS} == rows
    assert clickhouse(PEOPLE) == people


def test_what_a_killed_call_did_not_bring_to_the_look_up_is_brought(
    events: None, settled: Any, clickhouse: Any
) -> None:
    settled()
    Server(settings()).run("truncate table gold.user_lookup")
    Orchestrator(settings()).turn()
    assert clickhouse("select count() as n from gold.user_lookup") == clickhouse(
        "select count() as n from gold.user_numbers"
    )


def test_a_twin_of_a_table_counts_as_the_same(events: None, settled: Any) -> None:
    settled()
    server = Server(settings())
    for table in copied_tables():
        server.run(f"create table gold.{table}__twin clone as gold.{table}")
        twin = shape_of(server, f"{table}__twin")
        server.run(f"drop table gold.{table}__twin sync")
        assert twin == shape_of(server, table)
