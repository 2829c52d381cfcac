"""Texts where a contract lists them, and the types that are a rule in themselves."""

import pytest

from tests.conformance.judging import outcome


@pytest.mark.parametrize("kind", ["phone", "imei", "tac", "currency"])
def test_a_type_with_a_pattern_rejects_though_the_field_is_optional(kind: str) -> None:
    word = "domain" if kind == "currency" else "invalid"
    assert outcome({"type": kind}, ["?", {}]) == [("?", word, None), (None, "type", None)]


def test_a_domain_holds_the_text_as_it_stands() -> None:
    field = {"type": "string", "domain": ["a", "B", "7"]}
    found = outcome(field, ["a", " B ", "b", "A", 7, "c", None, {}])
    assert found == [
        ("a", None, None), ("B", None, None), ("b", "domain", None), ("A", "domain", None), ("7", None, None), ("c",
        "domain", None),
        (None, None, None), (None, "type", None),
    ]  # fmt: skip
