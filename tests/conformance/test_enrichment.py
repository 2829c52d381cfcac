"""What the reference records say when an event arrives, in the columns and in the `unknown:` warnings."""

import json
from datetime import timedelta
from typing import Any

import pytest

from streams.duplicates import DuplicateWindow
from tests.conformance.engine import KAFKA_TIME, histories, raw_batch, silver_rows, writer
from tests.conformance.reference_contracts import EVENTS

MONA, OMAR = "+201012345678", "+201112345678"
KNOWN = histories(
    users=[
        {"phone_number": MONA, "user_id": "U1", "plan_type": "Postpaid", "city": "Giza"},
        {"phone_number": OMAR, "user_id": "U2", "plan_type": "Prepaid", "city": "Luxor"},
    ],
    cell_sites=[{"cell_id": "CELL00001", "city": "Cairo", "region": "Greater Cairo"}, {"cell_id": "CELL00003"}],
    devices=[{"tac": "35846279", "brand": "Nokia"}],
    agents=[{"agent_id": "AG1248", "department": "Billing"}, {"agent_id": "AG1"}],
)
_IDENTITY = {"sid": "1", "timestamp": "2026-03-01 10:15:00"}
_BILL = {
    "billing_info": {"amount": 1, "currency": "EGP"},
    "status": "success",
    "payment_method": "Cash",
    "transaction_id": "T",
}
_CUSTOMER = {"customer": "01112345678", "phone_number": "01012345678"}
CUSTOMER_EVENTS: dict[str, dict[str, Any]] = {
    "payment": {**_BILL, **_CUSTOMER, "payment_type": "Late Fee", "payment_amount": 1},
    "recharge": {**_BILL, **_CUSTOMER, "recharge_amount": 1, "balance_before": 0, "balance_after": 1},
    "support": {
        **_CUSTOMER, "channel": "chat", "reason": "r", "wait_time_seconds": 0, "resolution_time_seconds": 0,
        "agent_id": "AG1248",
    },
}  # fmt: skip
SMS: dict[str, Any] = {
    "status": "sent",
    "from": {"phone_number": "01012345678", "cell_site": "CELL00001", "imei": "358462791234560"},
    "to": {"phone_number": "01212345678", "cell_site": "CELL00003", "imei": "869453031234561"},
    "body": "Hello!",
    "billing_info": {"amount": 0, "currency": "EGP"},
}
CUSTOMER_COLUMNS = ("user_id", "plan_type", "city", "region", "device_brand")


def row_of(source: str, event: dict[str, Any]) -> dict[str, Any]:
    kind = {"event_type": source, **_IDENTITY}
    return silver_rows(source, [(None, json.dumps(kind | event).encode())], KNOWN)[0]


def said(row: dict[str, Any], *columns: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in columns)


@pytest.mark.parametrize("source", CUSTOMER_EVENTS)
def test_a_customers_event_is_enriched_by_its_phone_number_not_by_who_pays(source: str) -> None:
    row = row_of(source, CUSTOMER_EVENTS[source])
    assert (row["rejection_reason"], row["quality_warnings"]) == (None, None)
    assert said(row, *CUSTOMER_COLUMNS) == ("U1", "Postpaid", "Giza", None, None)


@pytest.mark.parametrize("source", CUSTOMER_EVENTS)
@pytest.mark.parametrize("number", ["01212345678", "12345", None, {}])
def test_a_customer_whom_nothing_names_leaves_the_columns_null_and_no_warning(source: str, number: Any) -> None:
    row = row_of(source, CUSTOMER_EVENTS[source] | {"phone_number": number})
    assert said(row, *CUSTOMER_COLUMNS) == (None,) * 5
    assert row["quality_warnings"] is None


