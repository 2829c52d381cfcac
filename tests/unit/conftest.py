"""What the service `files` of compose.yaml writes, once a session."""

from pathlib import Path

import pytest

from lakehouse.stack.containers import BROKER_PASSWORD, write
from tests.unit.composed import secret, settings_in


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that has a folder for each server, as the settings of compose.yaml and made-up secrets have it."""
    with pytest.MonkeyPatch.context() as patch:
        now = settings_in("files", tmp_path_factory.mktemp("secrets"), patch)
    folder = tmp_path_factory.mktemp("written")
    write(now, folder, secret(BROKER_PASSWORD))
    return folder
