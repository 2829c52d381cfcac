"""Start a stack in the foreground or the background, and end it."""

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from lakehouse.errors import LakehouseError
from lakehouse.settings import settings
from lakehouse.stack.ports import require_free
from lakehouse.stack.process import end, tail
from lakehouse.stack.server import Server, Site
from lakehouse.stack.servers import all_servers, the_line
from lakehouse.stack.site import make_folder, read_site, settle_site, unwritable
from lakehouse.stack.state import StackState, is_locked, stack_lock
from lakehouse.stack.supervisor import Supervisor

Watch = Callable[[StackState], None]
SUPERVISOR_LOG = "supervisor"
_POLL_S = 0.1
# Whether a start gets on is the supervisor's to judge; this only guards against one that hangs. It renews its state every
# 5 s, less often while it prepares a server: a second JVM formats Kafka's folder, Trino's plugins are unpacked.
_SILENT_LIMIT_S = 300.0
# Another command looks at the lock for less than a millisecond, a second `up` holds it while it settles ports.
_LOCK_PATIENCE_S = 1.0
# All servers one after the other, each with the time it may take.
_DOWN_LIMIT_S = 120.0


class AlreadyUp(LakehouseError):
    """A stack runs in this folder; nothing was changed."""


def refuse_second() -> None:
    """Raise AlreadyUp if a supervisor runs in this folder."""
    if is_locked(settings().data_dir.absolute()):
        raise _already_up()


def prepare(free_ports: bool, servers_only: bool) -> tuple[Site, list[Server]]:
    """Settle the site and see that nothing is in the way.

    Raises:
        AlreadyUp: a supervisor runs here.
        LakehouseError: a port is in use, or the folder cannot be written.
    """
    folder = make_folder()
    with stack_lock(folder, _LOCK_PATIENCE_S) as free:  # of two `up` at once, one makes the secrets
        if not free:
            raise _already_up()
        end_leftovers()
        site = settle_site(free_ports)
    servers = all_servers(site) + ([] if servers_only else the_line(site))
    titles = {name: server.title for server in servers if not server.external for name in server.port_names}
    require_free(titles, site.ports)
    return site, servers


def _already_up() -> AlreadyUp:
    folder = settings().data_dir.absolute()
    now = StackState.read(folder)
    how = "starting" if now is not None and now.phase == "starting" else "up"
    return AlreadyUp(f"the stack in {folder} is already {how}; `lakehouse status` shows it, `lakehouse down` ends it")


def run(site: Site, servers: list[Server], watch: Watch) -> None:
    """Supervise in this process until it is told to end.

    Raises:
        AlreadyUp: another supervisor was quicker.
        LakehouseError: a server did not start; nothing is left running.
    """
    logging.Formatter.converter = time.gmtime
    logging.raiseExceptions = False  # a log that can't be written, on a full disk, is no news for the terminal
    logging.basicConfig(
        filename=site.log_of(SUPERVISOR_LOG), level=logging.INFO, format="%(asctime)sZ %(levelname)s %(message)s"
    )
    try:
        with stack_lock(site.folder, _LOCK_PATIENCE_S) as free:
            if not free:
                raise _already_up()
            Supervisor(site, servers, watch).run()
    except OSError as error:
        raise unwritable(site.folder, error) from error


def run_detached(site: Site, servers_only: bool, watch: Watch) -> None:
    """Start a supervisor that outlives us and wait until everything is up, as long as that takes.

    Raises:
        LakehouseError: something did not start; nothing is left running.
    """
    command = [sys.executable, "-m", "lakehouse.stack.launch", *(["--servers-only"] if servers_only else [])]
    log = site.log_of(SUPERVISOR_LOG)
    with log.open("ab") as output:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        _wait_until_up(site, child, watch)
    except BaseException:  # also Ctrl-C while we wait: what was half started is ended
        for _ in end([child], _DOWN_LIMIT_S):
            end_leftovers()
        raise


def _wait_until_up(site: Site, child: "subprocess.Popen[bytes]", watch: Watch) -> None:
    """Wait for as long as the supervisor lives and says so; it is the one that gives a start up."""
    limit_s = max(_SILENT_LIMIT_S, site.settings.start_patience_s)
    heard, heard_at = 0.0, time.monotonic()
    while True:
        ended = child.poll() is not None  # asked first: then what it wrote last is what is read
        now = StackState.read(site.folder)
        mine = now if now is not None and now.supervisor.pid == child.pid else None
        if mine is not None:
            watch(mine)
        if ended:
            raise LakehouseError(mine.message if mine and mine.message else _last_words(site, "ended"))
        if mine is not None and mine.phase == "up":
            return
        if mine is not None and mine.told_at != heard:
            heard, heard_at = mine.told_at, time.monotonic()
        if time.monotonic() - heard_at > limit_s:
            raise LakehouseError(_last_words(site, f"has not been heard of for {limit_s:g} s and was ended"))
        time.sleep(_POLL_S)


def _last_words(site: Site, what: str) -> str:
    log = site.log_of(SUPERVISOR_LOG)
    return f"the supervisor {what}. Its last lines, from {log}:\n{tail(log)}"


def end_stack() -> bool:
    """End the stack of this folder, and whatever of it is left; whether anything ran.

    Raises:
        LakehouseError: a process could not be ended.
    """
    folder = settings().data_dir.absolute()
    now = StackState.read(folder)
    if now is None:
        return False
    ran = now.supervisor.alive()
    if ran:
        now.supervisor.send(signal.SIGTERM)
        if not now.supervisor.wait(_DOWN_LIMIT_S):
            now.supervisor.send(signal.SIGKILL)
            now.supervisor.wait(5)
    return end_leftovers() or ran


def end_leftovers() -> bool:
    """End processes that a supervisor left behind; whether there were any.

    The kernel ends them with their supervisor. This is for the systems where it cannot.
    """
    now = StackState.read(settings().data_dir.absolute())
    left = [one for one in now.processes() if one.alive()] if now else []
    for one in left:
        one.send(signal.SIGTERM)
    for one in left:
        if not one.wait(10):
            one.send(signal.SIGKILL)
            if not one.wait(5):
                raise LakehouseError(f"process {one.pid} of the stack could not be ended; end it by hand")
    return bool(left)


def main() -> None:
    """The background supervisor: the site was settled by the command that started it."""
    site = read_site()
    servers = all_servers(site) + ([] if "--servers-only" in sys.argv else the_line(site))
    try:
        run(site, servers, lambda _now: None)
    except LakehouseError:
        sys.exit(1)  # told by the state file and the log


if __name__ == "__main__":
    main()