@pytest.mark.parametrize(
    ("agent", "department", "warnings"),
    [
        ("AG1248", "Billing", None),
        (" AG1248 ", "Billing", None),
        ("AG1", None, None),  # named by a record that tells no department
        ("ag1248", None, ["unknown:agent_id"]),
        (1248, None, ["unknown:agent_id"]),
        (None, None, None),
        (True, None, None),
    ],
)
def test_a_support_case_has_its_agents_department_or_an_unknown_agent(
    agent: Any, department: str | None, warnings: list[str] | None
) -> None:
    row = row_of("support", CUSTOMER_EVENTS["support"] | {"agent_id": agent})
    assert said(row, "agent_department", "quality_warnings") == (department, warnings)


def test_a_rejected_event_keeps_its_enrichment_and_its_warnings() -> None:
    row = row_of("support", CUSTOMER_EVENTS["support"] | {"agent_id": "AG0", "channel": "fax"})
    assert said(row, "rejection_reason", "user_id", "quality_warnings") == (
        "domain:channel",
        "U1",
        ["unknown:agent_id"],
    )


def test_a_side_has_the_place_of_its_cell_and_the_brand_of_its_handset() -> None:
    row = row_of("sms", SMS)
    names = ("tac", *CUSTOMER_COLUMNS)
    assert said(row, *(f"from_{name}" for name in names)) == (
        "35846279", "U1", "Postpaid", "Cairo", "Greater Cairo", "Nokia",
    )  # fmt: skip
    assert said(row, *(f"to_{name}" for name in names)) == ("86945303", None, None, None, None, None)
    assert row["quality_warnings"] == ["unknown:to_imei"]


def test_warnings_come_in_the_order_of_the_table_and_luhn_before_unknown() -> None:
    odd = {
        "timestamp": "2026-10-29 23:30:00",
        "from": {**SMS["from"], "cell_site": "C", "imei": "111111111111111"},
        "to": {**SMS["to"], "cell_site": "C", "imei": "222222222222222"},
        "billing_info": {"amount": "0.00001", "currency": "EGP"},
        "network_metrics": {"handover_success": 1, "latency_ms": 0.5},
        "registration_date": "2026-04-24 00:30:00",
        "seasonal_multiplier": "much",
    }
    row = row_of("sms", SMS | odd)
    assert row["rejection_reason"] is None
    assert row["quality_warnings"] == [
        "dst:timestamp", "unknown:from_cell_site", "unknown:to_cell_site", "luhn:from_imei", "unknown:from_imei",
        "luhn:to_imei", "unknown:to_imei", "rounded:amount", "type:latency_ms", "type:handover_success",
        "dst:registration_date", "type:seasonal_multiplier",
    ]  # fmt: skip
    assert json.loads(row["extra"]) == {
        "network_metrics": {"handover_success": 1, "latency_ms": 0.5}, "seasonal_multiplier": "much",
    }  # fmt: skip


def test_every_source_of_customers_is_tested() -> None:
    assert set(CUSTOMER_EVENTS) == set(EVENTS) - {"calls", "sms"}


def test_what_held_when_the_event_arrived_counts_and_what_holds_later_names_its_key() -> None:
    def agent(department: str, days: int) -> dict[str, Any]:
        return {"agent_id": "AG1", "department": department, "effective_from": KAFKA_TIME + timedelta(days)}

    known = histories(
        agents=[agent("Sales", -300), agent("Billing", -1), agent("Fraud", 1), {**agent("Fraud", 9), "agent_id": "AG2"}]
    )
    event = {"event_type": "support", **_IDENTITY, **CUSTOMER_EVENTS["support"]}
    for name, at, department in (
        ("AG1", KAFKA_TIME, "Billing"),
        ("AG1", KAFKA_TIME - timedelta(days=1, microseconds=1), "Sales"),
        ("AG1", KAFKA_TIME - timedelta(days=301), None),
        ("AG1", KAFKA_TIME + timedelta(days=1), "Fraud"),
        ("AG2", KAFKA_TIME, None),
    ):
        batch = raw_batch([(None, json.dumps({**event, "agent_id": name}).encode())], at=at, topic="support")
        row = writer("support").rows(batch, DuplicateWindow(1, 1), known).rows.to_pylist()[0]
        assert said(row, "agent_department", "quality_warnings") == (department, None)
