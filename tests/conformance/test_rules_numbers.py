"""Numbers and money where a contract bounds them."""

import json
from typing import Any

import pytest

from lakehouse.errors import UsageError
from tests.conformance.judging import J, contract_of, judged, outcome


def test_more_money_than_the_column_holds_is_only_a_warning_where_nothing_rules_it() -> None:
    assert outcome({"type": "money"}, [1e14]) == [(None, None, "type")]


def test_both_ends_of_a_range_belong_to_it() -> None:
    found = outcome({"type": "int", "range": {"min": 1, "max": 5}}, [0, 1, 5, 6, "6", None, "x"])
    words = [(row[0], row[1]) for row in found]
    assert words == [(0, "range"), (1, None), (5, None), (6, "range"), (6, "range"), (None, None), (None, "type")]


def test_money_is_held_against_its_range_after_it_was_rounded() -> None:
    positive = {"type": "money", "range": {"min": 0, "above": True}}
    found = outcome(positive, ["0.0001", "0.00001", "0", "-1", "0.00005", "0.00006", 1e14])
    assert [row[1:] for row in found] == [
        (None, None), ("range", "rounded"), ("range", None), ("range", None), ("range", "rounded"), (None,
        "rounded"), ("range", None),
    ]  # fmt: skip
    assert [row[1] for row in outcome({"type": "money", "range": {"min": 0}}, ["0", "-0.0001", "-0.00001"])] == [
        None,
        "range",
        None,
    ]


def test_doubles_keep_their_bounds() -> None:
    latitude = {"type": "double", "range": {"min": -90, "max": 90}}
    assert [row[1] for row in outcome(latitude, [-90, 90, 90.00000001, "-90.1", 1e400])] == [
        None,
        None,
        "range",
        "range",
        "malformed:json",
    ]


def test_a_measure_that_is_not_plausible_is_a_warning_and_kept_aside() -> None:
    for kind in ("int", "double"):
        field = {"type": kind, "plausible": {"min": 0, "max": 5}}
        sent: list[Any] = [0, 5, -1, "6", 2**62, None, "x"]
        words = [None, None, "range", "range", "range", None, "type"]
        assert outcome(field, sent) == [(0, None, None), (5, None, None), *((None, None, word) for word in words[2:])]
        _, extra = judged(field, sent)
        assert [json.loads(text)["f"] if text else None for text in extra] == [None, None, -1, "6", 2**62, None, "x"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"plausible": {"min": 0, "above": True}}, {"plausible": {}}, {"plausible": 5}, {"plausible": {"max": "5"}},
        {"plausible": {"max": 5}, "type": "string"}, {"plausible": {"max": 5}, "required": True},
        {"plausible": {"max": 5}, "range": {"max": 6}},
    ],
)  # fmt: skip
def test_a_contract_says_what_is_plausible_in_numbers_of_optional_measures(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"fields\.f\.|'f'"):
        contract_of({"name": "f", "type": "int", **wrong})


def test_a_number_longer_than_anybodys_exponent_is_exact() -> None:
    ten, tenth = J("1" + "0" * 1_000_006 + "e-1000005"), J("0." + "0" * 1_000_005 + "1e1000006")
    for text in (ten, tenth):
        value = 10 if text is ten else 1
        assert outcome({"type": "money"}, [text, str(text)]) == [(value, None, None)] * 2
        assert outcome({"type": "int"}, [text, str(text)]) == [(value, None, None)] * 2
        assert outcome({"type": "double"}, [text, str(text)]) == [(value, None, None)] * 2
        assert outcome({"type": "string"}, [text]) == [(str(value), None, None)]
