"""A contract that says something wrong of itself or of others is refused at start, in a sentence that names it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lakehouse.errors import UsageError
from lakehouse.settings import settings
from streams.contract import contracts
from streams.number_plan import rules

GOOD: dict[str, Any] = {
    "source": "data_usage",
    "kind": "event",
    "event_type": "data",
    "fields": [
        {"name": "phone_number", "type": "phone", "required": True},
        {"name": "cell", "type": "string", "known_in": "cell_sites"},
        {"name": "note", "type": "string", "required_if": {"field": "cell", "value": "X"}},
    ],
    "enrichment": [{"column": "plan", "reference": "users", "key": "phone_number", "attribute": "plan_type"}],
}


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Contracts with one of the operator's own beside them."""

    def read(**changes: Any) -> Any:
        folder = tmp_path / "streams" / "contracts"
        folder.mkdir(parents=True)
        (folder / "data_usage.yaml").write_text(yaml.safe_dump({**GOOD, **changes}))
        monkeypatch.setenv("LAKEHOUSE_EXTENSIONS", f'["{tmp_path}"]')
        settings.cache_clear()
        contracts.cache_clear()
        return contracts()

    yield read
    monkeypatch.undo()
    settings.cache_clear()
    contracts.cache_clear()


def test_an_operator_adds_a_source_in_a_folder_of_their_own(load: Any) -> None:
    assert {"calls", "data_usage"} <= set(load())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fields": [{"name": "x", "type": "number"}]}, "data_usage: fields.x.type: .*'money', .* not 'number'"),
        ({"fields": [{"name": "x", "type": "int", "rnge": {"min": 0}}]}, "fields.x.rnge: .*not permitted"),
        ({"fields": [{"name": "x", "type": "string", "domain": [True, False]}]}, "fields.x.domain.0: .* not True"),
        ({"fields": [{"name": "x", "type": "int", "range": {"min": "y"}}]}, "fields.x.range.min: .* not 'y'"),
        ({"fields": [{"name": "x", "type": "int", "range": {"min": float("nan")}}]}, "fields.x.range.min: .* not nan"),
        ({"fields": [{"name": "x", "type": "int", "range": 5}]}, "fields.x.range: .* not 5"),
        ({"fields": [{"name": "x", "type": "string", "range": {"min": 1}}], "enrichment": []}, "range of 'x' is for"),
        (
            {"fields": [{"name": "x", "type": "int", "domain": ["1"]}], "enrichment": []},
            "domain of 'x' is for a string",
        ),
        ({"fields": [{"name": "callId", "type": "string"}], "enrichment": []}, "'callId' can be no column"),
        ({"fields": [{"name": "x", "type": "int"}] * 2, "enrichment": []}, "x is there twice"),
        ({"fields": ["x"]}, "fields.0: .* not 'x'"),
        ({"fields": [{"type": "int"}]}, "fields.0.name: is missing"),
        ({"event_type": None}, "event_type is missing"),
        ({"enrichment": [{"column": "a b"}]}, "enrichment.a b.column: "),
        (
            {"fields": [{"name": "x", "type": "int", "required_if": {"field": "y", "value": "1"}}], "enrichment": []},
            "required if 'y'",
        ),
        ({"fields": [{"name": "x", "type": "string", "known_in": "places"}], "enrichment": []}, "looks into 'places'"),
        ({"enrichment": [{"column": "a", "tac_of": "imei"}]}, "no column 'imei'"),
        (
            {"enrichment": [{"column": "a", "reference": "users", "key": "phone_number", "attribute": "colour"}]},
            "no column 'colour'",
        ),
        ({"amount": "price"}, "which is no column of money"),
        ({"amount": "cell"}, "which is no column of money"),
        ({"amount": "fee", "fields": [*GOOD["fields"], {"name": "fee", "type": "money"}]}, "by the column `currency`"),
        ({"kind": "thing"}, "kind: .* not 'thing'"),
        ({"source": "other"}, "named after its source"),
    ],
)
def test_a_wrong_word_is_told(load: Any, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load(**changes)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"kind: [event", "line 1, column 13: this is no YAML"),
        (b"source: \xff", "is not UTF-8"),
        (b"[1, 2]", "a contract is a mapping"),
        (b"", "a contract is a mapping"),
        (b"{a: 1, {}: 2, []: 3}", "this is no YAML"),
        (b"just a text", "a contract is a mapping"),
    ],
)
def test_a_file_that_is_no_contract_is_told_by_its_name(load: Any, tmp_path: Path, content: bytes, said: str) -> None:
    load()
    (tmp_path / "streams" / "contracts" / "data_usage.yaml").write_bytes(content)
    contracts.cache_clear()
    with pytest.raises(UsageError, match=f"data_usage.yaml.*{said}"):
        contracts()


@pytest.mark.parametrize(
    ("content", "said"),
    [("{}", "list"), ("- {pattern: 5, prefix: x}", "0.pattern"), ("- {pattern: '^1$'}", "0.prefix"), ("[", "no YAML")],
)
def test_a_number_plan_that_is_none_is_told(load: Any, tmp_path: Path, content: str, said: str) -> None:
    load()
    (tmp_path / "streams" / "contracts" / "number_plan.yaml").write_text(content)
    rules.cache_clear()
    with pytest.raises(UsageError, match=f"number_plan.yaml.*{said}"):
        rules()
    rules.cache_clear()
