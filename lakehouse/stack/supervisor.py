"""Start the servers in order, keep them up, end them in reverse. One process, one thread, one tick a fifth of a second.

The thread matters: Linux ends a server when the *thread* that started it ends (see `process.spawn`).
"""

import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from textwrap import indent
from types import FrameType

from lakehouse.errors import LakehouseError, UsageError
from lakehouse.settings import PREFIX
from lakehouse.stack import state
from lakehouse.stack.process import Identity, end, spawn, stand_back, tail, trim
from lakehouse.stack.progress import GETS_ON_CORES, Progress, Traces
from lakehouse.stack.server import Server, Site
from lakehouse.stack.state import ServerState, StackState

log = logging.getLogger(__name__)

_TICK_S = 0.2
# Each server is asked that often once it is up; a crash is seen at the next tick, this finds the ones that hang.
_CHECK_EVERY_S = 5.0
# Longer than the longest pause seen of a healthy server on a loaded two-core machine (Trino, 20 s).
_HANGS_AFTER_S = 90.0
# One that is starting is asked each tick at first, then after 2 % of its time: each answer takes CPU time, of which a
# machine that makes it slow has none to spare, and which would look like progress.
_ASK_AFTER, _ASK_AT_LEAST_EVERY_S = 0.02, 1.0
# Silence shorter than that is not worth a word.
_STILL_TOLD_S = 30.0
# During the first start one failure is forgiven (a port in TIME_WAIT, a slow dependency, a disk that stalled), a second
# one in a row ends the start: a wrong configuration does not mend itself.
_FIRST_START_TRIES = 2
_BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
# A server that stayed up that long starts its next backoff from the beginning: what fails sooner would fail in a loop.
_FORGIVEN_AFTER_S = 12.0
_TRIM_EVERY_S = 60.0
# While the stack starts its state is written that often even if it did not change: who waits sees that we live.
_SIGN_OF_LIFE_S = 5.0
_TOLD_LINES = 3
_ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Supervised:
    """One server and where it stands."""

    def __init__(self, server: Server) -> None:
        """Nothing is started yet."""
        self.server = server
        self.state = ServerState(server.name, server.title, ports=server.ports)
        self.process: subprocess.Popen[bytes] | None = None
        self.fails_in_a_row = 0
        self.failure = ""  # the last one, until it is up
        self.unsettled = ""  # why it answers and still is not up
        self.progress = Progress(self.patience_s, 0.0, Traces())
        self.start_at = 0.0  # monotonic; not before
        self.asked_at = 0.0
        self.answered_at = 0.0
        self.started_at = 0.0

    @property
    def log(self) -> Path:
        """The file that holds what it prints."""
        return self.server.site.log_of(self.server.name)

    @property
    def patience_s(self) -> float:
        """Seconds that its start may stand still."""
        return self.server.settings.start_patience_s

    def start(self) -> None:
        """Write the configuration and start the process."""
        self.unsettled = ""
        self.asked_at = 0.0
        self.started_at = self.answered_at = time.monotonic()
        self.state.since = time.time()
        if not self.server.external:
            self.server.prepare()
            command, folder = self.server.command(), self.server.working_folder()
            self.process = spawn(command, self.log, folder, self.server.environment(), self._inherited())
            stand_back(self.process.pid, self.server.yields)
            self.state.process = Identity.of(self.process.pid)
        # preparing is not starting: it may take long on a loaded machine
        self.progress = Progress(self.patience_s, time.monotonic(), self._traces())
        self.state.state = state.STARTING
        self.state.message = f"a new attempt{self._before()}" if self.failure else ""

    def _inherited(self) -> dict[str, str]:
        """Our own variables; for a server that is no process of ours without our settings, some of which are secrets."""
        ours = self.server.takes_settings
        return {name: value for name, value in os.environ.items() if ours or not name.upper().startswith(PREFIX)}

    def answers(self) -> bool:
        """Ask it, and do what is to be done once it answers for the first time."""
        self.asked_at = time.monotonic()
        if not self.server.healthy():
            self.unsettled = ""
            return False
        if self.state.state == state.STARTING:
            try:
                self.server.settle()
            except (LakehouseError, OSError) as error:
                self.unsettled = str(error)
                return False
            self.state.message = self.failure = self.unsettled = ""
            self.state.up_after_s = round(time.monotonic() - self.started_at, 1)
        self.answered_at = time.monotonic()
        return True

    def has_come_up(self, now: float) -> bool:
        """Ask a server that is starting, if it is time to."""
        often_s = min(_ASK_AT_LEAST_EVERY_S, _ASK_AFTER * (now - self.started_at))
        return now - self.asked_at >= often_s and self.answers()

    def look(self, now: float) -> None:
        """See whether its start gets on, and say so. One that answers already, or is not ours, must come up by itself."""
        if self.progress.due(now):
            self.progress.look(now, None if self.unsettled or self.server.external else self._traces())
            self.state.message = f"{self._now()}{self._before()}"

    def _traces(self) -> Traces:
        return Traces.of(self.process.pid, self.log) if self.process else Traces()

    def _now(self) -> str:
        still_s = self.progress.still_s
        if self.unsettled:
            return f"answers, but is not ready: {self.unsettled}"
        if self.server.external:
            return f"does not answer, and is not ours to start; given up after {self.patience_s:.0f} s"
        if still_s >= _STILL_TOLD_S:
            return f"no progress for {still_s:.0f} s; after {self.patience_s:.0f} s it is started again"
        return f"it uses {self.progress.cores:.2f} cores"

    def _before(self) -> str:
        return f"; before that it {self.failure}" if self.failure else ""

    def stands_still(self) -> str:
        """What is to be told of a start that stood still for too long; empty while it did not."""
        if not self.progress.stands_still:
            return ""
        limit = f"{self.patience_s:g} s (LAKEHOUSE_START_PATIENCE_S)"
        if self.unsettled:
            return f"answers, but was not ready for {limit}: {self.unsettled}"
        if self.server.external:
            return f"did not answer for {limit}"
        return f"made no progress for {limit}: nothing new in its log, and less than {GETS_ON_CORES:g} cores used"


