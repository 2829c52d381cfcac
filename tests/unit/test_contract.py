"""A contract that says something wrong of itself or of others is refused at start, in a sentence that names it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lakehouse.errors import UsageError
from lakehouse.settings import settings
from streams.contract import contracts

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
        ({"fields": [{"name": "x", "type": "number"}]}, "needs a type"),
        ({"fields": [{"name": "x", "type": "int", "rnge": {"min": 0}}]}, "unknown words"),
        ({"fields": [{"name": "x", "type": "string", "domain": [True, False]}], "enrichment": []}, "must be text"),
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
        ({"amount": "price"}, "which is no column"),
        ({"kind": "thing"}, "kind must be"),
        ({"source": "other"}, "named after its source"),
    ],
)
def test_a_wrong_word_is_told(load: Any, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load(**changes)
