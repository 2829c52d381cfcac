"""`lakehouse verify --messages`: what Kafka still has, held against bronze and against what the tables call gaps."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.stack
Rows = list[dict[str, Any]]
TABLE = "messages of agents"


@pytest.fixture(scope="module")
def told(lakehouse: Any, settled: Any) -> Callable[..., dict[str, Any]]:
    """What verify says of the messages of agents, and of its bronze table."""
    lakehouse("generate", "--events", "200", "--users", "100")
    settled()

    def run(code: int = 0) -> dict[str, Any]:
        said = json.loads(lakehouse("verify", "agents", "--messages", "--json", code=code).stdout)
        return {table["table"]: table for table in said["tables"]}

    return run


@pytest.fixture
def one_row(trino: Callable[[str], Rows]) -> Iterator[tuple[dict[str, Any], str]]:
    """A message of agents and a condition on it; what is done to bronze is taken back."""
    [before] = trino('select snapshot_id from bronze."agents$snapshots" order by committed_at desc limit 1')
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
