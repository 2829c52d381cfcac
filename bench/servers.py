"""The benches' own servers, in a folder of their own on free ports: Kafka, SeaweedFS with the catalog, Redis.

Trino and ClickHouse take no part in the worker's race, and would take memory and cores from it; the bench of builds has them.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lakehouse.errors import LakehouseError
from lakehouse.settings import settings
from lakehouse.stack import launch
from lakehouse.stack.process import end, spawn, tail
from lakehouse.stack.state import StackState

ROOT = Path(__file__).resolve().parent.parent
WORKERS_NEED = ("kafka", "seaweedfs", "redis")
BUILDS_NEED = (*WORKERS_NEED, "trino", "clickhouse")
_UP_LIMIT_S, _DOWN_LIMIT_S = 180.0, 60.0
_PREFIX = "LAKEHOUSE_"
# How the line is tuned may be said from outside. Where servers are may not: the bench drops tables, its own only.
_TUNING = (
    "CACHE_DIR", "TIME_ZONE", "KAFKA_PARTITIONS", "COMMIT_INTERVAL_S", "COMMIT_BYTES", "BRONZE_INTERVAL_S", "BRONZE_OFF",
    "BUFFER_BYTES", "DUPLICATE_WINDOW_EVENTS", "DUPLICATE_WINDOW_S", "START_PATIENCE_S",
)  # fmt: skip


@contextmanager
def own_folder() -> Iterator[Path]:
    """A temporary folder for a stack of the bench's own, which `settings()` and child processes use while the block lasts.

    It is the working folder too meanwhile, so that no `.env` file has a say.
    """
    before, here = dict(os.environ), Path.cwd()
    with tempfile.TemporaryDirectory(prefix="lakehouse-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        try:
            _only_tuning(folder)
            os.chdir(folder)
            yield folder
        finally:
            os.chdir(here)
            os.environ.clear()
            os.environ.update(before)
            settings.cache_clear()


@contextmanager
def own_servers(needed: Sequence[str] = WORKERS_NEED) -> Iterator[Path]:
    """Run servers in a folder of their own while the block lasts; gives the folder.

    Raises:
        LakehouseError: they did not start.
    """
    with own_folder() as folder:
        supervisor = spawn([sys.executable, "-m", "bench.servers", *needed], folder / "servers.log", folder, {})
        try:
            wait_until_up(folder, supervisor.poll, folder / "servers.log", _UP_LIMIT_S)
            settings.cache_clear()
            yield folder
        finally:
            end([supervisor], _DOWN_LIMIT_S)


def tuning() -> dict[str, str]:
    """What the user said of how the line is tuned, by variable."""
    names = [_PREFIX + name for name in _TUNING if name != "CACHE_DIR"]
    return {name: os.environ[name] for name in names if name in os.environ}


def _only_tuning(folder: Path) -> None:
    allowed = {_PREFIX + name for name in _TUNING}
    for name in [name for name in os.environ if name.startswith(_PREFIX) and name not in allowed]:
        del os.environ[name]
    os.environ[f"{_PREFIX}DATA_DIR"] = str(folder)
    os.environ["PYTHONPATH"] = str(ROOT)
    os.environ["PYTHONUNBUFFERED"] = "1"
    settings.cache_clear()


def wait_until_up(folder: Path, ended: Callable[[], int | None], log: Path, limit_s: float) -> None:
    """Wait until the stack of a folder is up, as long as its supervisor is heard of.

    Args:
        ended: the code with which its supervisor ended; None while it runs.
        log: what the supervisor writes.
        limit_s: how long the supervisor may be silent; while it starts servers it writes its state every 5 s.
    Raises:
        LakehouseError: it did not start, or is silent.
    """
    heard, heard_at = 0.0, time.monotonic()
    while time.monotonic() - heard_at < limit_s:
        now = StackState.read(folder)
        if now is not None and now.told_at != heard:
            heard, heard_at = now.told_at, time.monotonic()
        if now is not None and now.phase == "up":
            return
        if ended() is not None:
            message = now.message if now is not None and now.message else tail(log, 30)
            raise LakehouseError(f"the stack did not start: {message}")
        time.sleep(0.1)
    raise LakehouseError(f"the stack was not heard of for {limit_s:.0f} s; the last lines of {log}:\n{tail(log, 30)}")


def main() -> None:
    """The supervisor, a process of its own that ends with the bench."""
    site, servers = launch.prepare(free_ports=True, servers_only=True)
    launch.run(site, [server for server in servers if server.name in sys.argv[1:]], lambda _now: None)


if __name__ == "__main__":
    main()
