"""Watches a process while it works: when it began, what it used of processor and memory."""

import re
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
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
        peak: bytes, of the largest process.
    """

    began: float = 0.0
    peak: int = 0
    _at: list[float] = field(default_factory=list)
    _cpu: list[float] = field(default_factory=list)
    _cpu_of_servers: list[float] = field(default_factory=list)

    def note(self, processes: list[psutil.Process], servers: list[psutil.Process]) -> None:
        """Look once."""
        self.peak = max(self.peak, *map(peak_bytes, processes))
        self._at.append(time.time())
        self._cpu.append(sum(map(cpu_seconds, processes)))
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


@dataclass(frozen=True)
class Start:
    """How a process is started: its command, where its output goes, and its variables beside ours."""

    command: list[str]
    log: Path
    variables: dict[str, str] = field(default_factory=dict)


class Racer:
    """Processes under watch, which race as one."""

    def __init__(self, starts: Sequence[Start], servers: list[psutil.Process]) -> None:
        self._logs = [start.log for start in starts]
        self._servers = servers
        self._started: list[Popen[bytes]] = [spawn(s.command, s.log, Path.cwd(), s.variables) for s in starts]
        self._processes = [psutil.Process(one.pid) for one in self._started]
        self.seen = Watched()

    def until_assigned(self, line: str, times: int, limit_s: float) -> None:
        """Wait until each has printed a pattern so many times; the clock begins with the first that has.

        Raises:
            LakehouseError: the process ended, or the time is over.
        """
        pattern = re.compile(line)

        def ready() -> bool:
            have = [len(pattern.findall(_printed(log))) >= times for log in self._logs]
            if any(have) and not self.seen.began:
                self.seen.began = time.time()
            return all(have)

        self._until(ready, limit_s, _LOOK_EVERY_S)

    def until(self, done: Callable[[], bool], limit_s: float) -> None:
        """Wait until something is so; asked four times a second.

        Raises:
            LakehouseError: the process ended, or the time is over.
        """
        self._until(done, limit_s, _ASK_EVERY_S)

    def _until(self, done: Callable[[], bool], limit_s: float, ask_every_s: float) -> None:
        limit, ask_at = time.monotonic() + limit_s, 0.0
        while True:
            for one, log in zip(self._started, self._logs, strict=True):
                if one.poll() is not None:
                    raise LakehouseError(f"it ended by itself ({one.returncode}):\n{tail(log, 30)}")
            self.seen.note(self._processes, self._servers)
            if time.monotonic() >= ask_at:
                if done():
                    return
                ask_at = time.monotonic() + ask_every_s
            if time.monotonic() > limit:
                raise LakehouseError(f"not done after {limit_s:.0f} s:\n{tail(self._logs[0], 30)}")
            time.sleep(_LOOK_EVERY_S)

    def leave(self) -> None:
        """Ask them to end, and watch them until the first has."""
        for one in self._started:
            one.terminate()
        limit = time.monotonic() + _END_LIMIT_S
        while all(one.poll() is None for one in self._started) and time.monotonic() < limit:
            try:
                if all(process.status() != psutil.STATUS_ZOMBIE for process in self._processes):
                    self.seen.note(self._processes, self._servers)
            except psutil.Error:
                break
            time.sleep(_LOOK_EVERY_S)
        end(self._started, _END_LIMIT_S)

    def close(self) -> None:
        """See that they are gone."""
        end(self._started, 1.0)


def _printed(log: Path) -> str:
    return log.read_text(errors="replace") if log.exists() else ""


@contextmanager
def racing(starts: Sequence[Start], servers: list[psutil.Process]) -> Iterator[Racer]:
    """Processes that are gone after the block, whatever happens."""
    racer = Racer(starts, servers)
    try:
        yield racer
    finally:
        racer.close()
