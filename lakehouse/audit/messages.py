"""The messages that Kafka still has, read anew and held against the tables: `lakehouse verify --messages`.

Of each message that lies where bronze has been, bronze must hold the very key, value, headers and time. And neither table may
have passed over an offset as empty that holds a message: what a table says of its gaps is not believed here.
"""

import time
from collections.abc import Iterator, Mapping, Sequence

import polars as pl
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from catalog.client import Catalog
from catalog.lineage import Standing
from catalog.offsets import Offsets, PartitionId, Positions
from lakehouse import kafka_access
from lakehouse.audit.coverage import SCHEMA, covered, difference, size, together, told_by
from lakehouse.audit.verify import Progress, Proof, held_against
from lakehouse.errors import Retry
from lakehouse.settings import Settings
from streams.bronze import encode_headers
from streams.topics import LogRange, Topics

_AT_ONCE, _POLL_S, _SILENT_S = 1_000, 0.5, 30.0
_PLACE = ["kafka_topic_id", "kafka_partition", "kafka_offset"]
_CONTENT = ("key", "value", "headers", "kafka_timestamp")
_DIGEST = pl.struct(_CONTENT).hash().alias("digest")
"""64 bits of a message, the same for the same key, value, headers and time."""
_COLUMNS = pl.Schema(
    [
        ("kafka_topic_id", pl.String),
        ("kafka_partition", pl.Int32),
        ("kafka_offset", pl.Int64),
        ("key", pl.Binary),
        ("value", pl.Binary),
        ("headers", pl.Binary),
        ("kafka_timestamp", pl.Datetime("us", "UTC")),
    ]
)


def proofs(settings: Settings, client: Catalog, sources: Sequence[str], progress: Progress) -> Iterator[Proof]:
    """Read each source's topic, up to where the tables stand, and hold it against silver's gaps and bronze's rows.

    Takes some 50 bytes of memory a message of one topic.

    Raises:
        Retry: a server does not answer.
    """
    topics = Topics(settings)
    for source in sources:
        silver, bronze = (Standing.of(client, f"{layer}.{source}") for layer in ("silver", "bronze"))
        logs = topics.logs(settings.topic(source))
        standing = [table.positions.next for table in (silver, bronze) if table is not None]
        ends = {p: max((stands.get(p, 0) for stands in standing), default=0) for p in logs}
        proof = Proof(f"messages of {source}")
        read = _digests(settings, settings.topic(source), logs, ends, proof, progress)
        if silver is not None:
            _passed_over(proof, read, silver.positions, "silver")
        if bronze is not None and source not in settings.bronze_off:
            _passed_over(proof, read, bronze.positions, "bronze")
            _held_against_rows(proof, _within(read, bronze.positions), bronze)
        yield proof


def _digests(
    settings: Settings,
    topic: str,
    logs: Mapping[PartitionId, LogRange],
    ends: Offsets,
    proof: Proof,
    progress: Progress,
) -> pl.DataFrame:
    """Place and digest of each message of a topic."""
    wanted = {p: log.start for p, log in logs.items() if log.start < min(log.end, ends[p])}
    topic_id = next((p.topic_id for p in logs), "")
    frames = [pl.DataFrame(schema=_COLUMNS).select(*_PLACE, _DIGEST)]
    for messages in _messages(settings, topic, wanted, ends):
        proof.rows += len(messages)
        progress(proof.table, 0, proof.rows)
        frame = pl.DataFrame([(topic_id, *_row(m)) for m in messages], _COLUMNS, orient="row")
        frames.append(frame.select(*_PLACE, _DIGEST))
    proof.partitions = len(wanted)
    return pl.concat(frames)


def _messages(
    settings: Settings, topic: str, wanted: Mapping[PartitionId, int], ends: Offsets
) -> Iterator[Sequence[Message]]:
    """A topic's committed messages from some offsets up to others, some at a time."""
    consumer = Consumer(
        {
            **kafka_access.librdkafka(settings),
            "group.id": "lakehouse-verify",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    left = {p.partition: ends[p] for p in wanted}
    try:
        consumer.assign([TopicPartition(topic, p.partition, start) for p, start in wanted.items()])
        heard_s = time.monotonic()
        while left:
            fetched = consumer.consume(_AT_ONCE, _POLL_S)
            if fetched:
                heard_s = time.monotonic()
            elif time.monotonic() - heard_s > _SILENT_S:
                raise Retry(f"Kafka at {settings.kafka_bootstrap} sends nothing of {topic} for {_SILENT_S:.0f} s")
            good = []
            for message in fetched:
                partition, offset, error = message.partition(), message.offset(), message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:
                    raise Retry(f"Kafka: {error.str()}")
                if partition not in left or offset is None:
                    continue
                if error is None and offset < left[partition]:
                    good.append(message)
                else:
                    del left[partition]
                    consumer.incremental_unassign([TopicPartition(topic, partition)])
            if good:
                yield good
    finally:
        consumer.close()


def _row(message: Message) -> tuple[object, ...]:
    headers = encode_headers(message.headers() or [])  # type: ignore[arg-type]
    return (
        message.partition(),
        message.offset(),
        message.key(),
        message.value(),
        headers,
        message.timestamp()[1] * 1000,
    )


def _within(read: pl.DataFrame, positions: Positions) -> pl.DataFrame:
    """Those messages that lie where a table has been."""
    bounds = [(*p, positions.start.get(p, 0), following) for p, following in positions.next.items()]
    schema = pl.Schema({_PLACE[0]: pl.String, _PLACE[1]: pl.Int32, "begin": pl.Int64, "end": pl.Int64})
    return (
        read.join(pl.DataFrame(bounds, schema, orient="row"), on=_PLACE[:2])
        .filter(pl.col("kafka_offset") >= pl.col("begin"), pl.col("kafka_offset") < pl.col("end"))
        .drop("begin", "end")
    )


def _passed_over(proof: Proof, read: pl.DataFrame, positions: Positions, layer: str) -> None:
    """Messages that lie in what a table says is a gap."""
    found = difference(covered(_within(read, positions)), told_by(positions)).filter(
        pl.col("found") > pl.col("expected")
    )
    if passed := size(found):
        topic_id, partition, first = found.row(0)[:3]
        proof.problems.append(
            f"{layer} passed over {passed:,} messages that Kafka has, the first at {topic_id}[{partition}] {first}"
        )


def _held_against_rows(proof: Proof, read: pl.DataFrame, bronze: Standing) -> None:
    """Each message must be a row of bronze, byte for byte."""
    if read.is_empty():
        return
    same, told = [SCHEMA.to_frame()], False
    for piece in bronze.batches(also=_CONTENT):
        proof.files += piece.files
        rows = piece.rows.select(pl.col(n).cast(kind) for n, kind in _COLUMNS.items()).select(*_PLACE, _DIGEST)
        both = rows.join(read, on=_PLACE, suffix="_sent")
        changed = both.filter(pl.col("digest") != pl.col("digest_sent"))
        if len(changed) and not told:
            told = True
            topic_id, partition, offset = changed.select(_PLACE).row(0)
            proof.problems.append(
                f"bronze has another message than Kafka, the first at {topic_id}[{partition}] {offset}"
            )
        same.append(covered(both))
    held_against(proof, together(same), covered(read))
