"""A text that is too long is a verdict of its own, and is kept nowhere but as it was sent."""

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import UsageError
from streams.contract import contracts, parse
from tests.conformance.engine import KAFKA_TIME, ZONE, silver_rows
from tests.conformance.reference import Surroundings, judge
from tests.conformance.test_reference import KNOWN, QUICK, compare

CALL = {
    "event_type": "call", "sid": "S1", "timestamp": "2026-11-23 10:15:00", "status": "completed",
    "from": {"phone_number": "01012345678"}, "to": {"phone_number": "01112345678"}, "call_duration_seconds": 61,
    "billing_info": {"amount": 0.5, "currency": "EGP"}, "call_type": "Local",
}  # fmt: skip
CASE = {
    "event_type": "support", "sid": "S1", "timestamp": "2026-11-23 10:15:00", "customer": "01012345678",
    "phone_number": "01012345678", "channel": "phone", "reason": "bill", "wait_time_seconds": 1,
    "resolution_time_seconds": 2, "agent_id": "AG1",
}  # fmt: skip


def row(source: str, event: dict[str, Any], **changed: Any) -> dict[str, Any]:
    [found] = silver_rows(source, [(b"k", json.dumps({**event, **changed}, ensure_ascii=False).encode())], KNOWN)
    return found


@pytest.mark.parametrize(
    ("source", "event", "field", "column", "most"),
    [
        ("calls", CALL, "sid", "event_id", 512),
        ("support", CASE, "reason", "reason", 8192),
        ("support", CASE, "agent_id", "agent_id", 512),
    ],
)
def test_a_required_text_is_rejected_one_byte_beyond_its_bound(
    source: str, event: dict[str, Any], field: str, column: str, most: int
) -> None:
    fits = row(source, event, **{field: " " + "é" * (most // 2) + "\n"})
    assert (fits["rejection_reason"], fits[column]) == (None, "é" * (most // 2))
    beyond = row(source, event, **{field: "é" * (most // 2) + "x"})
    assert (beyond["rejection_reason"], beyond[column], beyond["extra"]) == (f"length:{field}", None, None)


def test_an_optional_text_that_is_too_long_is_a_warning_and_kept_nowhere() -> None:
    found = row("calls", CALL, codec="x" * 8193, behavior_profile="as ever")
    assert (found["rejection_reason"], found["codec"], found["extra"]) == (None, None, None)
    assert "length:codec" in found["quality_warnings"]
    assert found["behavior_profile"] == "as ever"


@pytest.mark.parametrize("field", ["from_phone_number", "currency", "timestamp"])
def test_a_text_with_a_pattern_is_measured_before_it(field: str) -> None:
    event = {**CALL, "from": {}, "from_phone_number": "01012345678"} if field == "from_phone_number" else CALL
    found = row(
        "calls",
        {k: v for k, v in event.items() if k != "billing_info"},
        **{"amount": 1, "currency": "EGP", field: "9" * 513},
    )
    assert found["rejection_reason"] == f"length:{field}"
    assert found["timestamp_raw"] is None


def test_numbers_and_dates_are_not_measured() -> None:
    assert row("calls", CALL, call_duration_seconds="0" * 600)["rejection_reason"] == "type:call_duration_seconds"


def test_what_is_left_over_is_bounded_as_a_whole() -> None:
    """The column holds `{"a": "…"}`, nine bytes more than the text."""
    fits = row("calls", CALL, a="x" * (65_536 - 9))
    assert (len(fits["extra"]), "length:extra" in (fits["quality_warnings"] or [])) == (65_536, False)
    beyond = row("calls", CALL, a="x" * (65_536 - 8))
    assert (beyond["extra"], beyond["quality_warnings"][-1]) == (None, "length:extra")
    assert beyond["rejection_reason"] is None


LENGTHS = st.sampled_from([1, 511, 512, 513, 8191, 8192, 8193, 65_535, 65_536, 65_537])
TEXTS = st.builds(
    lambda c, n, ends: ends + c * n + ends,
    st.sampled_from(["x", "7", "é", "👍", "\\", '"']),
    LENGTHS,
    st.sampled_from(["", " "]),
)


@QUICK
@given(values=st.dictionaries(st.sampled_from([
    "sid", "timestamp", "status", "codec", "customer", "currency", "amount", "registration_date", "from_imei", "unnamed",
    "from_phone_number", "call_type", "fraud_indicator",
]), TEXTS, max_size=4))  # fmt: skip
def test_long_texts_become_what_the_contract_says(values: dict[str, str]) -> None:
    compare("calls", [(b"k", json.dumps({**CALL, **values}, ensure_ascii=False).encode())])


def test_a_contract_may_allow_more_or_less() -> None:
    raw = {
        "source": "x",
        "kind": "event",
        "event_type": "x",
        "fields": [{"name": "a", "type": "string", "max_length": 65_536}],
    }
    assert parse(raw)["a"].max_length == 65_536
    for wrong in (
        {"type": "string", "max_length": 65_537},
        {"type": "int", "max_length": 5},
        {"type": "string", "max_length": True},
    ):
        with pytest.raises(UsageError, match=r"fields\.a\.max_length|max_length of 'a'"):
            parse({**raw, "fields": [{"name": "a", **wrong}]})


def test_every_measured_field_of_the_contracts_has_the_bound_that_the_words_give() -> None:
    around = Surroundings(KAFKA_TIME, ZoneInfo(ZONE))
    for source, contract in contracts().items():
        for field in contract.fields:
            if field.max_length is None:
                continue
            wanted = judge(source, json.dumps({field.name: "z" * (field.max_length + 1)}).encode(), around)
            assert f"length:{field.name}" in [*wanted.codes, *wanted.warnings], (source, field.name)
            wanted = judge(source, json.dumps({field.name: "z" * field.max_length}).encode(), around)
            assert f"length:{field.name}" not in [*wanted.codes, *wanted.warnings], (source, field.name)
