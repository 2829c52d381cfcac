"""Which offsets are held how often, as runs, and where two such coverages differ.

A coverage is a frame of `topic_id, partition, first, next` (half-open runs of offsets). Runs may overlap: an offset is held as
often as runs cover it, so a doubled row is a run of its own over another one.
"""

from collections.abc import Iterable

import polars as pl

from catalog.offsets import Offsets, Positions

_PARTITION = ["topic_id", "partition"]
SCHEMA = pl.Schema({"topic_id": pl.String, "partition": pl.Int32, "first": pl.Int64, "next": pl.Int64})


def covered(rows: pl.DataFrame) -> pl.DataFrame:
    """The coverage of rows with `kafka_topic_id`, `kafka_partition` and `kafka_offset`, in any order."""
    ordered = rows.select(
        pl.col("kafka_topic_id").cast(pl.String).alias("topic_id"),
        pl.col("kafka_partition").cast(pl.Int32).alias("partition"),
        pl.col("kafka_offset").cast(pl.Int64).alias("offset"),
    ).sort(*_PARTITION, "offset")
    follows = (
        (pl.col("offset") == pl.col("offset").shift() + 1)
        & (pl.col("partition") == pl.col("partition").shift())
        & (pl.col("topic_id") == pl.col("topic_id").shift())
    )
    runs = ordered.with_columns((~follows.fill_null(value=False)).cum_sum().alias("run"))
    return (
        runs.group_by("run", maintain_order=True)
        .agg(
            pl.col(*_PARTITION).first(),
            pl.col("offset").min().alias("first"),
            (pl.col("offset").max() + 1).alias("next"),
        )
        .select(SCHEMA.names())
    )


def together(coverages: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """All runs of several coverages."""
    return pl.concat([SCHEMA.to_frame(), *coverages])


def told_by(positions: Positions) -> pl.DataFrame:
    """What a table must hold by its positions: each offset from a partition's start to its next, but for the gaps, once."""
    rows = []
    for p, following in positions.next.items():
        at = positions.start.get(p, 0)
        for gap in sorted(positions.gaps.get(p, ())):
            rows.append((*p, at, gap.first))
            at = max(at, gap.next)
        rows.append((*p, at, following))
    return pl.DataFrame(rows, SCHEMA, orient="row").filter(pl.col("first") < pl.col("next"))


def up_to(coverage: pl.DataFrame, offsets: Offsets) -> pl.DataFrame:
    """The part before some offsets; of a partition that they do not name, nothing."""
    ends = pl.DataFrame([(*p, end) for p, end in offsets.items()], [*_end_schema()], orient="row")
    return (
        coverage.join(ends, on=_PARTITION, how="inner")
        .with_columns(pl.min_horizontal("next", "end").alias("next"))
        .filter(pl.col("first") < pl.col("next"))
        .select(SCHEMA.names())
    )


def _end_schema() -> list[tuple[str, type[pl.DataType]]]:
    return [("topic_id", pl.String), ("partition", pl.Int32), ("end", pl.Int64)]


def difference(found: pl.DataFrame, expected: pl.DataFrame) -> pl.DataFrame:
    """Where two coverages differ: `topic_id, partition, first, next`, how often an offset is `found`, and `expected` to be.

    Each run adds one at its first offset and takes one away at its end; between two such edges the sums are constant.
    """
    edges = pl.concat(
        side.select(*_PARTITION, pl.col(edge).alias("first"), (step * f).alias("found"), (step * e).alias("expected"))
        for side, f, e in ((found, 1, 0), (expected, 0, 1))
        for edge, step in (("first", pl.lit(1)), ("next", pl.lit(-1)))
    )
    counts = ["found", "expected"]
    segments = (
        edges.group_by(*_PARTITION, "first")
        .agg(pl.col(counts).sum())
        .sort(*_PARTITION, "first")
        .with_columns(
            pl.col(counts).cum_sum().over(_PARTITION), pl.col("first").shift(-1).over(_PARTITION).alias("next")
        )
        .filter(pl.col("found") != pl.col("expected"))
    )
    previous = [pl.col(c) != pl.col(c).shift() for c in (*_PARTITION, *counts)]
    begins = pl.any_horizontal(pl.col("first") != pl.col("next").shift(), *previous).fill_null(value=True)
    return (
        segments.with_columns(begins.cum_sum().alias("piece"))
        .group_by("piece", maintain_order=True)
        .agg(pl.col(*_PARTITION, "first").first(), pl.col("next").last(), pl.col(counts).first())
        .drop("piece")
    )


def size(coverage: pl.DataFrame) -> int:
    """How many rows a coverage stands for."""
    return int(coverage.select((pl.col("next") - pl.col("first")).sum()).item() or 0)
