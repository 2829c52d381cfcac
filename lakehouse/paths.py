"""Where the data files of the project are: in a checkout beside the packages, in a wheel below this package."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def data_folder(name: str) -> Path:
    """The folder of SQL and configuration called `trino` or `clickhouse`.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    for root in (_PACKAGE.parent, _PACKAGE / "_data"):
        if (root / name).is_dir():
            return root / name
    raise FileNotFoundError(f"the folder {name}/ is missing beside {_PACKAGE}; install the package again")
