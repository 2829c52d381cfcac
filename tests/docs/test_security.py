"""SECURITY.md names commands and files that are there, in short paragraphs, and no address."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "SECURITY.md").read_text()
WRITTEN_BY_COMMANDS = {"compose.digests.yaml", "sbom.cdx.json", "secrets/"}
MOST_WORDS = 90


def test_every_make_command_is_in_the_makefile() -> None:
    named = set(re.findall(r"\bmake ([a-z-]+)", TEXT.partition("## Checking it")[2]))
    assert {"setup", "pins", "sbom", "image-digests"} <= named
    assert named <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_every_file_is_there() -> None:
    named = set(re.findall(r"`([\w./-]+(?:\.\w+|/))`", TEXT)) - WRITTEN_BY_COMMANDS
    assert {"constraints.txt", "lakehouse/stack/artifacts.sha256", "supply/"} <= named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_it_has_no_address_of_mail_or_of_a_registry() -> None:
    assert "@" not in TEXT
    assert "://" not in TEXT


@pytest.mark.parametrize("part", re.split(r"\n\n|\n(?=- )", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)))
def test_paragraphs_are_short(part: str) -> None:
    assert len(part.split()) <= MOST_WORDS
