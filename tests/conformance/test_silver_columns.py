"""The silver columns of each source, written out as contracts.md lists them: names, types and order."""

import pytest

from catalog.schemas import iceberg_schema
from streams.contract import contracts
from streams.silver import columns
from tests.conformance.reference_contracts import FIELDS

_BEGINNING = "event_type string, event_id string, event_time timestamptz, timestamp_raw string, "
_SIDES = """
    from_phone_number string, to_phone_number string, from_cell_site string, to_cell_site string, from_imei string,
    to_imei string, """
_ENRICHED_SIDES = """
    from_tac string, to_tac string,
    from_user_id string, from_plan_type string, from_city string, from_region string, from_device_brand string,
    to_user_id string, to_plan_type string, to_city string, to_region string, to_device_brand string, """
_ENRICHED_CUSTOMER = "user_id string, plan_type string, city string, region string, device_brand string, "
_DELETION = "is_deleted boolean, effective_from timestamptz, "
_REST = """
    is_rejected boolean, rejection_reason string, quality_warnings list<string>, extra string, raw_value binary,
    kafka_topic string, kafka_topic_id string, kafka_partition int, kafka_offset long, kafka_timestamp timestamptz,
    ingested_at timestamptz"""

EXPECTED = {
    "calls": f"""
        {_BEGINNING} status string, {_SIDES} call_duration_seconds long, amount decimal(18, 4), currency string,
        call_type string, mos_score double, jitter_ms double, packet_loss_percent double, codec string,
        behavior_profile string, fraud_indicator string, risk_score long, seasonal_multiplier double,
        phone_number string, customer string, {_ENRICHED_SIDES} {_REST}""",
    "sms": f"""
        {_BEGINNING} status string, {_SIDES} body string, amount decimal(18, 4), currency string,
        signal_strength_dbm long, latency_ms long, jitter_ms double, packet_loss_percent double, mos_score double,
        throughput_mbps double, cell_congestion string, handover_success boolean, registration_date date,
        seasonal_multiplier double, phone_number string, customer string, {_ENRICHED_SIDES} {_REST}""",
    "payment": f"""
        {_BEGINNING} status string, customer string, phone_number string, payment_type string,
        payment_amount decimal(18, 4), payment_method string, transaction_id string, amount decimal(18, 4),
        currency string, invoice_number string, seasonal_multiplier double, {_ENRICHED_CUSTOMER} {_REST}""",
    "recharge": f"""
        {_BEGINNING} status string, customer string, phone_number string, recharge_amount decimal(18, 4),
        balance_before decimal(18, 4), balance_after decimal(18, 4), payment_method string, transaction_id string,
        amount decimal(18, 4), currency string, seasonal_multiplier double, {_ENRICHED_CUSTOMER} {_REST}""",
    "support": f"""
        {_BEGINNING} customer string, phone_number string, channel string, reason string, wait_time_seconds long,
        resolution_time_seconds long, agent_id string, satisfaction_score long, first_call_resolution boolean,
        escalated boolean, call_back_requested boolean, {_ENRICHED_CUSTOMER} agent_department string, {_REST}""",
    "users": f"""
        phone_number string, user_id string, name string, email string, address string, city string,
        plan_type string, gender string, age_group string, status string, activation_date date, {_DELETION} {_REST}""",
    "devices": f"""
        tac string, brand string, model string, os_version string, is_smartphone boolean, {_DELETION} {_REST}""",
    "cell_sites": f"""
        cell_id string, site_name string, city string, region string, latitude double, longitude double,
        {_DELETION} {_REST}""",
    "agents": f"""
        agent_id string, name string, department string, email string, city string, status string,
        {_DELETION} {_REST}""",
}


@pytest.mark.parametrize("source", EXPECTED)
def test_silver_columns_are_those_of_the_specification(source: str) -> None:
    fields = iceberg_schema(columns(contracts()[source])).fields
    assert ", ".join(f"{f.name} {f.field_type}" for f in fields) == " ".join(EXPECTED[source].split())


@pytest.mark.parametrize("source", EXPECTED)
def test_every_silver_column_says_what_it_holds(source: str) -> None:
    assert [c.name for c in columns(contracts()[source]) if not c.doc] == []


def test_every_source_of_the_specification_has_its_columns_written_out() -> None:
    assert set(EXPECTED) == set(FIELDS)
