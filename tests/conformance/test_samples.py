"""The hand-made samples of the contract's author, all of them."""

import json
from base64 import b64decode
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.engine import Message, silver_rows
from tests.conformance.reference_contracts import EVENTS

SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "events.ndjson"
SAMPLES_DIGEST = "ef691281378c91e5b5249dcbd68ddb7d0feae2324b26361c941142852e352cfb"
CASES: list[dict[str, Any]] = [json.loads(line) for line in SAMPLES.read_text().splitlines()]
SOURCES = sorted({case["source"] for case in CASES})


def message(case: dict[str, Any]) -> Message:
    """Key and value of a sample, as Kafka carries them."""
    key = case.get("key")
    if "value_base64" in case:
        value: bytes | None = b64decode(case["value_base64"])
    else:
        value = None if case["value"] is None else case["value"].encode()
    return None if key is None else key.encode(), value


def as_sample(value: Any) -> Any:
    """A column's value to compare: decimals and days as text, times as instants."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return value.isoformat() if isinstance(value, date) else value


def differences(case: dict[str, Any], row: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """By column, what came and what the sample wants, where they differ."""
    wanted = {"is_rejected": case["is_rejected"], "rejection_reason": case["rejection_reason"], **case["columns"]}
    found: dict[str, tuple[Any, Any]] = {}
    for name, value in wanted.items():
        if name == "quality_warnings_include":
            if value not in (row["quality_warnings"] or []):
                found[name] = (row["quality_warnings"], value)
        elif name == "extra":
            extra = None if row["extra"] is None else json.loads(row["extra"])
            if extra != value:
                found[name] = (extra, value)
        else:
            meant = datetime.fromisoformat(value) if isinstance(row[name], datetime) and value else value
            if as_sample(row[name]) != meant:
                found[name] = (as_sample(row[name]), value)
    return found


@pytest.mark.parametrize("source", SOURCES)
def test_every_sample_becomes_what_its_author_wrote(source: str) -> None:
    cases = [case for case in CASES if case["source"] == source]
    rows = silver_rows(source, [message(case) for case in cases])
    assert len(rows) == len(cases)
    wrong = {case["name"]: differences(case, row) for case, row in zip(cases, rows, strict=True)}
    assert {name: found for name, found in wrong.items() if found} == {}


def test_every_event_source_has_samples() -> None:
    assert set(EVENTS) == set(SOURCES)


def test_the_samples_are_those_of_the_specification() -> None:
    """The author's file is not changed here; whoever gets a new one writes its digest down."""
    digest = sha256(SAMPLES.read_bytes()).hexdigest()
    assert (len(CASES), digest) == (116, SAMPLES_DIGEST)
