"""What a drill holds against the audit: counts, reasons and amounts of what was sent meanwhile."""

from typing import Any

import pytest

from drills.field import differences

BEFORE: dict[str, Any] = {
    "produced": 10, "accepted": 8, "rejected": 2, "duplicates": 1,
    "reasons": {"duplicate:sid": 1, "range:amount": 1}, "amount": {"EGP": {"silver": "5.0000"}},
}  # fmt: skip
SENT: dict[str, Any] = {
    "produced": 5, "accepted": 3, "rejected": 2, "duplicates": 0,
    "reasons": {"range:amount": 1, "missing:sid": 1}, "amount": {"EGP": "1.2500", "USD": "2.0000"},
}  # fmt: skip
AFTER: dict[str, Any] = {
    "produced": 15, "accepted": 11, "rejected": 4, "duplicates": 1,
    "reasons": {"duplicate:sid": 1, "range:amount": 2, "missing:sid": 1},
    "amount": {"EGP": {"silver": "6.2500"}, "USD": {"silver": "2.0000"}},
}  # fmt: skip


def test_what_was_sent_and_is_there_differs_in_nothing() -> None:
    assert differences(SENT, BEFORE, AFTER) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"accepted": 12}, "3 accepted were sent, 4 are there"),
        ({"reasons": {"duplicate:sid": 1, "range:amount": 3}}, "1 rejected for range:amount were sent, 2 are there"),
        ({"amount": {"EGP": {"silver": "6.2500"}}}, "2.0000 USD were sent, 0 are there"),
        ({"amount": {**AFTER["amount"], "JPY": {"silver": "1.0000"}}}, "0 JPY were sent, 1.0000 are there"),
    ],
    ids=["a count", "a reason for another one", "an amount that is missing", "a currency nobody sent"],
)
def test_what_is_not_as_it_was_sent_is_said(change: dict[str, Any], says: str) -> None:
    assert says in differences(SENT, BEFORE, {**AFTER, **change})