def stop(together: Sequence[Supervised]) -> None:
    """End the processes of servers of one kind side by side, and forget them."""
    running = {one.process: one for one in together if one.process is not None}
    limit_s = max((one.server.stop_limit_s for one in together), default=0.0)
    for process in end(list(running), limit_s):
        log.warning("%s did not end within %.0f s and was killed", running[process].server.name, limit_s)
    for one in together:
        one.process = one.state.process = None


class Supervisor:
    """Runs a list of servers, in an order in which each comes after those that it needs."""

    def __init__(self, site: Site, servers: Sequence[Server], watch: Callable[[StackState], None]) -> None:
        """Args:
        watch: called after each tick with the present state, for a display.
        """
        me = Identity.of(os.getpid())
        assert me is not None
        self.site = site
        self.all = [Supervised(server) for server in servers]
        self.stack = StackState(me, servers=[one.state for one in self.all])
        self.watch = watch
        self.ending = False
        self.written = ""
        self.written_at = 0.0
        self.unwritten = ""  # why not, as last said
        self.trimmed_at = 0.0

    def run(self) -> None:
        """Start everything and keep it up until SIGTERM, SIGINT or SIGHUP (a closed terminal).

        Raises:
            LakehouseError: a server did not start; everything was ended again.
        """
        previous = {number: signal.signal(number, self._asked_to_end) for number in _ENDS}
        try:
            while not self.ending:
                self._tick()
                time.sleep(_TICK_S)
        except (LakehouseError, OSError) as error:
            self.stack.phase, self.stack.message = "failed", str(error)
            log.error("%s", error)
            raise
        finally:
            self._end_all()
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _asked_to_end(self, number: int, _frame: FrameType | None) -> None:
        log.info("asked to end by %s", signal.Signals(number).name)
        self.ending = True

    def _tick(self) -> None:
        for one in self.all:
            if self.ending:
                return
            self._advance(one)
        if self.stack.phase == "starting" and all(one.state.state in (state.UP, state.EXTERNAL) for one in self.all):
            self.stack.phase = "up"
            log.info("everything is up after %.1f s", time.time() - self.stack.since)
        now = time.monotonic()
        if now - self.trimmed_at > _TRIM_EVERY_S:
            self.trimmed_at = now
            for one in self.all:
                trim(self.site.log_of(one.server.name))
        self._publish()

    def _advance(self, one: Supervised) -> None:
        """Bring one server a step further."""
        now = time.monotonic()
        if one.state.state in (state.WAITING, state.DOWN):
            if now >= one.start_at and self._needs_are_up(one):
                self._start(one)
        elif one.process is not None and (code := one.process.poll()) is not None:
            self._fell(one, f"ended with {_told(code)}")
        elif one.state.state == state.STARTING:
            if one.has_come_up(now):
                one.state.state = state.EXTERNAL if one.server.external else state.UP
                log.info("%s is up after %.1f s", one.server.name, one.state.up_after_s or 0)
                return
            one.look(now)
            if what := one.stands_still():
                self._fell(one, what)
        elif now - one.asked_at > _CHECK_EVERY_S:
            self._check(one, now)

    def _start(self, one: Supervised) -> None:
        try:
            one.start()
        except (LakehouseError, OSError) as error:
            if self._ends_the_start(one, isinstance(error, UsageError)):
                one.state.state = state.FAILED
                raise
            self._fell(one, f"could not be started: {error}")

    def _ends_the_start(self, one: Supervised, for_certain: bool) -> bool:
        """Whether a failure of one ends the start of all: one that will not mend itself."""
        return self.stack.phase == "starting" and (for_certain or one.fails_in_a_row + 1 >= _FIRST_START_TRIES)

    def _check(self, one: Supervised, now: float) -> None:
        """Ask a server that was up; restart one that has said nothing for long."""
        if one.answers():
            if now - one.started_at > _FORGIVEN_AFTER_S:
                one.fails_in_a_row = 0
        elif now - one.answered_at > _HANGS_AFTER_S and not one.server.external:
            self._fell(one, f"runs but has not answered for {_HANGS_AFTER_S:.0f} s")

    def _needs_are_up(self, one: Supervised) -> bool:
        up = {other.server.name for other in self.all if other.state.state in (state.UP, state.EXTERNAL)}
        mine = {other.server.name for other in self.all}
        return all(need in up for need in one.server.after if need in mine)

    def _fell(self, one: Supervised, what: str) -> None:
        """A server ended or hangs: plan its restart while the others stay, or give up a first start that can't succeed."""
        ran = one.process is not None
        stop([one])
        log.warning("%s %s; last lines of %s:\n%s", one.server.name, what, one.log, tail(one.log, 8))
        if self._ends_the_start(one, one.server.external):
            one.state.state = state.FAILED
            raise LakehouseError(_failure(one, what))
        one.fails_in_a_row += 1
        pause = _BACKOFF_S[min(one.fails_in_a_row, len(_BACKOFF_S)) - 1]
        lines = tail(one.log, _TOLD_LINES) if ran else ""
        one.failure = f"{what}. Its last lines:\n{indent(lines, '  ')}" if lines else what
        one.state.state, one.state.message = state.DOWN, f"starts again in {pause:g} s; it {one.failure}"
        one.state.restarts += 1
        one.start_at = time.monotonic() + pause
        log.info("%s starts again in %.1f s", one.server.name, pause)

    def _end_all(self) -> None:
        failed = self.stack.phase == "failed"
        if not failed:
            self.stack.phase = "ending"
        # workers together: each that leaves by itself would make the others rebalance
        for _, group in groupby(reversed(self.all), key=lambda one: type(one.server)):
            self._publish()
            kind = list(group)
            stop(kind)
            for one in kind:
                one.state.message = ""
                if one.state.state != state.FAILED:
                    one.state.state = state.WAITING
        if not failed:
            self.stack.phase = "down"
        self._publish()
        log.info("ended")

    def _publish(self) -> None:
        """Write the state down if it changed, and show it."""
        now, at = repr(self.stack), time.monotonic()
        if now != self.written or (self.stack.phase == "starting" and at - self.written_at > _SIGN_OF_LIFE_S):
            try:
                self.stack.write(self.site.folder)
                self.written, self.written_at, self.unwritten = now, at, ""
            except OSError as error:  # a full disk is no reason to end servers that run; tried again at the next tick
                if self.stack.phase == "starting":
                    raise
                if self.unwritten != str(error):
                    self.unwritten = str(error)
                    log.warning("%s: %s", self.site.folder, error)
        try:
            self.watch(self.stack)
        except BrokenPipeError:
            raise
        except OSError as error:  # what is shown goes to a file on that disk
            if self.stack.phase == "starting":
                raise
            log.debug("not shown: %s", error)


def _told(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _failure(one: Supervised, what: str) -> str:
    if one.server.external:
        return f"{one.server.title} {what}; it is not ours to start (LAKEHOUSE_ settings name another machine)"
    return f"{one.server.title} {what}. Its last lines, from {one.log}:\n{tail(one.log)}"
