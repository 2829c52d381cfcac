"""The shared samples, published in file order, give exactly what they say: through Kafka, Faust and Iceberg.

The samples are events. What becomes of reference records, and what events that come after them say of it, is below.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pytest
from confluent_kafka import Producer

from lakehouse import kafka_access
from lakehouse.settings import settings
from streams.topics import Topics
from tests.conformance.reference_contracts import FIELDS
from tests.conformance.test_samples import CASES, differences, message

pytestmark = pytest.mark.stack

Case = dict[str, Any]
Send = Callable[[Sequence[Case]], list[dict[str, Any]]]
# of nobody else on the shared stack
_NUMBER, _CELL, _TAC, _AGENT = "+201299990001", "SAMPLE-CELL", "99000001", "SAMPLE-AGENT"


@pytest.fixture(scope="module")
def done() -> dict[str, list[dict[str, Any]]]:
    """The rows of what this file's tests have sent: the stack is shared, nothing is sent twice."""
    return {}


@pytest.fixture
def send(settled: Any, trino: Any) -> Send:
    """Publish cases in order, with their keys, and give the silver row of each, found by partition and offset."""

    def through(cases: Sequence[Case]) -> list[dict[str, Any]]:
        Topics(settings()).ensure(sorted({case["source"] for case in cases}))
        settled()
        places: list[tuple[str, int, int]] = []
        producer = Producer({**kafka_access.librdkafka(settings()), "partitioner": "murmur2_random"})

        def delivered(error: Any, sent: Any) -> None:
            assert error is None
            places.append((sent.topic(), sent.partition(), sent.offset()))

        for case in cases:
            key, value = message(case)
            producer.produce(case["source"], value=value, key=key, on_delivery=delivered)
            producer.flush()
        settled()
        rows: dict[tuple[str, int, int], list[dict[str, Any]]] = defaultdict(list)
        for source in {case["source"] for case in cases}:
            for row in trino(f"select * from silver.{source}"):
                rows[source, row["kafka_partition"], row["kafka_offset"]].append(row)
        assert [len(rows[place]) for place in places] == [1] * len(cases)
        return [rows[place][0] for place in places]

    return through


