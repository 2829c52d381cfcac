"""Every kind of value against its table, and what holds for all kinds."""

import json
from decimal import Decimal
from typing import Any

import pytest

from streams.contract import FIELD_TYPES
from tests.conformance.judging import IDENTITY, J, contract_of, judged, outcome, validated
from tests.conformance.values_numbers import BOOL, DOUBLE, INT, MONEY
from tests.conformance.values_text import CURRENCY, IMEI, PHONE, STRING, TAC
from tests.conformance.values_times import DATE, TIME

TABLES = {
    "string": STRING, "int": INT, "double": DOUBLE, "money": MONEY, "bool": BOOL, "time": TIME, "date": DATE,
    "phone": PHONE, "imei": IMEI, "tac": TAC, "currency": CURRENCY,
}  # fmt: skip
_CODES = ("type", "invalid", "domain", "range")


def test_every_kind_of_value_has_its_table() -> None:
    assert set(TABLES) == set(FIELD_TYPES)


@pytest.mark.parametrize("kind", TABLES)
def test_every_value_becomes_what_the_contract_says(kind: str) -> None:
    """Dates are read as optional fields, all others as required ones: so that the code is the type's own."""
    table = TABLES[kind]
    found = outcome({"type": kind, "required": kind != "date"}, [value for value, _, _ in table])
    differing = []
    for (sent, column, word), row in zip(table, found, strict=True):
        code = word if word in _CODES and kind != "date" else None
        wanted = (Decimal(column) if kind == "money" and column else column, code, None if code else word)
        if row != wanted:
            differing.append((sent, wanted, row))
    assert differing == []


@pytest.mark.parametrize("kind", TABLES)
def test_values_say_the_same_alone_and_in_company(kind: str) -> None:
    """Columns of one shape take shortcuts: only texts, no texts, nothing odd."""
    sent = [value for value, _, _ in TABLES[kind]][:40]
    together = outcome({"type": kind, "required": True}, sent)
    assert [outcome({"type": kind, "required": True}, [value])[0] for value in sent] == together


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("absent", [None, "", "  ", "\u00a0\u2003", "\t\n", J(r'"\u2028\u0020"')])
def test_null_and_blank_are_missing_and_nothing_else(kind: str, absent: Any) -> None:
    assert outcome({"type": kind, "required": True}, [absent]) == [(None, "missing", None)]
    assert outcome({"type": kind}, [absent]) == [(None, None, None)]


UNREADABLE: dict[str, Any] = {
    "string": {}, "int": "sixty", "double": "x", "money": "x", "bool": 1, "time": "now", "date": "2026-02-30",
}  # fmt: skip


@pytest.mark.parametrize("kind", UNREADABLE)
def test_an_optional_field_without_a_rule_is_never_a_rejection(kind: str) -> None:
    sent = UNREADABLE[kind]
    assert outcome({"type": kind}, [sent]) == [(None, None, "type")]
    _, extra = judged({"type": kind}, [sent])
    assert json.loads(extra[0] or "") == {"f": sent}


def test_a_field_that_a_condition_requires_is_read_as_a_required_one() -> None:
    required = {"field": "payment_type", "value": "Bill Payment"}
    contract = contract_of(
        {"name": "payment_type", "type": "string", "required": True},
        {"name": "invoice_number", "type": "string", "required_if": required},
    )
    events = [
        {"payment_type": kind, "invoice_number": number}
        for kind in ("Bill Payment", "Subscription")
        for number in ("INV1", None, {})
    ]
    result, extra = validated(contract, [json.dumps(IDENTITY | event) for event in events])
    assert result.reasons.to_pylist() == [None, "missing:invoice_number", "type:invoice_number", None, None, None]
    assert result.warnings["type:invoice_number"].tolist() == [False] * 5 + [True]
    assert extra == [None, None, '{"invoice_number": {}}'] * 2


@pytest.mark.parametrize(
    ("kind", "word"), [("date", "invalid"), ("time", "invalid"), ("int", "type"), ("bool", "type")]
)
def test_a_field_that_a_condition_requires_has_the_code_of_its_type(kind: str, word: str) -> None:
    contract = contract_of(
        {"name": "why", "type": "string"},
        {"name": "f", "type": kind, "required_if": {"field": "why", "value": "x"}},
    )
    result, _ = validated(contract, [json.dumps(IDENTITY | {"why": why, "f": "?"}) for why in (" x ", "y", None)])
    assert result.reasons.to_pylist() == [f"{word}:f", None, None]
    assert result.warnings["type:f"].tolist() == [False, True, True]
