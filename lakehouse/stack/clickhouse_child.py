"""The process that is the ClickHouse server: run in the folder of config.xml, with the data folder as its argument.

chdb-core holds the whole of ClickHouse, listeners included, but starts them only by SQL, in a query that then has to go
on for ever. `_chdb.query` is a private name; the version is pinned in pyproject.toml and a test starts this file.
"""

import importlib
import sys

# The output format must be TabSeparated: it becomes the server's default, which HTTP clients rely on.
_FORMAT = "TabSeparated"
# A row a second for 30,000 years, none of which passes. SIGTERM ends it, without harm: parts are renamed into place.
_FOR_EVER = (
    "select number from numbers(1000000000000) where sleepEachRow(1) = 1 settings max_block_size = 1, max_threads = 1"
)


def main() -> None:
    """Serve until killed; a failure to start is printed without ClickHouse's thirty lines of stack."""
    try:
        chdb = importlib.import_module("chdb._chdb")  # reads config.xml in the working folder already
        chdb.query(f"system start listen http; system start listen tcp; {_FOR_EVER}", _FORMAT, path=sys.argv[1])
    except RuntimeError as error:
        sys.exit(str(error).split(", Stack trace", 1)[0])


if __name__ == "__main__":
    main()
