"""A commit a second adds a manifest a second: they are merged on the way, and the rows stay what they are."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pyiceberg.manifest import ManifestContent

from bench.commits import a_batch
from catalog import client, manifests
from catalog.fenced import FencedTable
from catalog.offsets import PartitionId
from catalog.schemas import LINEAGE, iceberg_schema
from lakehouse.deadline import Deadline
from lakehouse.settings import settings

pytestmark = pytest.mark.stack
NAME = "silver.test_manifests"
P = PartitionId("topic-of-the-manifests-test", 0)
MERGED, COUNT = "commit.manifest-merge.enabled", "commit.manifest.min-count-to-merge"


@pytest.fixture
def table(stack: dict[str, str]) -> Iterator[Callable[[], Any]]:
    """Opens a table that an older version made, without the properties of today; it is gone afterwards."""
    catalog = client.connect(settings())
    client.ensure_namespaces(catalog)
    catalog.create_table(NAME, iceberg_schema(LINEAGE), properties={COUNT: "4", "format-version": "2"})
    yield lambda: catalog.load_table(NAME)
    catalog.drop_table(NAME)


def append(fenced: FencedTable, *firsts: int) -> None:
    for first in firsts:
        fenced.append([a_batch(P, first)], Deadline.after(20))


def test_a_table_gets_the_properties_that_it_lacks_and_keeps_those_that_somebody_chose(table: Any) -> None:
    FencedTable.ensure(client.connect(settings()), NAME, LINEAGE, "a test's")
    assert table().properties[MERGED] == "true"
    assert table().properties[COUNT] == "4"


def test_merged_manifests_hold_the_same_rows_and_what_was_deleted_stays_deleted(table: Any, trino: Any) -> None:
    fenced = FencedTable.ensure(client.connect(settings()), NAME, LINEAGE, "a test's")
    append(fenced, 0, 1000, 2000)
    trino(f"delete from iceberg.{NAME} where kafka_offset between 500 and 509")
    append(fenced, *range(3000, 13_000, 1000))
    snapshot = table().current_snapshot()
    merged = [m for m in snapshot.manifests(table().io) if m.content == ManifestContent.DATA]
    assert len(merged) < 6, "13 commits"
    files = [e for m in merged for e in m.fetch_manifest_entry(table().io)]
    assert len({e.sequence_number for e in files}) == len(files) == 13, "each file is as old as it was"
    assert sum(e.data_file.record_count for e in files) == 13_000
    assert len(table().scan().to_arrow()) == 12_990
    [counted] = trino(
        f"select count(distinct kafka_offset) as n, count(*) as rows, max(kafka_offset) as last from iceberg.{NAME}"
    )
    assert counted == {"n": 12_990, "rows": 12_990, "last": 12_999}
    assert fenced.positions().next == {P: 13_000}


def test_the_manifests_of_an_old_table_are_merged_some_at_a_time(table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def count() -> int:
        return len(table().current_snapshot().manifests(table().io))

    monkeypatch.setattr(manifests, "_AT_ONCE", 10)
    append(FencedTable(table()), *range(0, 14_000, 1000))
    assert count() == 14, "as older versions left it"
    fenced = FencedTable.ensure(client.connect(settings()), NAME, LINEAGE, "a test's")
    append(fenced, 14_000)
    assert count() == 6, "ten became one"
    append(fenced, 15_000)
    assert count() == 1
    assert sorted(table().scan().to_arrow()["kafka_offset"].to_pylist()) == list(range(16_000))
