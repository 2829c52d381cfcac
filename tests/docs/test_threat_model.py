"""docs/security.md is short, and its ports and settings are those of the code."""

import re
from pathlib import Path

import pytest

from lakehouse.settings import Settings, unknown_variables
from lakehouse.stack.ports import INTERNAL, PUBLIC

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()
CELLS = [cell for line in TEXT.splitlines() if line.startswith("|") for cell in line.strip("|").split("|")]
MOST_WORDS, MOST_IN_A_CELL = 90, 30


@pytest.mark.parametrize("part", [part for part in re.split(r"\n\n|\n(?=- )", TEXT) if not part.startswith("|")])
def test_paragraphs_are_short(part: str) -> None:
    assert len(part.split()) <= MOST_WORDS


def test_cells_are_short() -> None:
    assert [cell for cell in CELLS if len(cell.split()) > MOST_IN_A_CELL] == []


def test_every_usual_port_is_named() -> None:
    usual = Settings.model_construct()
    ports = {read(usual) for read in PUBLIC.values()} | set(INTERNAL.values())
    section = TEXT.partition("## Servers")[2].partition("### ")[0]
    assert {int(port) for port in re.findall(r"\b\d{4}\b", section)} == ports


@pytest.mark.parametrize("page", ["README.md", "docs/security.md", "docs/dashboard.md", "docs/federation.md"])
def test_variables_that_are_named_exist(page: str) -> None:
    named = set(re.findall(r"\bLAKEHOUSE_[A-Z0-9_]*[A-Z0-9]\b", (ROOT / page).read_text()))
    assert unknown_variables(dict.fromkeys(named, "")) == {}
