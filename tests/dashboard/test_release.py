"""A release that changes the file of a copy's table, and numbers of subscribers that got lost: copies are made right again."""

from typing import Any

import pytest

from lakehouse.copies.copy import copied_tables
from lakehouse.copies.numbers import Numbers
from lakehouse.copies.server import Server
from lakehouse.copies.shape import shape_of
from lakehouse.errors import LakehouseError
from lakehouse.orchestrator import Orchestrator, _change, _turn_lock
from lakehouse.settings import settings

pytestmark = pytest.mark.stack
COPIED = "select table_name, count() as n from gold.copies group by 1 order by 1"
PEOPLE = "select uniqExact(user_no) as n from gold.activity"
HELD = "select count() as n, sum(cityHash64(user_sk, number)) as hash from gold.user_{}"
KEYS = {name: "user_sk" for name in sorted(copied_tables()) if name.startswith("fact_") or name == "dim_user"}
KEYS |= dict.fromkeys(("fact_calls", "fact_sms"), "from_user_sk")


@pytest.fixture(scope="module")
def server(events: None, settled: Any) -> Server:
    """ClickHouse, with copies of all that was sent."""
    settled()
    return Server(settings())


def misnumbered(clickhouse: Any) -> int:
    """Rows whose number is another one than the record has for their key."""
    found = 0
    for table, key in KEYS.items():
        number = "number" if table == "dim_user" else "user_no"
        record = f"left any join gold.user_numbers as n on n.user_sk = t.{key}"
        wrong = f"select count() as n from gold.{table} as t {record} where n.number != t.{number} or t.{number} = 0"
        found += clickhouse(wrong)[0]["n"]
    return found


def counts(clickhouse: Any) -> dict[str, int]:
    return {table: clickhouse(f"select count() as n from gold.{table}")[0]["n"] for table in KEYS}


@pytest.mark.parametrize("table", ["fact_support", "rejected"])
def test_a_copy_whose_file_changed_is_made_anew(server: Server, clickhouse: Any, table: str) -> None:
    count = f"select count() as n, sum(cityHash64(* except (build_id))) as hash from gold.{table}"
    before, people = clickhouse(count), clickhouse(PEOPLE)
    copied = {row["table_name"]: row["n"] for row in clickhouse(COPIED)}
    server.run(f"alter table gold.{table} drop projection if exists by_user")
    column = {"fact_support": "user_no", "rejected": "codes"}[table]
    server.run(f"alter table gold.{table} drop column {column}")  # as an earlier release had made it
    Orchestrator(settings()).turn()
    assert clickhouse(count) == before
    assert clickhouse(PEOPLE) == people
    after = {row["table_name"]: row["n"] for row in clickhouse(COPIED)}
    assert {name for name, n in after.items() if n != copied[name]} == {table}


def test_what_was_built_and_not_copied_yet_is_copied_after_a_release(
    server: Server, lakehouse: Any, settled: Any, clickhouse: Any
) -> None:
    lakehouse("generate", "--sources", "support", "--events", "200", "--no-reference", "--json")
    settled()
    count = "select count() as n, sum(cityHash64(* except (build_id))) as hash from gold.fact_support"
    before = clickhouse(count)
    build = clickhouse("select max(build_id) as b from gold.fact_support")[0]["b"]
    one = Orchestrator(settings())
    with _turn_lock(settings()):  # as if the release before had ended between a build and its copies
        server.run(f"alter table gold.copies delete where build_id >= {build} settings mutations_sync = 2")
        server.run(f"delete from gold.fact_support where build_id >= {build}")
        server.run("alter table gold.fact_support drop projection by_user")
        assert clickhouse(count) != before
        assert one.copies.renew([_change(b) for b in one._complete()])
        one._copy(None, lambda copied: None)
    assert clickhouse(count) == before


def test_a_twin_of_a_table_counts_as_the_same(server: Server) -> None:
    for table in copied_tables():
        server.run(f"create table gold.{table}__twin clone as gold.{table}")
        twin = shape_of(server, f"{table}__twin")
        server.run(f"drop table gold.{table}__twin sync")
        assert twin == shape_of(server, table)


# -- numbers of subscribers -----------------------------------------------------------------------------------------------


def test_each_version_of_a_subscriber_has_a_number_which_all_of_its_rows_have(server: Server, clickhouse: Any) -> None:
    assert misnumbered(clickhouse) == 0
    counted = "count() as n, uniqExact(user_sk) as keys, uniqExact(number) as numbers, max(number) as most"
    record = clickhouse(f"select {counted} from gold.user_numbers")
    assert len(set(record[0].values())) == 1, record
    assert record[0]["n"] > 100


def test_a_row_of_nobody_is_refused(server: Server) -> None:
    row = "select * replace (toUInt128(7) as user_sk) from gold.fact_support limit 1"
    with pytest.raises(LakehouseError, match="NULL"):
        server.run(f"insert into gold.fact_support {row}")


def test_a_lost_record_is_put_back_from_the_copy_of_dim_user(server: Server, clickhouse: Any) -> None:
    record = HELD.format("numbers")
    before, copied = clickhouse(record), clickhouse(COPIED)
    for loss in (
        "alter table gold.user_numbers delete where number > 50 settings mutations_sync = 2",
        "truncate table gold.user_numbers",
        "drop table gold.user_numbers sync",
    ):
        server.run(loss)
        Orchestrator(settings()).turn()
        assert clickhouse(record) == before, loss
    assert clickhouse(COPIED) == copied, "nothing had to be copied again"
    assert misnumbered(clickhouse) == 0


def test_where_all_numbers_are_lost_the_copies_are_made_anew(server: Server, clickhouse: Any) -> None:
    before, people = counts(clickhouse), clickhouse(PEOPLE)
    server.run("truncate table gold.dim_user")
    server.run("truncate table gold.user_numbers")
    Orchestrator(settings()).turn()
    assert misnumbered(clickhouse) == 0
    assert clickhouse(HELD.format("lookup")) == clickhouse(HELD.format("numbers"))
    assert (counts(clickhouse), clickhouse(PEOPLE)) == (before, people)


@pytest.mark.parametrize(
    "spoil",
    [
        "truncate table gold.user_lookup",
        "insert into gold.user_lookup values (1, 1)",
        "alter table gold.user_lookup delete where number < 5",
        "insert into gold.user_numbers select 9, max(number) + 1 from gold.user_numbers",
    ],
)
def test_the_look_up_is_filled_from_the_record_where_they_differ(server: Server, clickhouse: Any, spoil: str) -> None:
    server.run(spoil)
    Numbers(server, "lk", "lakehouse-copy-test").bring()
    assert clickhouse(HELD.format("lookup")) == clickhouse(HELD.format("numbers"))
