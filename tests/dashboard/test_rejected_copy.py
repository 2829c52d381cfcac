"""The copy of rejected messages holds silver's, whatever was rejected together, and mends what a killed copy left."""

from itertools import combinations
from typing import Any

import pytest

from catalog.offsets import PartitionId
from lakehouse.copies.rejected import Taken, rejected_rows
from lakehouse.copies.server import Server
from lakehouse.settings import settings
from streams.contract import contracts

pytestmark = pytest.mark.stack
LINEAGE = "kafka_topic_id, kafka_partition, kafka_offset"


@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_rejected_messages_of_any_sources_are_copied_together(events: None, trino: Any, size: int) -> None:
    server = Server(settings())
    known: dict[str, dict[PartitionId, int]] = {}
    rejected = {}
    for source in contracts():
        rows = trino(
            "select kafka_topic_id as t, kafka_partition as p, max(kafka_offset) + 1 as e, count_if(is_rejected) as n"
            f" from iceberg.silver.{source} group by 1, 2"
        )
        known[source] = {PartitionId(row["t"], row["p"]): row["e"] for row in rows}
        rejected[source] = sum(row["n"] for row in rows)
    for chosen in combinations(contracts(), size):
        select = rejected_rows("lk", 1, None, [Taken({source: known[source] for source in chosen})])
        # what an insert does with the union: all its columns, side by side; a mere count passes over them
        assert len(server.query(f"describe table ({select})")) == 14, chosen
        assert server.query(f"select count() from ({select})")[0][0] == sum(rejected[s] for s in chosen)


def silver_rejected(trino: Any) -> set[tuple[Any, ...]]:
    union = " union all ".join(
        f"select '{source}' as source, rejection_reason, {LINEAGE} from iceberg.silver.{source} where is_rejected"
        for source in contracts()
    )
    return {tuple(row.values()) for row in trino(union)}


def test_the_copy_holds_each_rejected_message_once(events: None, settled: Any, trino: Any, clickhouse: Any) -> None:
    settled()
    copied = clickhouse(f"select source, rejection_reason, {LINEAGE} from gold.rejected")
    rows = [tuple(row.values()) for row in copied]
    assert len(rows) == len(set(rows)) > 500
    assert set(rows) == silver_rejected(trino)
    codes = clickhouse(
        "select count() as n from gold.rejected where rejection_reason != arrayStringConcat(codes, ', ')"
    )
    assert codes == [{"n": 0}]


def test_rows_that_a_killed_copy_left_go_with_the_next(
    events: None, lakehouse: Any, settled: Any, trino: Any, clickhouse: Any
) -> None:
    settled()
    owner = Server(settings())
    owner.run("insert into gold.rejected select * replace(build_id + 1000000 as build_id) from gold.rejected limit 7")
    assert clickhouse("select count() as n from gold.rejected where build_id > 1000000") == [{"n": 7}]
    of_sms = ("--events", "200", "--sources", "sms", "--users", "400", "--seed", "12")
    lakehouse("generate", *of_sms, "--defects", "0.5", "--no-reference")
    settled()
    assert clickhouse("select count() as n from gold.rejected where build_id > 1000000") == [{"n": 0}]
    rows = clickhouse(f"select source, rejection_reason, {LINEAGE} from gold.rejected")
    assert len(rows) == len(silver_rejected(trino))
