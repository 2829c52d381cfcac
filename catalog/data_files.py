"""Arrow rows to one Parquet file on S3, described from the writer's own statistics (no footer is read back)."""

import uuid
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
    schema_to_pyarrow,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.table import Table
from pyiceberg.typedef import Record

# Files are a second of events, read soon and compacted later: speed counts more than the last percent of size.
_ZSTD_LEVEL = 1
_ROW_GROUP = 250_000
_DAY_US = 86_400_000_000


class _Layout(NamedTuple):
    """How a table's rows are written.

    Attributes:
        target: the columns, with the ids of their fields.
        statistics: which are kept of each field, by its id.
        ids: of the fields, by their path in Parquet.
    """

    target: pa.Schema
    statistics: dict[int, Any]
    ids: dict[str, int]


# By the table, its schema and what its properties say of statistics; as many as there are tables and changes of those.
_LAYOUTS: dict[tuple[Any, ...], _Layout] = {}


def _layout(table: Table) -> _Layout:
    said = tuple(sorted(pair for pair in table.properties.items() if pair[0].startswith("write.metadata.metrics.")))
    key = (table.metadata.table_uuid, table.metadata.current_schema_id, said)
    if key not in _LAYOUTS:
        schema = table.schema()
        plan = compute_statistics_plan(schema, table.properties)
        target = schema_to_pyarrow(schema, include_field_ids=True)
        _LAYOUTS[key] = _Layout(target, plan, parquet_path_to_id_mapping(schema))
    return _LAYOUTS[key]


def write(table: Table, rows: pa.Table, day_of: str | None) -> DataFile:
    """Write rows of one partition as one data file, in one upload.

    Args:
        rows: columns by the table's names; missing ones become null.
        day_of: the instant column that partitions the table by day; all rows share its day. None: no partitions.
    Returns:
        the file's entry for a manifest. It belongs to the table only once a commit has named it.
    """
    layout = _layout(table)
    target = layout.target
    columns = []
    for f in target:
        column = rows.column(f.name) if f.name in rows.column_names else pa.nulls(len(rows), f.type)
        columns.append(column if column.type == f.type else column.cast(f.type))
    partition, folder = _partition(rows, day_of)
    path = f"{table.location()}/data/{folder}{uuid.uuid4()}.parquet"
    buffer = pa.BufferOutputStream()
    with pq.ParquetWriter(
        buffer,
        target,
        compression="zstd",
        compression_level=_ZSTD_LEVEL,
        store_decimal_as_integer=True,
        # Offsets and ids hardly repeat: a dictionary would be built and thrown away.
        use_dictionary=[f.name for f in target if f.name not in _DISTINCT],
    ) as writer:
        writer.write_table(pa.table(columns, schema=target), row_group_size=_ROW_GROUP)
    content = buffer.getvalue()
    with table.io.new_output(path).create(overwrite=True) as stream:
        stream.write(content)
    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=writer.writer.metadata,
        stats_columns=layout.statistics,
        parquet_column_mapping=layout.ids,
    )
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=partition,
        file_size_in_bytes=content.size,
        sort_order_id=None,
        spec_id=table.spec().spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )


_DISTINCT = frozenset({"event_id", "kafka_offset", "value", "raw_value", "headers"})


def _partition(rows: pa.Table, day_of: str | None) -> tuple[Record, str]:
    if day_of is None:
        return Record(), ""
    day = rows.column(day_of)[0].value // _DAY_US
    date = pa.scalar(day, pa.int32()).cast(pa.date32())
    return Record(day), f"{day_of}_day={date}/"
