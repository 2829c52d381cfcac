"""`lakehouse verify --messages` and `--from-bronze`: what Kafka still has, held against bronze and against what the tables call
gaps; and silver's rows made again from bronze, held against those that are there.
"""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from streams.contract import contracts

pytestmark = pytest.mark.stack
Rows = list[dict[str, Any]]
Told = Callable[..., dict[str, Any]]
TABLE = "messages of agents"
DEFECTS = "malformed=0.02,missing=0.02,type=0.02,invalid=0.02,domain=0.02,range=0.02,duplicates=0.1"


@pytest.fixture(scope="module")
def sent(lakehouse: Any, settled: Any) -> None:
    """Events of all five sources with every defect, and the records that they name."""
    lakehouse("generate", "--events", "3000", "--users", "200", "--seed", "31", "--defects", DEFECTS)
    settled()


@pytest.fixture
def verified(lakehouse: Any, sent: None) -> Told:
    """What verify says, by table."""

    def run(*arguments: str, code: int = 0) -> dict[str, Any]:
        said = json.loads(lakehouse("verify", "--json", *arguments, code=code).stdout)
        return {table["table"]: table for table in said["tables"]}

    return run


@pytest.fixture
def told(verified: Told) -> Told:
    """What it says of the messages of agents, and of its bronze table."""
    return partial(verified, "agents", "--messages")


@pytest.fixture
def remade(verified: Told) -> Told:
    """What it says of silver made again, by source."""

    def run(*sources: str, code: int = 0) -> dict[str, Any]:
        tables = verified("--from-bronze", "--lake", *sources, code=code)
        return {name.split()[0].partition(".")[2]: one for name, one in tables.items() if name.endswith(" from bronze")}

    return run


@pytest.fixture
def one_row(trino: Callable[[str], Rows]) -> Iterator[tuple[dict[str, Any], str]]:
    """A message of agents and a condition on it; what is done to bronze is taken back."""
    [before] = trino("""select snapshot_id from bronze."agents$refs" where name = 'main'""")
    [one] = trino(
        "select kafka_topic_id as topic, kafka_partition as partition, max(kafka_offset) as last from bronze.agents"
        " where value is not null group by 1, 2 order by 3 desc limit 1"
    )
    yield one, f"kafka_partition = {one['partition']} and kafka_offset = {one['last']}"
    trino(f"alter table bronze.agents execute rollback_to_snapshot({before['snapshot_id']})")


def test_what_kafka_has_is_in_bronze_byte_for_byte(told: Any, trino: Callable[[str], Rows]) -> None:
    tables = told()
    assert tables[TABLE]["rows"] == trino("select count(*) as n from bronze.agents")[0]["n"]
    assert tables[TABLE]["problems"] == []


@pytest.mark.parametrize("change", ["value = x'7b7d'", "key = null", "headers = x'5b5d'"])
def test_a_message_with_other_bytes_is_told(told: Any, one_row: Any, trino: Callable[[str], Rows], change: str) -> None:
    one, place = one_row
    trino(f"update bronze.agents set {change} where {place}")
    tables = told(code=1)
    assert tables[TABLE]["problems"] == [
        f"bronze has another message than Kafka, the first at {one['topic']}[{one['partition']}] {one['last']}"
    ]
    assert tables["bronze.agents"]["holds"]


def test_a_message_that_bronze_lacks_is_named(told: Any, one_row: Any, trino: Callable[[str], Rows]) -> None:
    one, place = one_row
    trino(f"delete from bronze.agents where {place}")
    [wrong] = told(code=1)[TABLE]["ranges"]
    assert (wrong["partition"], wrong["first"], wrong["last"]) == (one["partition"], one["last"], one["last"])
    assert (wrong["found"], wrong["expected"]) == (0, 1)


@pytest.fixture
def spoiled(trino: Callable[[str], Rows]) -> Iterator[Callable[[str, str, str], tuple[str, int, int]]]:
    """Changes a message in bronze; taken back afterwards."""
    undo = []

    def change(source: str, what: str, which: str) -> tuple[str, int, int]:
        [before] = trino(f"""select snapshot_id from bronze."{source}$refs" where name = 'main'""")
        [one] = trino(
            "select kafka_topic_id as topic, kafka_partition as partition, kafka_offset as place"
            f" from bronze.{source} b join silver.{source} s using (kafka_topic_id, kafka_partition, kafka_offset)"
            f" where {which} order by 3 desc, 2 limit 1"
        )
        undo.append(f"alter table bronze.{source} execute rollback_to_snapshot({before['snapshot_id']})")
        place = f"kafka_partition = {one['partition']} and kafka_offset = {one['place']}"
        trino(f"update bronze.{source} set {what} where {place} and kafka_topic_id = '{one['topic']}'")
        return one["topic"], one["partition"], one["place"]

    yield change
    for statement in undo:
        trino(statement)


def test_every_row_of_every_source_is_what_its_message_gives(remade: Told, trino: Callable[[str], Rows]) -> None:
    tables = remade()
    assert tables.keys() == contracts().keys()
    for source, table in tables.items():
        assert table["problems"] == []
        assert table["rows"] == trino(f"select count(*) as n from silver.{source}")[0]["n"]


def test_a_row_that_its_message_does_not_give_is_told_by_column_and_place(remade: Told, spoiled: Any) -> None:
    topic, partition, offset = spoiled(
        "payment",
        """value = to_utf8(replace(from_utf8(value), '"payment_type"', '"payment_kind"'))""",
        "not s.is_rejected and strpos(from_utf8(b.value), '\"payment_type\"') > 0",
    )
    problems = remade("payment", code=1)["payment"]["problems"]
    at = f"than their message gives, the first at {topic}[{partition}] {offset}"
    assert f"1 rows have another payment_type {at}" in problems
    assert f"1 rows have another extra {at}" in problems
    # and of a copy of it, which would be no duplicate
    assert any(p.endswith(f" rows have another rejection_reason {at}") for p in problems)


def test_an_event_that_would_be_no_duplicate_is_remade(remade: Told, spoiled: Any) -> None:
    topic, partition, offset = spoiled(
        "sms",
        """value = to_utf8(regexp_replace(from_utf8(value), '("sid" *: *")', '$1X'))""",
        "s.rejection_reason = 'duplicate:sid'",
    )
    problems = remade("sms", code=1)["sms"]["problems"]
    assert any(
        f"another is_rejected than their message gives, the first at {topic}[{partition}] {offset}" in p
        for p in problems
    )
