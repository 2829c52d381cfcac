"""Where the project's data files are: contracts, SQL and server configuration, and an operator's own beside them.

In a checkout they lie beside the packages, in a wheel below this one. An operator's folders (`LAKEHOUSE_EXTENSIONS`) are laid
out like the project: `streams/contracts`, `trino/gold`, `trino/checks`, `trino/etc/catalog`, `trino/queries`,
`clickhouse/tables`, `clickhouse/views`, `clickhouse/queries`, `clickhouse/dashboard`. A file of theirs is added to the
project's, and takes the place of one that has the same name.
"""

from pathlib import Path
from typing import Any

import yaml

from lakehouse.errors import UsageError
from lakehouse.settings import settings

_PACKAGE = Path(__file__).resolve().parent


def data_folder(name: str) -> Path:
    """The project's own folder of that name, such as `trino` or `streams/contracts`.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    for root in (_PACKAGE / "_data", _PACKAGE.parent):  # in a wheel, `trino` beside us is the client library
        if (root / name).is_dir():
            return root / name
    raise FileNotFoundError(f"the folder {name}/ is missing beside {_PACKAGE}; install the package again")


def data_files(folder: str, pattern: str) -> list[Path]:
    """The files of a folder that match a pattern, the operator's among them, in the order of their names."""
    places = [data_folder(folder), *(place / folder for place in settings().extensions)]
    found = {path.name: path for place in places for path in sorted(place.glob(pattern))}
    return [found[name] for name in sorted(found)]


def read_yaml(path: Path) -> Any:
    """What a YAML file holds.

    Raises:
        UsageError: it is none, or not in UTF-8; the message says where.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise UsageError(f"{path}{where}: this is no YAML: {getattr(error, 'problem', None) or error}") from None
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None


def data_file(folder: str, name: str) -> Path:
    """One file of a folder, the operator's if there is one.

    Raises:
        FileNotFoundError: there is no such file.
    """
    found = data_files(folder, name)
    if not found:
        raise FileNotFoundError(f"there is no {folder}/{name}")
    return found[0]
