"""Our own processes beside the servers: Faust workers, the orchestrator and the dashboard."""

import asyncio
import os
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

from lakehouse.stack.server import Server, Site, ask, is_local
from streams.worker.membership import end_former

# A process that fails at its first lines (an import, a setting) is dead by then; Python and Faust load for 3 s.
_SETTLED_AFTER_S = 4.0


class LineProcess(Server):
    """A process of ours. It is healthy while it runs: what it does is told by `lakehouse status` and `audit`."""

    started_at = 0.0
    takes_settings = True

    def prepare(self) -> None:
        """Note the time."""
        self.started_at = time.monotonic()

    def environment(self) -> dict[str, str]:
        """The folder of this stack, since another working folder may mean another relative one."""
        return {"LAKEHOUSE_DATA_DIR": str(self.site.folder), "PYTHONUNBUFFERED": "1"}

    def working_folder(self) -> Path:
        """Where the user called us: `.env` and relative paths of settings are read there."""
        return Path(os.getcwd())

    def healthy(self) -> bool:
        """Whether it has run for some seconds; its end is noticed by the supervisor itself."""
        return time.monotonic() - self.started_at > _SETTLED_AFTER_S


def worker_command(folder: Path) -> list[str]:
    """How a Faust worker is started; `folder` is for Faust's own files."""
    app = ("-A", "streams.worker.app", "--datadir", str(folder))
    return [sys.executable, "-m", "faust", *app, "worker", "--without-web", "-l", "info"]


class Worker(LineProcess):
    """One Faust worker, started as any Faust user starts one."""

    after = ("kafka", "seaweedfs", "redis")
    # bounded flush and commit, then the group is left; measured 3 s, more on a loaded machine
    stop_limit_s = 30.0

    def __init__(self, site: Site, number: int) -> None:
        """Worker `number` counts from 0 and has a log, a Faust folder and a consumer of its own."""
        super().__init__(site)
        self.number = number
        self.name = f"worker-{number}"
        self.title = f"Worker {number}"
        self._in_group = f"{socket.gethostname()}-{number}"

    def prepare(self) -> None:
        """Give the partitions of a worker that was killed to the others while it starts again.

        Where Kafka does not answer, the group does so when the worker's session ends.
        """
        super().prepare()
        now = self.settings
        with suppress(Exception):
            asyncio.run(end_former(now, now.consumer_group, self._in_group))

    def command(self) -> list[str]:
        """Faust's own command line."""
        return worker_command(self.site.folder_of("faust") / str(self.number))

    def environment(self) -> dict[str, str]:
        """Its name in the consumer group, which may span machines."""
        return {**super().environment(), "LAKEHOUSE_WORKER": self._in_group}


class Orchestrator(LineProcess):
    """Starts builds and copies when something was committed."""

    name = "orchestrator"
    title = "Orchestrator"
    after = ("seaweedfs", "trino", "clickhouse")

    def command(self) -> list[str]:
        """Its module."""
        return [sys.executable, "-m", "lakehouse.orchestrator"]


class Dashboard(LineProcess):
    """The web page over the copies. It needs nobody to start: what is not there yet, it says."""

    name = "dashboard"
    title = "Dashboard"
    port_names = ("dashboard",)
    stop_limit_s = 5.0

    @property
    def external(self) -> bool:  # type: ignore[override]
        """Whether the URL names another machine."""
        return not is_local(self.settings.dashboard_url)

    def command(self) -> list[str]:
        """Its module."""
        return [sys.executable, "-m", "lakehouse.dashboard.serve"]

    def healthy(self) -> bool:
        """Whether it answers."""
        return ask(f"{self.settings.dashboard_url.rstrip('/')}/api/health") is not None
