"""The contracts' folder is tested as data: every example validates, every rule has one, and nothing lies about."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lakehouse.paths import data_folder
from streams.contract import FOLDER, Contract, Field, contracts
from tests.conformance.engine import silver_rows
from tests.conformance.test_samples import differences, message

SOURCES = sorted(contracts())
_OTHER_FILES = {"number_plan.yaml", "currencies.txt"}
_WORDS = {"name", "source", "key", "value", "value_base64", "is_rejected", "rejection_reason", "columns"}


def examples(source: str) -> list[dict[str, Any]]:
    text = (data_folder(FOLDER) / f"{source}.examples.ndjson").read_text()
    return [json.loads(line) for line in text.splitlines()]


def codes_of(contract: Contract) -> Iterator[str]:
    """Every code that a contract's own rules can give."""
    for f in contract.fields:
        if f.required or f.required_if:
            yield f"missing:{f.name}"
        if (f.required or f.required_if or f.ruled) and f.type not in ("time", "date"):
            yield f"type:{f.name}"
        yield from (f"{word}:{f.name}" for word in _rule_words(f))


def _rule_words(f: Field) -> Iterator[str]:
    if f.type == "phone" or (f.type in ("imei", "tac") and f.required) or f.name in ("timestamp", "effective_from"):
        yield "invalid"
    if f.domain is not None or f.type == "currency":
        yield "domain"
    if f.range is not None or f.name in ("timestamp", "effective_from"):
        yield "range"


@pytest.mark.parametrize("source", SOURCES)
def test_every_example_becomes_what_it_says(source: str) -> None:
    cases = examples(source)
    rows = silver_rows(source, [message(case) for case in cases])
    wrong = {case["name"]: differences(case, row) for case, row in zip(cases, rows, strict=True)}
    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize("source", SOURCES)
def test_every_rule_rejects_an_example(source: str) -> None:
    given = {code for case in examples(source) for code in (case["rejection_reason"] or "").split(", ")}
    assert set(codes_of(contracts()[source])) - given == set()


@pytest.mark.parametrize("source", SOURCES)
def test_every_field_is_filled_in_an_accepted_example(source: str) -> None:
    accepted = [case["columns"] for case in examples(source) if not case["is_rejected"]]
    filled = {name for columns in accepted for name, value in columns.items() if value is not None}
    assert {f.column for f in contracts()[source].fields} - filled == set()


@pytest.mark.parametrize("source", SOURCES)
def test_an_optional_field_that_cannot_be_read_has_an_example(source: str) -> None:
    warned = {case["columns"].get("quality_warnings_include") for case in examples(source)}
    lenient = {
        f"type:{f.name}" for f in contracts()[source].fields if not f.required and not f.required_if and not f.ruled
    }
    assert lenient - warned == set()


@pytest.mark.parametrize("source", SOURCES)
def test_a_measure_that_is_not_plausible_has_an_example(source: str) -> None:
    warned = {case["columns"].get("quality_warnings_include") for case in examples(source)}
    assert {f"range:{f.name}" for f in contracts()[source].fields if f.plausible} - warned == set()


@pytest.mark.parametrize("source", SOURCES)
def test_examples_are_named_once_and_belong_to_their_contract(source: str) -> None:
    cases = examples(source)
    assert len({case["name"] for case in cases}) == len(cases)
    assert {case["source"] for case in cases} == {source}
    assert set().union(*cases) <= _WORDS


@pytest.mark.parametrize("source", [name for name in SOURCES if not contracts()[name].is_event])
def test_a_reference_source_shows_a_deletion(source: str) -> None:
    deletions = [case for case in examples(source) if case.get("value", "") is None]
    assert {case["is_rejected"] for case in deletions} == {True, False}
    assert all(case["columns"]["is_deleted"] for case in deletions)


def test_every_file_of_the_folder_belongs_to_a_contract() -> None:
    expected = _OTHER_FILES | {f"{source}.{ending}" for source in SOURCES for ending in ("yaml", "examples.ndjson")}
    assert {path.name for path in data_folder(FOLDER).iterdir()} == expected
