"""The shared samples, published in file order, give exactly what they say: through Kafka, Faust and Iceberg."""

import base64
import json
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from lakehouse.settings import settings
from streams.contract import contracts
from streams.topics import Topics

pytestmark = pytest.mark.stack

SAMPLES = Path(__file__).parents[1] / "samples" / "events.ndjson"


def _cases() -> list[dict[str, Any]]:
    cases = [json.loads(line) for line in SAMPLES.read_text().splitlines()]
    return [case for case in cases if case["source"] in contracts()]


def _value(case: dict[str, Any]) -> bytes:
    return base64.b64decode(case["value_base64"]) if "value_base64" in case else case["value"].encode()


def _as_sample(value: Any) -> Any:
    if isinstance(value, datetime):
        text = value.astimezone(UTC).isoformat()
        return text.replace("+00:00", "Z")
    return str(value) if isinstance(value, Decimal) else value


@pytest.fixture
def rows(stack: Any, settled: Any, trino: Any) -> dict[str, list[dict[str, Any]]]:
    """The silver rows of the samples, by source, in file order."""
    settled()
    places: dict[str, list[tuple[int, int]]] = defaultdict(list)
    producer = Producer({"bootstrap.servers": settings().kafka_bootstrap, "partitioner": "murmur2_random"})
    for case in _cases():
        Topics(settings()).ensure([case["source"]])
        key = case["key"].encode() if case["key"] is not None else None

        def delivered(error: Any, message: Any, source: str = case["source"]) -> None:
            assert error is None
            places[source].append((message.partition(), message.offset()))

        producer.produce(case["source"], value=_value(case), key=key, on_delivery=delivered)
        producer.flush()
    settled()
    found = {}
    for source, positions in places.items():
        table = trino(f"select * from silver.{source}")
        by_place = {(r["kafka_partition"], r["kafka_offset"]): r for r in table}
        found[source] = [by_place[p] for p in positions]
    return found


def test_every_sample_becomes_what_it_says(rows: dict[str, list[dict[str, Any]]]) -> None:
    left = {source: iter(found) for source, found in rows.items()}
    for case in _cases():
        row = next(left[case["source"]])
        name = case["name"]
        assert (row["is_rejected"], row["rejection_reason"]) == (case["is_rejected"], case["rejection_reason"]), name
        for column, expected in case["columns"].items():
            if column == "quality_warnings_include":
                assert expected in (row["quality_warnings"] or []), name
            elif column == "extra":
                assert json.loads(row["extra"]) == expected, name
            else:
                assert _as_sample(row[column]) == expected, (name, column)
