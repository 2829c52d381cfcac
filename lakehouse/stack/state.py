"""What a running stack writes down for other commands: `<data_dir>/stack.json`, and the lock that makes it one."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from lakehouse.stack.process import Identity

STATE_FILE = "stack.json"
LOCK_FILE = "stack.lock"

# the words that a server's state is told in
WAITING, STARTING, UP, DOWN, FAILED, EXTERNAL = "waiting", "starting", "up", "restarting", "failed", "external"


@dataclass
class ServerState:
    """One server as `status` shows it. Times are seconds since the epoch."""

    name: str
    title: str
    state: str = WAITING
    process: Identity | None = None
    since: float | None = None
    """When its present process was started."""
    up_after_s: float | None = None
    """Seconds from that start until it answered."""
    restarts: int = 0
    ports: dict[str, int] = field(default_factory=dict)
    message: str = ""


@dataclass
class StackState:
    """The supervisor and its servers; `phase` is starting, up, failed, ending or down."""

    supervisor: Identity
    phase: str = "starting"
    since: float = field(default_factory=time.time)
    message: str = ""
    servers: list[ServerState] = field(default_factory=list)
    told_at: float = field(default=0.0, repr=False)
    """When this was written; while it starts, a few seconds ago at most."""

    def processes(self) -> list[Identity]:
        """Every process of the servers."""
        return [one.process for one in self.servers if one.process]

    def write(self, folder: Path) -> None:
        """Replace the file in one step, so that a reader never sees half of it."""
        self.told_at = time.time()
        fresh = folder / f"{STATE_FILE}.new"
        fresh.write_text(json.dumps(asdict(self), indent=1))
        os.replace(fresh, folder / STATE_FILE)

    @classmethod
    def read(cls, folder: Path) -> "StackState | None":
        """What was written last; None if nothing was."""
        try:
            raw = json.loads((folder / STATE_FILE).read_text())
        except (OSError, ValueError):
            return None
        servers = [ServerState(**{**one, "process": _identity(one["process"])}) for one in raw.pop("servers")]
        return cls(**{**raw, "supervisor": Identity(**raw["supervisor"]), "servers": servers})


def _identity(raw: dict[str, Any] | None) -> Identity | None:
    return Identity(**raw) if raw else None


@contextlib.contextmanager
def stack_lock(folder: Path, patience_s: float = 0.0) -> Iterator[bool]:
    """Hold the stack's lock; gives False if another process holds it. The kernel frees it when its holder dies.

    Args:
        patience_s: how long to try, for one who must not be put off by another's short look.
    """
    limit = time.monotonic() + patience_s
    # not inherited by the servers (Python opens with O_CLOEXEC), so it is free once the supervisor has ended
    with (folder / LOCK_FILE).open("a") as file:
        while not _lock(file):
            if time.monotonic() >= limit:
                yield False
                return
            time.sleep(0.05)
        yield True


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(folder: Path) -> bool:
    """Whether a supervisor runs in this folder."""
    if not (folder / LOCK_FILE).exists():
        return False
    with stack_lock(folder) as free:
        return not free
