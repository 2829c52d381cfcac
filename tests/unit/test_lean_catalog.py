"""What the client reads of a catalog's answer is what PyIceberg makes of it, whatever was read before."""

import json
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyiceberg.io import load_file_io
from pyiceberg.table.metadata import TableMetadataUtil, new_table_metadata
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER

from catalog.metadata import LeanRestCatalog, metadata_of
from catalog.schemas import LINEAGE, by_day, iceberg_schema

SCHEMA = iceberg_schema(LINEAGE)


def empty(table: int = 0, **changed: Any) -> dict[str, Any]:
    """A new table's metadata, as a catalog sends it."""
    made = new_table_metadata(
        SCHEMA, by_day(SCHEMA, "ingested_at"), UNSORTED_SORT_ORDER, "s3://lake/t", {}, table_uuid=uuid.UUID(int=table)
    )
    return {**json.loads(made.model_dump_json()), **changed}


def committed(raw: dict[str, Any], number: int) -> dict[str, Any]:
    """The table after another snapshot."""
    parent = raw.get("current-snapshot-id")
    snapshot = {
        "snapshot-id": number, "sequence-number": number, "timestamp-ms": 10**12 + number,
        "manifest-list": f"s3://lake/t/{number}.avro", "schema-id": 0,
        "summary": {"operation": "append", "total-records": str(number), "lakehouse.positions": "x" * number},
        **({} if parent in (None, -1) else {"parent-snapshot-id": parent}),
    }  # fmt: skip
    return {
        **raw,
        "current-snapshot-id": number,
        "last-sequence-number": number,
        "last-updated-ms": 10**12 + number,
        "snapshots": [*raw["snapshots"], snapshot],
        "snapshot-log": [*raw["snapshot-log"], {"snapshot-id": number, "timestamp-ms": 10**12 + number}],
        "metadata-log": [
            *raw["metadata-log"][-3:],
            {"metadata-file": f"s3://lake/{number}.json", "timestamp-ms": number},
        ],
        "refs": {**raw["refs"], "main": {"snapshot-id": number, "type": "branch"}},
    }


def changed(raw: dict[str, Any], what: str, number: int) -> dict[str, Any]:
    """The table after something else."""
    if what == "expire" and len(raw["snapshots"]) > 1:
        return {**raw, "snapshots": raw["snapshots"][1:], "snapshot-log": raw["snapshot-log"][1:]}
    if what == "properties":
        return {**raw, "properties": {"told": str(number)}}
    if what == "rollback" and raw["snapshots"]:
        first = raw["snapshots"][0]["snapshot-id"]
        return {**raw, "current-snapshot-id": first, "refs": {"main": {"snapshot-id": first, "type": "branch"}}}
    if what == "column":
        field = {"id": 100 + number, "name": f"c{number}", "required": False, "type": "string", "doc": "x"}
        schema = {**raw["schemas"][-1], "schema-id": number, "fields": [*raw["schemas"][-1]["fields"], field]}
        more = {"schemas": [*raw["schemas"], schema], "current-schema-id": number, "last-column-id": 100 + number}
        return {**raw, **more}
    if what == "another table":
        return empty(number)
    if what == "tag" and raw["snapshots"]:
        return {
            **raw,
            "refs": {**raw["refs"], "kept": {"snapshot-id": raw["snapshots"][-1]["snapshot-id"], "type": "tag"}},
        }
    if what == "statistics" and raw["snapshots"]:
        of = raw["snapshots"][-1]["snapshot-id"]
        file = {
            "snapshot-id": of,
            "statistics-path": "s3://x",
            "file-size-in-bytes": 1,
            "file-footer-size-in-bytes": 1,
            "blob-metadata": [],
        }
        return {**raw, "statistics": [file]}
    if what == "no snapshot":
        return {**empty(), "current-snapshot-id": -1}
    return committed(raw, number)


CHANGES = [
    "commit",
    "commit",
    "expire",
    "properties",
    "rollback",
    "column",
    "another table",
    "tag",
    "statistics",
    "no snapshot",
]


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(CHANGES), st.booleans()), max_size=14))
def test_what_is_read_is_what_pyiceberg_makes_of_the_whole_answer(history: list[tuple[str, bool]]) -> None:
    raw, before = empty(), None
    for number, (what, looked_at) in enumerate(history, 1):
        raw = changed(raw, what, number)
        if looked_at:  # others may change the table between two looks
            before = metadata_of(json.loads(json.dumps(raw)), before)
            assert before == TableMetadataUtil.parse_obj(json.loads(json.dumps(raw)))
            assert (
                before.model_dump_json() == TableMetadataUtil.parse_obj(json.loads(json.dumps(raw))).model_dump_json()
            )


def test_snapshots_that_were_read_before_are_not_read_again() -> None:
    first = metadata_of(committed(committed(empty(), 1), 2), None)
    again = metadata_of(committed(committed(committed(empty(), 1), 2), 3), first)
    assert [a is b for a, b in zip(first.snapshots, again.snapshots, strict=False)] == [True, True]
    assert again.schemas is first.schemas


def test_tables_that_are_reached_alike_share_their_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    client = LeanRestCatalog.__new__(LeanRestCatalog)
    client._files, client.properties, client._auth_manager = {}, {"s3.endpoint": "http://a"}, None
    one = client._load_file_io({"lakehouse.positions": "1"}, "s3://a")
    assert client._load_file_io({"lakehouse.positions": "2"}, "s3://b") is one
    other = client._load_file_io({"s3.session-token": "vended"}, "s3://b")
    assert other is not one
    assert type(other) is type(load_file_io({}, "s3://b"))
