"""Texts where a contract lists them, and the types that are a rule in themselves."""

import json

import pytest

from tests.conformance.judging import judged, outcome


@pytest.mark.parametrize("kind", ["phone", "currency"])
def test_a_type_with_a_pattern_rejects_though_the_field_is_optional(kind: str) -> None:
    word = "domain" if kind == "currency" else "invalid"
    assert outcome({"type": kind}, ["?", {}]) == [("?", word, None), (None, "type", None)]


@pytest.mark.parametrize("kind", ["imei", "tac"])
def test_an_optional_handset_that_is_none_is_a_warning_and_kept_aside(kind: str) -> None:
    sent = ["N/A", {}, "0" * 15, "9" * 513]
    assert outcome({"type": kind}, sent) == [(None, None, "type")] * 3 + [(None, None, "length")]
    _, extra = judged({"type": kind}, sent)
    assert [json.loads(text)["f"] if text else None for text in extra] == [*sent[:3], None]


def test_a_domain_holds_the_text_as_it_stands() -> None:
    field = {"type": "string", "domain": ["a", "B", "7"]}
    found = outcome(field, ["a", " B ", "b", "A", 7, "c", None, {}])
    assert found == [
        ("a", None, None), ("B", None, None), ("b", "domain", None), ("A", "domain", None), ("7", None, None), ("c",
        "domain", None),
        (None, None, None), (None, "type", None),
    ]  # fmt: skip
