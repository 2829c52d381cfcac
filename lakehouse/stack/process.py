"""Start and end processes so that none is ever left over."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

# A log is moved aside when it is this large, so that a stack that runs for months keeps at most twice that a server.
_LOG_LIMIT_BYTES = 64 * 1024 * 1024
_PR_SET_PDEATHSIG = 1
# Two clocks meet here: psutil's start time is in ticks of 10 ms, rounded.
_SAME_START_S = 0.05


@dataclass(frozen=True)
class Identity:
    """A process, told apart from a later one that was given the same number."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """The process that has this number now; None if there is none."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.Error:
            return None

    def alive(self) -> bool:
        """Whether it still runs; a zombie, ended but not yet reaped, does not."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < _SAME_START_S
            return bool(same and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return False

    def memory_bytes(self) -> int:
        """Resident memory, 0 if it does not run."""
        try:
            return int(psutil.Process(self.pid).memory_info().rss) if self.alive() else 0
        except psutil.Error:
            return 0

    def send(self, number: signal.Signals) -> None:
        """Signal the process, unless it has ended."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, seconds: float) -> bool:
        """Wait for its end; whether it has ended."""
        limit = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > limit:
                return False
            time.sleep(0.02)
        return True


def spawn(
    command: Sequence[str],
    log: Path,
    folder: Path,
    variables: Mapping[str, str],
    inherited: Mapping[str, str] = os.environ,
) -> "subprocess.Popen[bytes]":
    """Start a process in its own session, its output appended to a log; Linux kills it when we die.

    Args:
        variables: on top of those that it inherits.

    The kernel watches the *thread* that started it: call this from a thread that lives as long as the stack.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            list(command),
            cwd=folder,
            env={**inherited, **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with(os.getpid()),
        )


def stand_back(pid: int, niceness: int) -> None:
    """Let a process that was just started wait for others where processors are short.

    Linux shares them out among sessions first (`sched_autogroup_enabled`), where a process's own niceness says nothing.
    """
    if niceness:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, pid, niceness)
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/autogroup").write_text(str(niceness))


def _die_with(parent: int) -> Callable[[], None] | None:
    """What a child runs before exec: SIGKILL for it when its parent ends, for whatever reason."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)  # loaded before the fork: the child may not take locks

    def ask_the_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died between fork and prctl
            os._exit(1)

    return ask_the_kernel


def end(processes: "Sequence[subprocess.Popen[bytes]]", limit_s: float) -> "list[subprocess.Popen[bytes]]":
    """SIGTERM to all of them, SIGKILL to those that still run when the time is over; gives those that were killed."""
    running = [one for one in processes if one.poll() is None]
    for one in running:
        one.terminate()
    limit = time.monotonic() + limit_s
    killed = []
    for one in running:
        try:
            one.wait(max(0.0, limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            one.kill()
            one.wait()
            killed.append(one)
    return killed


def trim(log: Path) -> None:
    """Move a log that has become too large aside, to `<name>.log.1`, without disturbing the process that writes it."""
    with contextlib.suppress(OSError):
        if log.stat().st_size > _LOG_LIMIT_BYTES:
            # copied and cut, not renamed: the writer appends, so it goes on at the new end
            Path(f"{log}.1").write_bytes(log.read_bytes())
            os.truncate(log, 0)


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log; empty if there is none."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - 64 * 1024))
            text = stream.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.rstrip().splitlines()[-lines:])
