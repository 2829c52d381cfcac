"""Whether a server that is starting gets on, however slowly: by the CPU time of its processes and by its log."""

from dataclasses import dataclass
from pathlib import Path

import psutil

# Often enough for a display, and rare enough for a machine that is short of processors: a look takes some milliseconds.
_LOOK_EVERY_S = 2.0
_LOOKS_IN_PATIENCE = 10
# Two looks that are further apart say that we were held up too: a machine that was paused proves nothing.
_COUNTED_LOOKS = 5
# Tells a start from a hang: ten times what a hang uses. A JVM with Trino's options whose main thread slept used 0.0003 cores,
# for timers and collector threads. Trino's start took 35 s of CPU time in 114 s on two cores with a load of 6, once 0.005
# cores for 15 s since it stands back; with a load of 30 it took 373 s. A server that is all there and does not answer is not
# told apart by this: idle, Kafka and ClickHouse use 0.03 cores, SeaweedFS 0.08. What it uses and why it is not up is shown,
# and a person decides.
GETS_ON_CORES = 0.003


@dataclass(frozen=True)
class Traces:
    """What a server has left behind so far."""

    cpu_s: float = 0.0
    """Seconds of CPU time of its processes, those included that have ended."""
    log_bytes: int = 0

    @classmethod
    def of(cls, pid: int, log: Path) -> "Traces":
        """The traces of a process, with all that it started, and of its log."""
        try:
            size = log.stat().st_size
        except OSError:
            size = 0
        return cls(_cpu_of_tree_s(pid), size)


class Progress:
    """How long a server has stood still, as seen by looks at its traces.

    It gets on while its log changes, or while it uses more than `GETS_ON_CORES` on average over the patience.
    """

    def __init__(self, patience_s: float, now: float, before: Traces) -> None:
        """Begin at a start, with a log that earlier starts may have written to.

        Args:
            patience_s: seconds that it may stand still.
            now: as of `time.monotonic`, as everywhere here.
        """
        self.still_s = 0.0
        self.cores = 0.0
        """Cores that it used between the last two looks."""
        self._patience_s = patience_s
        self._every_s = min(_LOOK_EVERY_S, patience_s / _LOOKS_IN_PATIENCE)
        self._looked_at, self._seen = now, before
        self._unrewarded_s = 0.0  # CPU time since it was last seen to get on

    def due(self, now: float) -> bool:
        """Whether it is time for another look."""
        return now - self._looked_at >= self._every_s

    def look(self, now: float, traces: Traces | None) -> None:
        """Compare with the look before.

        Args:
            traces: None where they say nothing, and only its answer counts.
        """
        elapsed_s = now - self._looked_at
        self._looked_at = now
        self.still_s += min(elapsed_s, _COUNTED_LOOKS * self._every_s)
        if traces is None:
            return
        used_s = max(0.0, traces.cpu_s - self._seen.cpu_s)
        self.cores = used_s / elapsed_s if elapsed_s else 0.0
        self._unrewarded_s += used_s
        if traces.log_bytes != self._seen.log_bytes or self._unrewarded_s >= GETS_ON_CORES * self._patience_s:
            self.still_s = self._unrewarded_s = 0.0
        self._seen = traces

    @property
    def stands_still(self) -> bool:
        """Whether the patience is over."""
        return self.still_s >= self._patience_s


def _cpu_of_tree_s(pid: int) -> float:
    """CPU time of a process and all below it; 0 if it has ended."""
    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0.0
    total = 0.0
    for process in tree:
        try:
            # user, system, and both of the children that have ended and were waited for
            total += sum(process.cpu_times()[:4])
        except psutil.Error:  # ended meanwhile: the next look finds its time with its parent
            continue
    return total
