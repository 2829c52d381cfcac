"""Times where a contract bounds them, and the operator's zones."""

import json
from datetime import timedelta

import pytest

from tests.conformance.engine import KAFKA_TIME
from tests.conformance.judging import IDENTITY, contract_of, outcome, utc, validated


def _event_times(*texts: str) -> list[str | None]:
    result, _ = validated(contract_of(), [json.dumps(IDENTITY | {"timestamp": text}) for text in texts])
    return result.reasons.to_pylist()


def test_an_event_happens_from_2020_to_a_day_after_kafka_took_it() -> None:
    latest = KAFKA_TIME + timedelta(hours=24)
    texts = (
        "2020-01-01T00:00:00Z",
        "2019-12-31T23:59:59.999999Z",
        latest.isoformat(),
        f"{latest:%Y-%m-%dT%H:%M:%S}.000001Z",
    )
    assert _event_times(*texts) == [None, "range:timestamp", None, "range:timestamp"]


@pytest.mark.parametrize(
    ("zone", "local", "instant", "doubt"),
    [
        ("UTC", "2026-04-24 00:30:00", "2026-04-24 00:30:00", None),
        ("America/New_York", "2026-03-08 02:30:00", "2026-03-08 07:30:00", "dst"),
        ("America/New_York", "2026-11-01 01:30:00", "2026-11-01 05:30:00", "dst"),
        ("Australia/Lord_Howe", "2026-10-04 02:15:00", "2026-10-03 15:45:00", "dst"),
        ("Asia/Kathmandu", "2026-11-23 10:15:00", "2026-11-23 04:30:00", None),
        ("Africa/Cairo", "1850-06-01 12:00:00", "1850-06-01 09:54:51", None),
        ("America/New_York", "2150-07-01 12:00:00", "2150-07-01 16:00:00", None),
    ],
)  # fmt: skip
def test_local_times_are_those_of_the_operators_zone(zone: str, local: str, instant: str, doubt: str | None) -> None:
    assert outcome({"type": "time"}, [local], zone) == [(utc(instant), None, doubt)]
