"""Watches a process while it works: when it began, what it used of processor and memory."""

import re
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

import psutil

from lakehouse.errors import LakehouseError
from lakehouse.stack.process import end, spawn, tail

# A run takes seconds; this is how exactly its start is known.
_LOOK_EVERY_S = 0.02
# Asking the catalog costs the machine some milliseconds each time.
_ASK_EVERY_S = 0.25
_END_LIMIT_S = 30.0


def cpu_seconds(process: psutil.Process) -> float:
    """Processor time of all threads, in user and kernel, up to now."""
    times = process.cpu_times()
    return float(times.user + times.system)


def peak_bytes(process: psutil.Process) -> int:
    """The most memory that was resident at once up to now; where the kernel does not tell, what is resident now."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    except OSError:
        found = None
    return int(found[1]) * 1024 if found else int(process.memory_info().rss)


@dataclass
class Watched:
    """What was seen of a process.

    Attributes:
        began: when its log said that the partitions are its own (seconds since the epoch).
        peak: bytes.
    """

    began: float = 0.0
    peak: int = 0
    _at: list[float] = field(default_factory=list)
    _cpu: list[float] = field(default_factory=list)
    _cpu_of_servers: list[float] = field(default_factory=list)

    def note(self, process: psutil.Process, servers: list[psutil.Process]) -> None:
        """Look once."""
        self.peak = max(self.peak, peak_bytes(process))
        self._at.append(time.time())
        self._cpu.append(cpu_seconds(process))
        self._cpu_of_servers.append(sum(map(cpu_seconds, servers)))

    def cpu_s(self, until: float) -> float:
        """Processor seconds of the process from its beginning to a moment."""
        return self._between(self._cpu, until)

    def cpu_s_of_servers(self, until: float) -> float:
        """The same of Kafka, S3, catalog and Redis together."""
        return self._between(self._cpu_of_servers, until)

    def _between(self, used: list[float], until: float) -> float:
        first, last = (min(bisect_left(self._at, moment), len(used) - 1) for moment in (self.began, until))
        return used[last] - used[first]


class Racer:
    """A process under watch."""

    def __init__(self, command: list[str], log: Path, variables: dict[str, str], servers: list[psutil.Process]) -> None:
        self._log = log
        self._servers = servers
        self._started: Popen[bytes] = spawn(command, log, Path.cwd(), variables)
        self._process = psutil.Process(self._started.pid)
        self.seen = Watched()

    def until_assigned(self, line: str, times: int, limit_s: float) -> None:
        """Wait until a pattern has been printed so many times; the clock begins there.

        Raises:
            LakehouseError: the process ended, or the time is over.
        """
        pattern = re.compile(line)
        self._until(lambda: len(pattern.findall(self._printed())) >= times, limit_s, _LOOK_EVERY_S)
        self.seen.began = time.time()

    def until(self, done: Callable[[], bool], limit_s: float) -> None:
        """Wait until something is so; asked four times a second.

        Raises:
            LakehouseError: the process ended, or the time is over.
        """
        self._until(done, limit_s, _ASK_EVERY_S)

    def _until(self, done: Callable[[], bool], limit_s: float, ask_every_s: float) -> None:
        limit, ask_at = time.monotonic() + limit_s, 0.0
        while True:
            if self._started.poll() is not None:
                raise LakehouseError(f"it ended by itself ({self._started.returncode}):\n{tail(self._log, 30)}")
            self.seen.note(self._process, self._servers)
            if time.monotonic() >= ask_at:
                if done():
                    return
                ask_at = time.monotonic() + ask_every_s
            if time.monotonic() > limit:
                raise LakehouseError(f"not done after {limit_s:.0f} s:\n{tail(self._log, 30)}")
            time.sleep(_LOOK_EVERY_S)

    def leave(self) -> None:
        """Ask it to end, and watch it to its end."""
        self._started.terminate()
        limit = time.monotonic() + _END_LIMIT_S
        while self._started.poll() is None and time.monotonic() < limit:
            try:
                if self._process.status() != psutil.STATUS_ZOMBIE:
                    self.seen.note(self._process, self._servers)
            except psutil.Error:
                break
            time.sleep(_LOOK_EVERY_S)
        self.close()

    def close(self) -> None:
        """See that it is gone."""
        end([self._started], 1.0)

    def _printed(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""


@contextmanager
def racing(command: list[str], log: Path, variables: dict[str, str], servers: list[psutil.Process]) -> Iterator[Racer]:
    """A process that is gone after the block, whatever happens."""
    racer = Racer(command, log, variables, servers)
    try:
        yield racer
    finally:
        racer.close()
