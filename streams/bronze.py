"""Bronze: every message untouched, for replay and audit."""

import json
from base64 import b64encode

import pyarrow as pa

from catalog.schemas import LINEAGE, Column
from streams.batch import Headers, RawBatch
from streams.lineage import lineage

COLUMNS: tuple[Column, ...] = (
    Column("key", "binary", "the message's key, untouched"),
    Column("value", "binary", "the message's value, untouched; null for a tombstone"),
    Column(
        "headers", "binary", 'the message\'s headers as JSON: [["name", "value in base64"], …]; null if it had none'
    ),
    *LINEAGE,
)


def rows(batch: RawBatch) -> pa.Table:
    """The bronze rows of a batch, all columns but `ingested_at`."""
    headers = batch.headers if batch.headers is not None else pa.nulls(len(batch), pa.large_binary())
    return pa.table({"key": batch.keys, "value": batch.values, "headers": headers, **lineage([batch])})


def encode_headers(headers: Headers) -> bytes | None:
    """One message's headers as the column holds them."""
    if not headers:
        return None
    return json.dumps([[name, b64encode(value or b"").decode()] for name, value in headers]).encode()
