"""Files that nobody else may read."""

import contextlib
import os
from pathlib import Path


def write_private(file: Path, text: str) -> None:
    """Replace a file in one step, readable by its owner alone."""
    fresh = file.with_name(f"{file.name}.new")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
    os.replace(fresh, file)