@pytest.fixture
def samples(send: Send, done: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    if "samples" not in done:
        done["samples"] = send(CASES)
    return done["samples"]


def _record(source: str, key: str | None, value: Any, reason: str | None = None, **columns: Any) -> Case:
    text = None if value is None else json.dumps(value)
    wanted = {"is_rejected": reason is not None, "rejection_reason": reason, "columns": columns}
    return {"name": f"{source} {key} {text}", "source": source, "key": key, "value": text, **wanted}


_SINCE = "2026-03-01"
_MIDNIGHT = "2026-02-28T22:00:00Z"
RECORDS = [
    _record(
        "users", "01299990001",
        {"msisdn": "(012) 9999-0001", "user_id": 7, "customer_type": "Gold", "city": "Giza", "activation_date": "2024-02-29",
         "effective_from": _SINCE, "user_sk": 1},
        phone_number=_NUMBER, user_id="7", plan_type="Gold", activation_date="2024-02-29", is_deleted=False,
        effective_from=_MIDNIGHT, extra={"user_sk": 1},
    ),
    _record(
        "devices", _TAC, {"tac": 99000001, "brand": "Nokia", "os": "S30", "is_smartphone": "FALSE", "effective_from": _SINCE},
        tac=_TAC, brand="Nokia", os_version="S30", is_smartphone=False, effective_from=_MIDNIGHT, extra=None,
    ),
    _record(
        "cell_sites", _CELL,
        {"cell_id": _CELL, "city": "Luxor", "region": "Upper Egypt", "latitude": "25.7", "longitude": 32.6},
        cell_id=_CELL, city="Luxor", region="Upper Egypt", latitude=25.7, longitude=32.6, is_deleted=False,
    ),
    _record(
        "agents", _AGENT, {"agent_id": f" {_AGENT}", "name": "منى", "department": "Billing", "status": {}},
        agent_id=_AGENT, name="منى", department="Billing", status=None, is_deleted=False, extra={"status": {}},
        quality_warnings_include="type:status",
    ),
    _record("users", "x", {"phone_number": "12345", "effective_from": "soon"},
            "invalid:phone_number, invalid:effective_from", phone_number="12345", effective_from=None),
    _record("devices", "x", {"tac": "9900000"}, "invalid:tac", tac="9900000"),
    _record("cell_sites", "x", {"cell_id": "X", "latitude": 90.5}, "range:latitude", latitude=90.5),
    _record("agents", "x", {"name": "nobody"}, "missing:agent_id", agent_id=None),
    _record("users", "0129 999 0002", None, phone_number="+201299990002", name=None, is_deleted=True),
    _record("devices", "99000002", None, tac="99000002", is_deleted=True),
    _record("cell_sites", "SAMPLE-GONE", None, cell_id="SAMPLE-GONE", is_deleted=True),
    _record("agents", " SAMPLE-GONE ", None, agent_id="SAMPLE-GONE", is_deleted=True),
    _record("agents", None, None, "missing:agent_id", agent_id=None, is_deleted=True),
]  # fmt: skip


@pytest.fixture
def records(send: Send, samples: Any, done: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The rows of the reference records, which come after the samples: those must not be enriched."""
    if "records" not in done:
        done["records"] = send(RECORDS)
    return done["records"]


def _but(sample: str, sid: str, **changes: Any) -> Case:
    """An accepted sample as another event."""
    case = next(case for case in CASES if case["name"] == sample)
    return {**case, "value": json.dumps(json.loads(case["value"]) | {"sid": sid} | changes), "key": _NUMBER}


_SIDE = {"phone_number": _NUMBER, "cell_site": _CELL, "imei": f"{_TAC}1234566"}
LATER = [
    _but("a good call, local time", "later-1", **{"from": _SIDE}),
    _but("a good sms, UTC time", "later-2", **{"from": _SIDE}),
    _but("a good payment", "later-3", phone_number=_NUMBER),
    _but("a good recharge, epoch milliseconds", "later-4", phone_number=_NUMBER),
    _but("a good support case, offset and microseconds, no wait", "later-5", phone_number=_NUMBER, agent_id=_AGENT),
]


def test_every_event_source_has_a_sample_and_every_reference_source_a_record_here() -> None:
    assert {case["source"] for case in [*CASES, *RECORDS]} == set(FIELDS)


def test_every_sample_becomes_what_it_says(samples: list[dict[str, Any]]) -> None:
    wrong = {case["name"]: differences(case, row) for case, row in zip(CASES, samples, strict=True)}
    assert {name: found for name, found in wrong.items() if found} == {}


def test_every_reference_record_becomes_what_it_says(records: list[dict[str, Any]]) -> None:
    wrong = {case["name"]: differences(case, row) for case, row in zip(RECORDS, records, strict=True)}
    assert {name: found for name, found in wrong.items() if found} == {}
    timeless = [
        row for row in records if row["effective_from"] and row["effective_from"] != datetime.fromisoformat(_MIDNIGHT)
    ]
    assert len(timeless) == 10
    assert all(row["effective_from"] == row["kafka_timestamp"] for row in timeless)


def test_events_that_come_after_the_records_are_enriched_by_them(records: Any, send: Send) -> None:
    call, sms, payment, recharge, support = send(LATER)
    for row in (call, sms):
        said = [row[f"from_{name}"] for name in ("tac", "user_id", "plan_type", "city", "region", "device_brand")]
        assert said == [_TAC, "7", "Gold", "Luxor", "Upper Egypt", "Nokia"]
        assert not [code for code in row["quality_warnings"] or () if code.startswith("unknown:from")]
    for row in (payment, recharge, support):
        said = [row[name] for name in ("user_id", "plan_type", "city", "region", "device_brand", "quality_warnings")]
        assert said == ["7", "Gold", "Giza", None, None, None]
    assert support["agent_department"] == "Billing"
