"""No stack's settings reach a unit test; and what the service `files` of compose.yaml writes, once a session."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse.settings import PREFIX, settings
from lakehouse.stack.containers import BROKER_PASSWORD, write
from tests.unit.composed import secret, settings_in


@pytest.fixture(autouse=True)
def defaults(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The settings are the defaults, whatever stack runs here and whatever the user has set."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LAKEHOUSE_DATA_DIR", str(tmp_path_factory.getbasetemp() / "no-stack"))
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that has a folder for each server, as the settings of compose.yaml and made-up secrets have it."""
    with pytest.MonkeyPatch.context() as patch:
        now = settings_in("files", tmp_path_factory.mktemp("secrets"), patch)
    folder = tmp_path_factory.mktemp("written")
    write(now, folder, secret(BROKER_PASSWORD))
    return folder
