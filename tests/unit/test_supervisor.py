"""The supervisor, driven with processes of no consequence."""

import errno
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings
from lakehouse.stack.server import Server, Site
from lakehouse.stack.state import StackState
from lakehouse.stack.supervisor import Supervisor

SLEEP = "import time; time.sleep(60)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)


class Dummy(Server):
    """Runs a line of Python; healthy as the test says."""

    def __init__(self, site: Site, name: str, code: str = SLEEP, after: tuple[str, ...] = ()) -> None:
        super().__init__(site)
        self.name, self.title, self.code, self.after = name, name, code, after
        self.is_healthy: Callable[[], bool] = lambda: True

    def command(self) -> list[str]:
        return [sys.executable, "-c", self.code]

    def healthy(self) -> bool:
        return self.is_healthy()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(Settings(data_dir=tmp_path), tmp_path, {})


def supervise(
    site: Site, servers: list[Server], until: Callable[[StackState], bool], seconds: float = 20
) -> Supervisor:
    """Run until the state is as wanted, then end as SIGTERM would; fails if it never is."""
    limit = time.monotonic() + seconds
    reached = False

    def watch(now: StackState) -> None:
        nonlocal reached
        if now.phase in ("starting", "up"):
            reached = reached or until(now)
            supervisor.ending = reached or time.monotonic() > limit

    supervisor = Supervisor(site, servers, watch)
    supervisor.run()
    assert reached
    return supervisor


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


def test_a_server_waits_for_those_it_needs_and_all_are_ended(site: Site) -> None:
    seen: list[list[str]] = []
    pids: set[int] = set()

    def until(now: StackState) -> bool:
        seen.append([one.state for one in now.servers])
        pids.update(one.process.pid for one in now.servers if one.process)
        return now.phase == "up"

    slow, needs_it = Dummy(site, "slow"), Dummy(site, "needs-it", after=("slow",))
    ready_at = time.monotonic() + 0.6
    slow.is_healthy = lambda: time.monotonic() > ready_at
    supervise(site, [needs_it, slow], until)
    assert ["waiting", "starting"] in seen
    assert ["starting", "starting"] not in seen
    assert len(pids) == 2
    assert alive(sorted(pids)) == []


def test_a_first_start_that_fails_twice_shows_the_last_lines_of_the_log_and_ends_the_others(site: Site) -> None:
    broken = Dummy(site, "broken", "import sys; sys.exit('the disk is upside down')")
    pids: set[int] = set()

    def watch(now: StackState) -> None:
        pids.update(one.process.pid for one in now.servers if one.process)

    with pytest.raises(LakehouseError, match=r"(?s)broken ended with exit code 1.*the disk is upside down") as told:
        Supervisor(site, [Dummy(site, "fine"), broken], watch).run()
    assert str(site.log_of("broken")) in str(told.value)
    assert alive(sorted(pids)) == []
    last = StackState.read(site.folder)
    assert last is not None
    assert last.phase == "failed"


def test_a_display_that_cannot_be_written_is_no_reason_to_end_servers_that_run(site: Site) -> None:
    """As where `up` writes to a file on a disk that is full."""
    shown = 0

    def watch(now: StackState) -> None:
        nonlocal shown
        shown += now.phase == "up"
        supervisor.ending = shown == 3
        if now.phase == "up":
            raise OSError(errno.ENOSPC, "No space left on device")

    supervisor = Supervisor(site, [Dummy(site, "one")], watch)
    supervisor.run()
    assert supervisor.stack.phase == "down"


def test_a_server_that_dies_later_is_started_again_and_counted(site: Site) -> None:
    killed: list[int] = []

    def until(now: StackState) -> bool:
        (one,) = now.servers
        if now.phase == "up" and one.process and not killed:
            killed.append(one.process.pid)
            psutil.Process(one.process.pid).kill()
        return one.restarts == 1 and one.state == "up"

    supervisor = supervise(site, [Dummy(site, "mortal")], until)
    assert supervisor.stack.phase == "down"


def test_a_server_that_ignores_sigterm_is_killed(site: Site) -> None:
    deaf = Dummy(site, "deaf", STUBBORN)
    deaf.stop_limit_s = 0.3
    deaf.is_healthy = lambda: site.log_of("deaf").read_text() == "deaf\n"
    pids: set[int] = set()

    def until(now: StackState) -> bool:
        pids.update(one.process.pid for one in now.servers if one.process)
        return now.phase == "up"

    supervise(site, [deaf], until)
    assert pids
    assert alive(sorted(pids)) == []


def test_a_server_that_cannot_settle_is_asked_again(site: Site) -> None:
    tries: list[int] = []

    class Late(Dummy):
        def settle(self) -> None:
            tries.append(1)
            if len(tries) < 3:
                raise LakehouseError("the catalog is not there yet")

    supervise(site, [Late(site, "late")], lambda now: now.phase == "up")
    assert len(tries) == 3
