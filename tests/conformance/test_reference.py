"""The engine gives what a plain reading of contracts.md gives, for messages of every kind."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from catalog.schemas import LINEAGE
from streams.contract import contracts
from tests.conformance.engine import KAFKA_TIME, ZONE, Message, histories, silver_rows
from tests.conformance.messages import messages
from tests.conformance.reference import Row, Surroundings, judge
from tests.conformance.reference_contracts import EVENTS, FIELDS, REFERENCES
from tests.conformance.reference_json import comparable, read_message

RECORDS: dict[str, list[dict[str, Any]]] = {
    "users": [
        {"phone_number": "+201012345678", "user_id": "U1", "plan_type": "Prepaid", "city": "Giza"},
        {
            "phone_number": "+201012345678",
            "user_id": "U2",
            "city": "Luxor",
            "effective_from": KAFKA_TIME - timedelta(1),
        },
        {"phone_number": "+201012345678", "user_id": "U3", "effective_from": KAFKA_TIME + timedelta(microseconds=1)},
        {"phone_number": "+201112345678", "user_id": "U4", "effective_from": KAFKA_TIME},
    ],
    "cell_sites": [{"cell_id": "CELL00001", "city": "Cairo", "region": "Greater Cairo"}],
    "devices": [{"tac": "35846279", "brand": "Nokia"}],
    "agents": [{"agent_id": "AG1248", "department": "Billing", "effective_from": KAFKA_TIME + timedelta(1)}],
}
KNOWN = histories(**RECORDS)
AROUND = Surroundings(KAFKA_TIME, ZoneInfo(ZONE), RECORDS)
QUICK = settings(max_examples=60, suppress_health_check=list(HealthCheck))
NOT_JUDGED = {"raw_value", *(c.name for c in LINEAGE if c.name != "ingested_at")}


def _expected(row: Row, columns: dict[str, Any]) -> dict[str, Any]:
    rest = {"is_rejected": bool(row.codes), "rejection_reason": row.reason, "quality_warnings": row.warnings or None}
    expected = {**row.columns, **rest, "extra": comparable(row.extra)}
    assert expected.keys() | NOT_JUDGED == columns.keys()
    return expected


def _found(columns: dict[str, Any], names: Any) -> dict[str, Any]:
    text = columns["extra"]
    return {n: comparable(read_message(text.encode()) if text else None) if n == "extra" else columns[n] for n in names}


def compare(source: str, sent: list[Message]) -> None:
    rows = silver_rows(source, sent, KNOWN)
    assert [row["kafka_offset"] for row in rows] == list(range(len(sent)))
    accepted: set[str] = set()
    for (key, value), row in zip(sent, rows, strict=True):
        wanted = judge(source, value, AROUND, key)
        if source in EVENTS and not wanted.codes:
            if wanted.columns["event_id"] in accepted:
                wanted.codes.append("duplicate:sid")
            accepted.add(wanted.columns["event_id"])
        expected = _expected(wanted, row)
        assert _found(row, expected) == expected, value


def _of(source: str) -> Any:
    return st.lists(messages(source), min_size=1, max_size=5)


@QUICK
@given(_of("calls"))
@example([b'{"from": []}', b'{"from": "{", "sid": 1}'])  # looked like an object to the fast path
@example([b'{"sid": 1e-400}', b'{"sid": 61.00000000000000000001}'])  # became 0 and 61 in a double
@example([b'{"amount": "1e9999999999999999999"}', b'{"sid": 0e9999999999999999999}'])  # beyond a decimal's exponents
@example([b'{"timestamp": "9999-12-31 23:00:00-01:00"}', b'{"timestamp": 253402300800000}'])  # the year 10000
def test_calls_become_what_the_contract_says(sent: list[bytes | None]) -> None:
    compare("calls", [(b"k", value) for value in sent])


@QUICK
@pytest.mark.parametrize("source", [source for source in EVENTS if source != "calls"])
@given(data=st.data())
def test_other_events_become_what_the_contract_says(source: str, data: st.DataObject) -> None:
    compare(source, [(b"k", value) for value in data.draw(_of(source))])


_KEYS = [
    None,
    b"",
    b" ",
    b"01012345678",
    b" (010) 1234-5678",
    b"12345",
    b"35846279",
    b"AG1248\t",
    "٣٥٨٤٦٢٧٩".encode(),
    b"\xff",
    b'a"\\b',
]


@QUICK
@pytest.mark.parametrize("source", REFERENCES)
@given(data=st.data())
def test_reference_records_become_what_the_contract_says(source: str, data: st.DataObject) -> None:
    values = data.draw(_of(source))
    compare(source, [(data.draw(st.sampled_from(_KEYS)), value) for value in values])


def test_an_escaped_blank_effective_from_is_an_absent_one() -> None:
    compare("users", [(None, b'{"phone_number": "01012345678", "effective_from": "\\t"}')])


def test_every_source_of_the_specification_has_a_contract() -> None:
    assert set(FIELDS) <= set(contracts())


@pytest.mark.parametrize("source", FIELDS)
def test_the_contract_says_what_the_tables_of_the_specification_say(source: str) -> None:
    wanted = [
        (
            f.name, f.type, f.column or f.name, f.required, f.required_if, set(f.domain),
            (f.above if f.low is None else f.low, f.high, f.above is not None), f.likely, f.known_in, f.spellings,
        )
        for f in FIELDS[source]
    ]  # fmt: skip
    found = [
        (
            f.name, f.type, f.column, f.required, f.required_if and (f.required_if.field, f.required_if.value),
            set(f.domain or ()), (f.range.min, f.range.max, f.range.above) if f.range else (None, None, False),
            f.plausible and (f.plausible.min, f.plausible.max), f.known_in or "", list(f.paths),
        )
        for f in contracts()[source].fields
    ]  # fmt: skip
    assert found == wanted
