"""Reading back what a table holds of one partition or in all, for state that is rebuilt from the truth.

A table that gets a commit a second has many small files, and PyIceberg takes 4 ms of Python for each (bench/RESULTS.md); a
worker that starts must not wait for that. So PyIceberg says which files there are, and Polars reads them.
"""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import polars as pl
from pyiceberg.table import Table

from catalog.offsets import PartitionId
from catalog.portions import portions

log = logging.getLogger(__name__)
# Some 100 bytes each until they are taken in.
_ROWS_AT_ONCE = 4_000_000
_READ_S, _READ_FILE_S = 60.0, 0.05
# Offsets, half-open.
Range = tuple[int, int]
_NOTHING = pl.DataFrame(schema={"event_id": pl.String, "kafka_timestamp": pl.Datetime("us", "UTC")})
# Between the names of Iceberg's properties and those of Polars.
_STORAGE = {
    "s3.endpoint": "aws_endpoint_url",
    "s3.region": "aws_region",
    "s3.access-key-id": "aws_access_key_id",
    "s3.secret-access-key": "aws_secret_access_key",
    "s3.session-token": "aws_session_token",
}


def last_accepted(
    table: Table, ranges: Mapping[PartitionId, Range], count: int
) -> Iterator[tuple[PartitionId, int, pl.DataFrame]]:
    """The last accepted events of partitions, in offset order: `event_id`, `kafka_timestamp`.

    Looks at a table's files once for as many partitions as memory allows, since each file has rows of most. Reads back in
    growing steps, so that a partition that accepts most events costs little more than the window itself.

    Args:
        ranges: where to look in each partition: from an offset on, before an offset.
        count: how many to find at most for each.
    Returns:
        for each partition the offset from which on it was looked at, and what was found.
    """
    step, missing = count + count // 10, {p: r for p, r in ranges.items() if r[0] < r[1]}
    for partition in ranges.keys() - missing:
        yield partition, ranges[partition][0], _NOTHING
    while missing:
        looked_at = {p: (max(begin, end - step), end) for p, (begin, end) in missing.items()}
        for portion in portions(looked_at.items(), lambda one: one[1][1] - one[1][0], _ROWS_AT_ONCE):
            together = dict(portion)
            found = _read_ranges(table, together)
            for partition, (first, _) in together.items():
                own = found.filter(_is_of(partition))
                if len(own) >= count or first == ranges[partition][0]:
                    del missing[partition]
                    last = own.sort("kafka_offset").tail(count)
                    yield partition, first, last.select("event_id", "kafka_timestamp")
        step *= 4


def _read_ranges(table: Table, ranges: Mapping[PartitionId, Range]) -> pl.DataFrame:
    """The accepted events within ranges of offsets, with their places."""
    columns = ("event_id", "kafka_timestamp", "kafka_topic_id", "kafka_partition", "kafka_offset")
    return _read(table, f"is_rejected = false and ({_within(ranges)})", columns)


def rows_between(table: Table, ranges: Mapping[PartitionId, Range], columns: Sequence[str]) -> pl.DataFrame:
    """Columns of all rows within ranges of offsets, of one partition at least, in any order."""
    return _read(table, _within(ranges), columns)


def _within(ranges: Mapping[PartitionId, Range]) -> str:
    return " or ".join(
        f"(kafka_topic_id = '{p.topic_id}' and kafka_partition = {p.partition}"
        f" and kafka_offset >= {first} and kafka_offset < {end})"
        for p, (first, end) in ranges.items()
    )


def _is_of(partition: PartitionId) -> pl.Expr:
    return (pl.col("kafka_topic_id") == partition.topic_id) & (pl.col("kafka_partition") == partition.partition)


def accepted_records(table: Table, columns: list[str]) -> pl.DataFrame:
    """All accepted rows of a reference table in arrival order."""
    order = ["kafka_timestamp", "kafka_partition", "kafka_offset"]
    found = _read(table, "is_rejected = false", list(dict.fromkeys([*columns, *order])))
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
            paths = [file.file.file_path for file in files]
            rows = pl.scan_parquet(paths, glob=False, extra_columns="ignore", storage_options=_storage(table))
            return _collected(rows.filter(pl.sql_expr(condition)).select(columns), _READ_S + _READ_FILE_S * len(paths))
        except (pl.exceptions.PolarsError, OSError) as error:
            why = str(error) or "Polars got no answer in time"
            log.info("%s is read by PyIceberg: %s", ".".join(table.name()), why)
    return pl.DataFrame(pl.from_arrow(scan.to_arrow()))


def _collected(rows: pl.LazyFrame, patience_s: float) -> pl.DataFrame:
    """The rows, read in a thread that is given up where S3 does not answer: Polars sets no limit to that.

    Raises:
        TimeoutError: they were not there in time.
    """
    read: Future[pl.DataFrame] = Future()

    def collect() -> None:
        try:
            read.set_result(rows.collect())
        except BaseException as error:
            read.set_exception(error)

    threading.Thread(target=collect, name="reads back", daemon=True).start()
    return read.result(patience_s)


def _storage(table: Table) -> dict[str, Any]:
    """How Polars reaches the table's files: by what the catalog said of its storage."""
    given = table.io.properties
    known = {ours: str(given[theirs]) for theirs, ours in _STORAGE.items() if theirs in given}
    return {**known, "aws_allow_http": "true", "aws_virtual_hosted_style_request": "false", "max_retries": 2}
