"""Reading back what a table holds of one partition or in all, for state that is rebuilt from the truth.

A table that gets a commit a second has many small files, and PyIceberg takes 4 ms of Python for each (bench/RESULTS.md); a
worker that starts must not wait for that. So PyIceberg says which files there are, and Polars reads them.
"""

import logging
from collections.abc import Sequence
from typing import Any

import polars as pl
from pyiceberg.table import Table

from catalog.offsets import PartitionId

log = logging.getLogger(__name__)
# Between the names of Iceberg's properties and those of Polars.
_STORAGE = {
    "s3.endpoint": "aws_endpoint_url",
    "s3.region": "aws_region",
    "s3.access-key-id": "aws_access_key_id",
    "s3.secret-access-key": "aws_secret_access_key",
    "s3.session-token": "aws_session_token",
}


def last_accepted(table: Table, partition: PartitionId, before: int, count: int) -> pl.DataFrame:
    """The last accepted events of a partition, in offset order: `event_id`, `kafka_timestamp`.

    Reads back in growing steps, so that a partition that accepts most events costs little more than the window itself.

    Args:
        before: the offset that the window ends at (exclusive).
        count: how many to find at most.
    """
    step = count + count // 10
    while True:
        first = max(0, before - step)
        condition = (
            f"kafka_topic_id = '{partition.topic_id}' and kafka_partition = {partition.partition}"
            f" and is_rejected = false and kafka_offset >= {first} and kafka_offset < {before}"
        )
        found = _read(table, condition, ("event_id", "kafka_timestamp", "kafka_offset"))
        if len(found) >= count or first == 0:
            return found.sort("kafka_offset").tail(count).select("event_id", "kafka_timestamp")
        step *= 4


def accepted_records(table: Table, columns: list[str]) -> pl.DataFrame:
    """All accepted rows of a reference table in arrival order."""
    order = ["kafka_timestamp", "kafka_partition", "kafka_offset"]
    found = _read(table, "is_rejected = false", (*columns, *order))
    return found.sort(order).select(columns)


def _read(table: Table, condition: str, columns: Sequence[str]) -> pl.DataFrame:
    """Columns of the rows that meet a condition, in words that PyIceberg and Polars both read.

    What Polars can't read as it stands is left to PyIceberg: files with deletes beside them, or of an older schema; and where
    Polars does not reach S3, PyIceberg says whether anybody does.
    """
    scan = table.scan(condition, selected_fields=tuple(columns))
    files = list(scan.plan_files())
    if files and not any(file.delete_files for file in files):
        try:
            return (
                pl.scan_parquet(
                    [file.file.file_path for file in files],
                    glob=False,
                    extra_columns="ignore",
                    storage_options=_storage(table),
                )
                .filter(pl.sql_expr(condition))
                .select(columns)
                .collect()
            )
        except (pl.exceptions.PolarsError, OSError) as error:
            log.info("%s is read by PyIceberg: %s", ".".join(table.name()), error)
    return pl.DataFrame(pl.from_arrow(scan.to_arrow()))


def _storage(table: Table) -> dict[str, Any]:
    """How Polars reaches the table's files: by what the catalog said of its storage."""
    given = table.io.properties
    known = {ours: str(given[theirs]) for theirs, ours in _STORAGE.items() if theirs in given}
    return {**known, "aws_allow_http": "true", "aws_virtual_hosted_style_request": "false", "max_retries": 2}
