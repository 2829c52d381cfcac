"""compose.yaml as it is read, and the secrets that its services see."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lakehouse.settings import SECRETS_DIR, Settings

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SETTINGS: dict[str, str | None] = COMPOSE["x-settings"]


def environment(service: str) -> dict[str, Any]:
    """A service's variables as they are written."""
    found: dict[str, Any] = SERVICES[service].get("environment", {})
    return found


def secrets_of(service: str) -> set[str]:
    """The secrets that a service sees."""
    return set(SERVICES[service].get("secrets", ()))


def secret(name: str) -> str:
    """A value that is found again in whatever it was written into."""
    return f"secret-{name.lower().replace('_', '-')}-value"


def settings_in(service: str, folder: Path, patch: pytest.MonkeyPatch) -> Settings:
    """What a process of ours in a service makes of its variables and its secrets, and of nothing else.

    Args:
        folder: is filled with the secrets, and worked in: there is no `.env`.
    """
    for name in secrets_of(service):
        (folder / name).write_text(f"{secret(name)}\n")
    for name, value in environment(service).items():
        if value is None:
            patch.delenv(name, raising=False)
        else:
            patch.setenv(name, re.sub(r"\$\{\w+:-(.*)\}", r"\1", value))
    patch.setenv(SECRETS_DIR, str(folder))
    patch.chdir(folder)
    return Settings()


def properties(text: str) -> dict[str, str]:
    """The lines `name=value` of a file."""
    return dict(one.split("=", 1) for one in text.splitlines() if one and not one.startswith("#"))
