"""`lakehouse verify` on real tables: what is whole holds, and what was damaged is named offset by offset."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lakehouse.copies.server import Server
from lakehouse.settings import settings

pytestmark = pytest.mark.stack
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def told(lakehouse: Any, settled: Any) -> Callable[..., dict[str, Any]]:
    """What verify says, by table, of a stack in which something of every kind has arrived."""
    lakehouse("generate", "--events", "500", "--users", "100")
    settled()

    def run(*arguments: str, code: int = 0) -> dict[str, Any]:
        said = json.loads(lakehouse("verify", "--json", *arguments, code=code).stdout)
        assert said["holds"] is (code == 0)
        return {table["table"]: table for table in said["tables"]}

    return run


def test_every_table_of_every_layer_holds(told: Any, trino: Callable[[str], Rows]) -> None:
    tables = told()
    for name in ("calls", "sms", "payment", "recharge", "support"):
        counts = {
            f"silver.{name}": f"select count(*) as n from silver.{name}",
            f"bronze.{name}": f"select count(*) as n from bronze.{name}",
            f"gold.fact_{name}": f"select count(*) as n from silver.{name} where not is_rejected",
            f"clickhouse fact_{name}": f"select count(*) as n from silver.{name} where not is_rejected",
        }
        assert {t: tables[t]["rows"] for t in counts} == {t: trino(sql)[0]["n"] for t, sql in counts.items()}


@pytest.fixture
def damaged(trino: Callable[[str], Rows]) -> Iterator[dict[str, Any]]:
    """Silver's agents without one row and with another one twice; rolled back afterwards."""
    snapshot = trino("""select snapshot_id from silver."agents$refs" where name = 'main'""")
    [one] = trino(
        "select kafka_topic_id as topic, kafka_partition as partition, max(kafka_offset) as last from silver.agents"
        " group by 1, 2 order by 3 desc limit 1"
    )
    place = f"kafka_topic_id = '{one['topic']}' and kafka_partition = {one['partition']} and kafka_offset ="
    trino(f"delete from silver.agents where {place} 1")
    trino(f"insert into silver.agents select * from silver.agents where {place} {one['last']}")
    yield one
    trino(f"alter table silver.agents execute rollback_to_snapshot({snapshot[0]['snapshot_id']})")


def test_a_missing_row_and_a_doubled_one_are_named(told: Any, damaged: dict[str, Any]) -> None:
    where = {"topic_id": damaged["topic"], "partition": damaged["partition"]}
    tables = told("agents", code=1)
    assert tables["silver.agents"]["ranges"] == [
        {**where, "first": 1, "last": 1, "found": 0, "expected": 1},
        {**where, "first": damaged["last"], "last": damaged["last"], "found": 2, "expected": 1},
    ]
    assert tables["bronze.agents"]["holds"]


def test_a_row_of_gold_that_is_of_no_build_is_told(told: Any, trino: Callable[[str], Rows]) -> None:
    snapshot = trino("""select snapshot_id from gold."fact_sms$refs" where name = 'main'""")
    trino(
        "insert into gold.fact_sms select * from gold.fact_sms where sms_id = (select min(sms_id) from gold.fact_sms)"
    )
    trino("update gold.fact_sms set build_id = null where sms_id = (select min(sms_id) from gold.fact_sms)")
    try:
        tables = told("sms", code=1)
    finally:
        trino(f"alter table gold.fact_sms execute rollback_to_snapshot({snapshot[0]['snapshot_id']})")
    assert tables["gold.fact_sms"]["problems"] == ["2 rows are of no build"]
    assert tables["gold.fact_sms"]["wrong"] == 1
    told("sms")


@pytest.mark.parametrize(("table", "source"), [("fact_support", "support"), ("rejected", "calls")])
def test_a_row_that_only_the_copy_lacks_is_named(told: Any, clickhouse: Any, table: str, source: str) -> None:
    owner = Server(settings())
    of_source = f" where source = '{source}'" if table == "rejected" else ""
    [row] = clickhouse(f"select kafka_topic_id, kafka_partition, kafka_offset from gold.{table}{of_source} limit 1")
    place = " and ".join(
        f"{column} = {value!r}" if isinstance(value, str) else f"{column} = {value}" for column, value in row.items()
    )
    owner.run(f"create table gold.kept_row engine = Memory as select * from gold.{table} where {place}")
    owner.run(f"alter table gold.{table} delete where {place} settings mutations_sync = 1")
    try:
        tables = told(source, code=1)
    finally:
        owner.run(f"insert into gold.{table} select * from gold.kept_row")
        owner.run("drop table gold.kept_row")
    assert [r["first"] for r in tables[f"clickhouse {table}"]["ranges"]] == [row["kafka_offset"]]
    assert tables[f"clickhouse {table}"]["ranges"][0]["found"] == 0
    assert [name for name, one in tables.items() if not one["holds"]] == [f"clickhouse {table}"]
    told(source)


@pytest.mark.parametrize(
    ("table", "source", "change"),
    [
        ("fact_support", "support", "user_sk = (select max(user_sk) from gold.dim_user)"),
        ("dim_agent", "agents", "agent_id = concat(agent_id, '?')"),
    ],
)
def test_a_copy_with_other_values_is_told(told: Any, table: str, source: str, change: str) -> None:
    """As a copy would be that missed what moved in a history: the rows are all there, and are of somebody else."""
    owner = Server(settings())
    columns = (
        "select name from system.columns where database = 'gold' and table = {table:String} order by position limit 1"
    )
    [(key,)] = owner.query(columns, table=table)
    first = f"where {key} = (select min({key}) from gold.{table})"
    owner.run(f"create table gold.kept clone as gold.{table}")
    try:
        owner.run(f"alter table gold.{table} update {change} {first} settings mutations_sync = 1")
        tables = told(source, code=1)
    finally:
        owner.run(f"exchange tables gold.{table} and gold.kept")
        owner.run("drop table gold.kept")
    [problem] = tables[f"clickhouse {table}"]["problems"]
    assert "do not have the same values" in problem
    assert tables[f"clickhouse {table}"]["wrong"] == 0
    told(source)


def test_rows_that_hold_another_plan_than_their_subscriber_are_told(told: Any) -> None:
    owner = Server(settings())
    moved = "user_sk in (select user_sk from gold.fact_support where user_plan is not null)"
    owner.run("create table gold.kept clone as gold.dim_user")
    try:
        owner.run(f"alter table gold.dim_user update plan_type = null where {moved} settings mutations_sync = 1")
        tables = told("support", code=1)
    finally:
        owner.run("exchange tables gold.dim_user and gold.kept")
        owner.run("drop table gold.kept")
    [problem] = tables["clickhouse fact_support"]["problems"]
    assert "hold something else of their subscriber" in problem
    told("support")


def test_an_unknown_source_is_a_clear_mistake(lakehouse: Any) -> None:
    assert "there is no source 'nothing'" in lakehouse("verify", "nothing", code=2).stderr
