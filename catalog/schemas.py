"""Tables as code: columns in words, from which Iceberg and Arrow schemas are made."""

from dataclasses import dataclass

import pyarrow as pa
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)

_TYPES: dict[str, tuple[IcebergType, pa.DataType]] = {
    "string": (StringType(), pa.large_string()),
    "int": (IntegerType(), pa.int32()),
    "long": (LongType(), pa.int64()),
    "double": (DoubleType(), pa.float64()),
    "money": (DecimalType(18, 4), pa.decimal128(18, 4)),
    "bool": (BooleanType(), pa.bool_()),
    "instant": (TimestamptzType(), pa.timestamp("us", "UTC")),
    "date": (DateType(), pa.date32()),
    "binary": (BinaryType(), pa.large_binary()),
    "strings": (
        ListType(element_id=-1, element_type=StringType(), element_required=False),
        pa.list_(pa.large_string()),
    ),
}


@dataclass(frozen=True)
class Column:
    """A column: name, one of the type words above, and what it means to an analyst."""

    name: str
    type: str
    doc: str = ""


LINEAGE: tuple[Column, ...] = (
    Column("kafka_topic", "string", "topic the message came from"),
    Column("kafka_topic_id", "string", "id of that topic's incarnation, as Kafka's own tools print it"),
    Column("kafka_partition", "int", "partition of the topic"),
    Column("kafka_offset", "long", "offset in the partition; with topic id and partition the message's identity"),
    Column("kafka_timestamp", "instant", "Kafka's time of the message"),
    Column("ingested_at", "instant", "when the batch that holds the row was written"),
)


def arrow_schema(columns: tuple[Column, ...]) -> pa.Schema:
    """The Arrow schema of a table's rows."""
    return pa.schema([pa.field(c.name, _TYPES[c.type][1]) for c in columns])


def iceberg_schema(columns: tuple[Column, ...]) -> Schema:
    """The Iceberg schema: ids in column order, list elements after them."""
    fields = []
    element_id = len(columns)
    for position, column in enumerate(columns, start=1):
        kind = _TYPES[column.type][0]
        if isinstance(kind, ListType):
            element_id += 1
            kind = ListType(element_id=element_id, element_type=kind.element_type, element_required=False)
        fields.append(NestedField(position, column.name, kind, required=False, doc=column.doc or None))
    return Schema(*fields)


def by_day(schema: Schema, column: str) -> PartitionSpec:
    """Partitioning by the day of an instant."""
    source = schema.find_field(column).field_id
    return PartitionSpec(PartitionField(source, 1000, DayTransform(), f"{column}_day"))
