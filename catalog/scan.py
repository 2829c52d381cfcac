"""Reading back what a table holds of one partition or in all, for state that is rebuilt from the truth."""

import polars as pl
from pyiceberg.table import Table

from catalog.offsets import PartitionId


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
            f"kafka_topic_id == '{partition.topic_id}' and kafka_partition == {partition.partition}"
            f" and is_rejected == false and kafka_offset >= {first}"
        )
        found = table.scan(condition, selected_fields=("event_id", "kafka_timestamp", "kafka_offset")).to_arrow()
        frame = (
            pl.DataFrame(pl.from_arrow(found)).filter(pl.col("kafka_offset") < before).sort("kafka_offset").tail(count)
        )
        if len(frame) >= count or first == 0:
            return frame.select("event_id", "kafka_timestamp")
        step *= 4


def accepted_records(table: Table, columns: list[str]) -> pl.DataFrame:
    """All accepted rows of a reference table in arrival order."""
    order = ["kafka_timestamp", "kafka_partition", "kafka_offset"]
    found = table.scan("is_rejected == false", selected_fields=(*columns, *order)).to_arrow()
    return pl.DataFrame(pl.from_arrow(found)).sort(order).select(columns)
