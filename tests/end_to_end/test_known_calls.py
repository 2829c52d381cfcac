"""Single known calls, followed by id through every layer, every column compared."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import md5
from typing import Any
from uuid import uuid4

import pytest

pytestmark = pytest.mark.stack

CALLER, CALLEE = "01012345678", "+201112345678"


def call(sid: str, **changes: Any) -> dict[str, Any]:
    return {
        "event_type": "call",
        "sid": sid,
        "from": {"phone_number": CALLER, "cell_site": "E2E-CELL-1", "imei": "358462791234560"},
        "to": {"phone_number": CALLEE, "cell_site": "E2E-CELL-2", "imei": "869453031234561"},
        "call_duration_seconds": 61,
        "status": "completed",
        "timestamp": "2026-03-01 10:15:00",
        "call_type": "Local",
        "phone_number": CALLER,
        "customer": CALLER,
        "billing_info": {"amount": 0.16, "currency": "EGP"},
        "qos_metrics": {"mos_score": 4.1, "jitter_ms": 12.5, "packet_loss_percent": 0.3, "codec": "EVS"},
        "behavior_profile": "business",
        "risk_score": 12,
        "seasonal_multiplier": 1.3,
        **changes,
    }


def key_of(*parts: str) -> str:
    return md5("|".join(parts).encode()).hexdigest()


@pytest.fixture(scope="module")
def run_id() -> str:
    return uuid4().hex[:8]


@pytest.fixture
def published(lakehouse: Any, settled: Any, run_id: str, tmp_path: Any, request: Any) -> dict[str, Any]:
    """The calls of this file are published once, after the reference records that they name."""
    found: dict[str, Any] | None = request.config.cache.get(f"lakehouse/{run_id}", None)
    if found is not None:
        return found
    users = [
        {"phone_number": CALLER, "user_id": "E2E-U1", "name": "منى", "city": "Giza", "plan_type": "Prepaid",
         "status": "active", "activation_date": "2024-05-06", "effective_from": "2025-01-01 00:00:00"},
        {"phone_number": CALLER, "user_id": "E2E-U1", "name": "منى", "city": "Cairo", "plan_type": "Gold",
         "status": "active", "activation_date": "2024-05-06", "effective_from": "2026-02-01 00:00:00"},
    ]  # fmt: skip
    cells = [
        {
            "cell_id": "E2E-CELL-1",
            "site_name": "One",
            "city": "Giza",
            "region": "Giza",
            "latitude": 30.0,
            "longitude": 31.2,
        }
    ]
    devices = [{"tac": "35846279", "brand": "Nokia", "model": "3310", "os_version": "S30", "is_smartphone": False}]
    for kind, records in (("users", users), ("cell_sites", cells), ("devices", devices)):
        file = tmp_path / f"{kind}.json"
        file.write_text(json.dumps(records))
        lakehouse("reference", kind, str(file))
    settled()
    good = call(f"good-{run_id}")
    wrong = call(f"wrong-{run_id}", call_duration_seconds=-10)
    wrong["from"] = {**wrong["from"], "phone_number": None}
    nowhere = call(f"nowhere-{run_id}")
    nowhere["from"] = {**nowhere["from"], "cell_site": f"NOWHERE-{run_id}"}
    lines = [
        json.dumps(good),
        json.dumps(wrong),
        f'{{"sid": "half-{run_id}", "from": {{',
        json.dumps(nowhere),
        json.dumps(good),
    ]
    # All on one key, so in one partition, in this order; half a message has no customer to take it from.
    file = tmp_path / "calls.ndjson"
    file.write_text("\n".join(lines))
    lakehouse("publish", "calls", str(file), "--key-field", "customer")
    account = settled()
    request.config.cache.set(f"lakehouse/{run_id}", account)
    return account


def test_a_good_call_is_in_silver_with_every_column(published: Any, trino: Any, run_id: str) -> None:
    rows = trino(f"select * from silver.calls where event_id = 'good-{run_id}' and not is_rejected")
    assert len(rows) == 1
    row = rows[0]
    assert {name: row[name] for name in row if not name.startswith(("kafka_", "ingested", "to_user", "to_plan"))} == {
        "event_type": "call",
        "event_id": f"good-{run_id}",
        "event_time": datetime(2026, 3, 1, 8, 15, tzinfo=UTC),
        "timestamp_raw": None,
        "status": "completed",
        "from_phone_number": "+201012345678",
        "to_phone_number": "+201112345678",
        "from_cell_site": "E2E-CELL-1",
        "to_cell_site": "E2E-CELL-2",
        "from_imei": "358462791234560",
        "to_imei": "869453031234561",
        "call_duration_seconds": 61,
        "amount": Decimal("0.1600"),
        "currency": "EGP",
        "call_type": "Local",
        "mos_score": 4.1,
        "jitter_ms": 12.5,
        "packet_loss_percent": 0.3,
        "codec": "EVS",
        "behavior_profile": "business",
        "fraud_indicator": None,
        "risk_score": 12,
        "seasonal_multiplier": 1.3,
        "phone_number": CALLER,
        "customer": CALLER,
        "from_tac": "35846279",
        "to_tac": "86945303",
        "from_user_id": "E2E-U1",
        "from_plan_type": "Gold",
        "from_city": "Giza",
        "from_region": "Giza",
        "from_device_brand": "Nokia",
        "to_city": None,
        "to_region": None,
        "to_device_brand": None,
        "is_rejected": False,
        "rejection_reason": None,
        "quality_warnings": row["quality_warnings"],
        "extra": None,
        "raw_value": None,
    }
    assert "unknown:to_cell_site" in row["quality_warnings"]
    assert "unknown:from_cell_site" not in row["quality_warnings"]
    assert row["kafka_topic"] == "calls"
    assert len(row["kafka_topic_id"]) == 22


def test_bronze_keeps_each_message_untouched(published: Any, trino: Any, run_id: str) -> None:
    rows = trino(
        "select b.value, b.key, s.rejection_reason from bronze.calls b join silver.calls s on b.kafka_offset = s.kafka_offset"
        " and b.kafka_partition = s.kafka_partition and b.kafka_topic_id = s.kafka_topic_id"
        f" where s.event_id like '%-{run_id}' order by s.kafka_offset"
    )
    assert [json.loads(r["value"])["sid"].split("-")[0] for r in rows] == ["good", "wrong", "nowhere", "good"]
    assert {bytes(r["key"]) for r in rows} == {CALLER.encode()}
    half = trino(f"select count(*) as n from bronze.calls where from_utf8(value) like '%half-{run_id}%'")
    assert half[0]["n"] == 1


def test_each_fault_has_its_reason(published: Any, trino: Any, run_id: str) -> None:
    rows = trino(
        f"select event_id, rejection_reason from silver.calls where event_id like '%-{run_id}' and is_rejected"
        " order by kafka_offset"
    )
    assert [(r["event_id"].split("-")[0], r["rejection_reason"]) for r in rows] == [
        ("wrong", "missing:from_phone_number, range:call_duration_seconds"),
        ("good", "duplicate:sid"),
    ]
    half = trino(
        "select s.* from silver.calls s join bronze.calls b on b.kafka_offset = s.kafka_offset and"
        " b.kafka_partition = s.kafka_partition and b.kafka_topic_id = s.kafka_topic_id"
        f" where from_utf8(b.value) like '%half-{run_id}%'"
    )
    assert [r["rejection_reason"] for r in half] == ["malformed:json"]
    filled = {name for name, value in half[0].items() if value is not None}
    assert filled == {
        "is_rejected", "rejection_reason", "kafka_topic", "kafka_topic_id", "kafka_partition", "kafka_offset",
        "kafka_timestamp", "ingested_at",
    }  # fmt: skip


def test_the_good_call_is_in_gold_with_the_version_valid_at_its_time(published: Any, trino: Any, run_id: str) -> None:
    rows = trino(f"select * from gold.fact_calls where call_id = 'good-{run_id}'")
    assert len(rows) == 1
    row = rows[0]
    expected = {
        "transaction_sk": key_of("call", f"good-{run_id}"),
        "date_sk": key_of("2026-03-01"),
        "time_sk": 101500,
        "event_time": datetime(2026, 3, 1, 8, 15, tzinfo=UTC),
        "event_type": "call",
        "from_user_sk": key_of("+201012345678", "2026-01-31T22:00:00.000000Z"),
        "to_user_sk": key_of("+201112345678", "1900-01-01T00:00:00.000000Z"),
        "from_device_sk": key_of("35846279"),
        "to_device_sk": key_of("86945303"),
        "from_cell_sk": key_of("E2E-CELL-1", "1900-01-01T00:00:00.000000Z"),
        "to_cell_sk": key_of("E2E-CELL-2", "1900-01-01T00:00:00.000000Z"),
        "call_id": f"good-{run_id}",
        "from_phone_number": "+201012345678",
        "to_phone_number": "+201112345678",
        "from_cell_site": "E2E-CELL-1",
        "to_cell_site": "E2E-CELL-2",
        "from_imei": "358462791234560",
        "to_imei": "869453031234561",
        "from_tac": "35846279",
        "to_tac": "86945303",
        "status": "completed",
        "call_duration_seconds": 61,
        "amount": Decimal("0.1600"),
        "currency": "EGP",
        "call_type": "Local",
        "mos_score": 4.1,
        "jitter_ms": 12.5,
        "packet_loss_percent": 0.3,
    }
    assert {name: row[name] for name in expected} == expected
    silver = trino(f"select * from silver.calls where event_id = 'good-{run_id}' and not is_rejected")[0]
    for name in ("kafka_topic_id", "kafka_partition", "kafka_offset", "kafka_timestamp"):
        assert row[name] == silver[name]


def test_rejected_calls_are_not_in_gold(published: Any, trino: Any, run_id: str) -> None:
    rows = trino(f"select call_id from gold.fact_calls where call_id like '%-{run_id}'")
    assert sorted(r["call_id"] for r in rows) == [f"good-{run_id}", f"nowhere-{run_id}"]


def test_the_subscriber_has_two_versions_without_a_hole(published: Any, trino: Any) -> None:
    rows = trino("select * from gold.dim_user where phone_number = '+201012345678' order by valid_from")
    assert [(r["plan_type"], r["city"], r["is_current"], r["is_inferred"]) for r in rows] == [
        ("Prepaid", "Giza", False, False),
        ("Gold", "Cairo", True, False),
    ]
    assert rows[0]["valid_to"] == rows[1]["valid_from"] == datetime(2026, 1, 31, 22, tzinfo=UTC)
    assert rows[1]["activation_date"] == date(2024, 5, 6)
    assert rows[0]["effective_from"] == datetime(2024, 12, 31, 22, tzinfo=UTC)


def test_an_unknown_cell_becomes_an_inferred_member(published: Any, trino: Any, clickhouse: Any, run_id: str) -> None:
    cell = f"NOWHERE-{run_id}"
    rows = trino(f"select * from gold.dim_cell_site where cell_id = '{cell}'")
    assert [(r["is_inferred"], r["is_deleted"], r["city"], r["updated_at"]) for r in rows] == [
        (True, False, None, None)
    ]
    copied = clickhouse(
        "select c.cell_id as cell_id, c.is_inferred as is_inferred from gold.fact_calls as f"
        f" join gold.dim_cell_site as c on c.cell_sk = f.from_cell_sk where f.call_id = 'nowhere-{run_id}'"
    )
    assert copied == [{"cell_id": cell, "is_inferred": True}]


def test_the_copy_in_clickhouse_has_the_same_values(published: Any, trino: Any, clickhouse: Any, run_id: str) -> None:
    gold = trino(f"select * from gold.fact_calls where call_id = 'good-{run_id}'")[0]
    copies = clickhouse(f"select * from gold.fact_calls where call_id = 'good-{run_id}'")
    assert len(copies) == 1
    for name, value in gold.items():
        copied = copies[0][name]
        if name.endswith("_sk") and name != "time_sk":
            assert f"{copied:032x}" == value, name
        elif isinstance(value, datetime):
            assert copied.replace(tzinfo=UTC) == value, name
        else:
            assert copied == value, name
