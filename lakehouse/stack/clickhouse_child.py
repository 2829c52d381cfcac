"""The process that is the ClickHouse server: run in the folder of config.xml, with the data folder as its argument.

chdb-core holds the whole of ClickHouse, listeners included, but starts them only by SQL, in a query that then has to go
on for ever. `_chdb.query` is a private name; the version is pinned in pyproject.toml and a test starts this file.

It is ClickHouse's local variant, whose function `file()` gives any file to whoever may ask a constant. So the process is
confined (`landlock.py`) before ClickHouse is loaded: to its data, to the library, and to the ports of S3 and the catalog.
"""

import importlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from lakehouse.stack import landlock
from lakehouse.stack.landlock import CHANGE, READ, Allowed, Right

# The output format must be TabSeparated: it becomes the server's default, which HTTP clients rely on.
_FORMAT = "TabSeparated"
# A row a second for 30,000 years, none of which passes. SIGTERM ends it, without harm: parts are renamed into place.
_FOR_EVER = (
    "select number from numbers(1000000000000) where sleepEachRow(1) = 1 settings max_block_size = 1, max_threads = 1"
)
# What the C library and ClickHouse read of a machine; nothing here is a secret. Of /proc/self only what measures: `environ`
# is not among it.
_MACHINE = (
    "/usr", "/lib", "/lib64", "/bin", "/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/host.conf",
    "/etc/gai.conf", "/etc/localtime", "/etc/ld.so.cache", "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/proc/meminfo",
    "/proc/cpuinfo", "/proc/stat", "/proc/uptime", "/proc/loadavg", "/proc/vmstat", "/proc/sys/vm", "/proc/sys/kernel",
    "/proc/sys/net/core", "/proc/self/statm", "/proc/self/stat", "/proc/self/status", "/proc/self/maps",
    "/proc/self/cgroup",
    "/proc/self/mounts", "/proc/self/mountinfo", "/proc/self/fd", "/sys/devices/system", "/sys/fs/cgroup", "/sys/block",
)  # fmt: skip
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
_METADATA = "metadata"
# chdb makes a folder there at each start, and leaves it.
_SCRATCH = "scratch"
# What ClickHouse keeps beside its tables' files; those that are missing are made first, or could not be read.
_FOLDERS = ("data", "store", "tmp", "flags", "metadata_dropped", "user_defined", "user_files", "format_schemas")
CATALOG_FILE = "lk.sql"
"""In the folder of databases' definitions: the one that holds a key, to be written and removed, never read."""


def allowed(data: Path, listens: int, connects: list[int]) -> Allowed:
    """What this process may do, as `landlock.confine` wants it.

    Args:
        data: the data folder; it is made ready.
        listens: the port of the server.
        connects: those of S3 and the catalog.
    """
    shutil.rmtree(data / _SCRATCH, ignore_errors=True)
    for name in (*_FOLDERS, _METADATA, _SCRATCH):
        (data / name).mkdir(exist_ok=True)
    (data / _METADATA / CATALOG_FILE).unlink(missing_ok=True)  # made anew at each start
    return Allowed(list(_paths(data)), [listens], connects)


def _paths(data: Path) -> Iterator[tuple[Path, Right]]:
    yield data, CHANGE | Right.READ_DIR
    for one in data.iterdir():
        if one.name != _METADATA:
            yield one, READ | CHANGE
    for one in (data / _METADATA).iterdir():
        yield one, READ | CHANGE
    for file in ("config.xml", "users.xml"):
        yield Path(file).absolute(), Right.READ_FILE
    for folder in readable():
        yield folder, READ
    for device in _DEVICES:
        yield Path(device), Right.READ_FILE | Right.WRITE_FILE


def readable() -> list[Path]:
    """Folders of the library and of the machine: not all of Python's prefix, in which a project and its secrets may lie."""
    own = [Path(prefix) / name for prefix in (sys.prefix, sys.base_prefix) for name in ("lib", "lib64")]
    return [*own, *map(Path, _MACHINE)]


def main() -> None:
    """Serve until killed; a failure to start is printed without ClickHouse's thirty lines of stack."""
    data, listens, *connects = sys.argv[1:]
    os.umask(0o077)
    stack = Path(data).resolve().parents[1]
    if within := next((folder for folder in readable() if stack.is_relative_to(folder.resolve())), None):
        sys.exit(
            f"the stack's folder {stack} lies in {within}, which ClickHouse may read: set LAKEHOUSE_DATA_DIR to another"
        )
    os.environ["TMPDIR"] = str(Path(data) / _SCRATCH)
    if not landlock.confine(allowed(Path(data), int(listens), [int(port) for port in connects])):
        print(landlock.UNCONFINED, flush=True)
    try:
        chdb = importlib.import_module("chdb._chdb")  # reads config.xml in the working folder already
        chdb.query(f"system start listen http; {_FOR_EVER}", _FORMAT, path=data)
    except RuntimeError as error:
        sys.exit(str(error).split(", Stack trace", 1)[0])


if __name__ == "__main__":
    main()
