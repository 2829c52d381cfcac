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
from types import FrameType

from lakehouse.errors import LakehouseError
from lakehouse.settings import PREFIX
from lakehouse.stack import state
from lakehouse.stack.process import Identity, end, spawn, stand_back, tail, trim
from lakehouse.stack.server import Server, Site
from lakehouse.stack.state import ServerState, StackState

log = logging.getLogger(__name__)

_TICK_S = 0.2
# Each server is asked that often once it is up; a crash is seen at the next tick, this finds the ones that hang.
_CHECK_EVERY_S = 5.0
# Longer than the longest pause seen of a healthy server on a loaded two-core machine (Trino, 20 s).
_HANGS_AFTER_S = 90.0
# A server that somebody else runs is up already, or is not coming.
_EXTERNAL_LIMIT_S = 20.0
# During the first start one crash is forgiven (a port in TIME_WAIT, a slow dependency), a second one is told.
_FIRST_START_TRIES = 2
_BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
# A server that stayed up that long starts its next backoff from the beginning: what fails sooner would fail in a loop.
_FORGIVEN_AFTER_S = 12.0
_TRIM_EVERY_S = 60.0
_ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Supervised:
    """One server and where it stands."""

    def __init__(self, server: Server) -> None:
        """Nothing is started yet."""
        self.server = server
        self.state = ServerState(server.name, server.title, ports=server.ports)
        self.process: subprocess.Popen[bytes] | None = None
        self.fails_in_a_row = 0
        self.start_at = 0.0  # monotonic; not before
        self.asked_at = 0.0
        self.answered_at = 0.0
        self.started_at = 0.0

    def start(self) -> None:
        """Write the configuration and start the process."""
        self.state.message = ""
        self.started_at = self.answered_at = time.monotonic()
        self.state.since = time.time()
        if self.server.external:
            self.state.state = state.STARTING
            return
        self.server.prepare()
        log_file = self.server.site.log_of(self.server.name)
        self.process = spawn(self.server.command(), log_file, self.server.working_folder(), self._environment())
        stand_back(self.process.pid, self.server.yields)
        self.state.process = Identity.of(self.process.pid)
        self.state.state = state.STARTING

    def _environment(self) -> dict[str, str]:
        """Our own variables and its own; where it is no process of ours, without our settings, some of which are secrets."""
        ours = self.server.takes_settings
        return {
            **{name: value for name, value in os.environ.items() if ours or not name.upper().startswith(PREFIX)},
            **self.server.environment(),
        }

    def answers(self) -> bool:
        """Ask it, and do what is to be done once it answers for the first time."""
        self.asked_at = time.monotonic()
        if not self.server.healthy():
            return False
        if self.state.state == state.STARTING:
            try:
                self.server.settle()
            except (LakehouseError, OSError) as error:
                self.state.message = str(error)
                return False
            self.state.message = ""
            self.state.up_after_s = round(time.monotonic() - self.started_at, 1)
        self.answered_at = time.monotonic()
        return True


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
            if one.answers():
                one.state.state = state.EXTERNAL if one.server.external else state.UP
                log.info("%s is up after %.1f s", one.server.name, one.state.up_after_s or 0)
            elif now - one.started_at > (
                limit := _EXTERNAL_LIMIT_S if one.server.external else one.server.start_limit_s
            ):
                why = f": {one.state.message}" if one.state.message else ""
                self._fell(one, f"did not answer within {limit:.0f} s{why}")
        elif now - one.asked_at > _CHECK_EVERY_S:
            self._check(one, now)

    def _start(self, one: Supervised) -> None:
        try:
            one.start()
        except (LakehouseError, OSError) as error:
            if self.stack.phase == "starting":
                raise
            self._fell(one, f"could not be started: {error}")

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
        """A server ended or hangs: plan its restart, or give up if the stack never was up."""
        one.fails_in_a_row += 1
        stop([one])
        file = self.site.log_of(one.server.name)
        log.warning("%s %s; last lines of %s:\n%s", one.server.name, what, file, tail(file, 8))
        if self.stack.phase == "starting" and (one.fails_in_a_row >= _FIRST_START_TRIES or one.server.external):
            one.state.state = state.FAILED
            raise LakehouseError(_failure(one, what))
        pause = _BACKOFF_S[min(one.fails_in_a_row, len(_BACKOFF_S)) - 1]
        one.state.state, one.state.message = state.DOWN, what
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
        now = repr(self.stack)
        if now != self.written:
            try:
                self.stack.write(self.site.folder)
                self.written, self.unwritten = now, ""
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
    file = one.server.site.log_of(one.server.name)
    return f"{one.server.title} {what}. Its last lines, from {file}:\n{tail(file)}"
