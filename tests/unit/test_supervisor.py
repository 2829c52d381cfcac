"""The supervisor, driven with processes of no consequence."""

import errno
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from lakehouse.errors import LakehouseError, UsageError
from lakehouse.settings import Settings
from lakehouse.stack.server import Server, Site
from lakehouse.stack.state import StackState
from lakehouse.stack.supervisor import Supervisor

SLEEP = "import time; time.sleep(60)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)


TALKS = "import time\nfor number in range(600): print(number, flush=True); time.sleep(0.1)"
WORKS = "import time\nwhile True: sum(range(200_000)); time.sleep(0.05)"
HANGS_ONCE = """
import pathlib, time
again = pathlib.Path("ran").exists()
pathlib.Path("ran").touch()
print("ready" if again else "the first lines", flush=True)
time.sleep(60)
"""
# Seconds without progress that these tests allow: a hundredth of what people have.
PATIENCE_S = 2.0


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
    return Site(Settings(data_dir=tmp_path, start_patience_s=PATIENCE_S), tmp_path, {})


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


def ends_by_itself(
    site: Site, servers: list[Server], watch: Callable[[StackState], None] = lambda _now: None, seconds: float = 30
) -> None:
    """Run until the start is given up, which raises; ended without an error if it never is."""
    limit = time.monotonic() + seconds

    def looked_at(now: StackState) -> None:
        watch(now)
        supervisor.ending = supervisor.ending or time.monotonic() > limit

    supervisor = Supervisor(site, servers, looked_at)
    supervisor.run()


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


@pytest.mark.parametrize("code", [TALKS, WORKS], ids=["its log grows", "it uses processors"])
def test_a_slow_start_that_gets_on_is_waited_for(site: Site, code: str) -> None:
    told: set[str] = set()
    slow = Dummy(site, "slow", code)
    ready_at = time.monotonic() + 2.5 * PATIENCE_S
    slow.is_healthy = lambda: time.monotonic() > ready_at

    def until(now: StackState) -> bool:
        told.add(now.servers[0].message)
        return now.phase == "up"

    supervisor = supervise(site, [slow], until)
    assert supervisor.all[0].state.restarts == 0
    assert any(message.startswith("it uses ") for message in told), told


def test_a_start_that_stands_still_is_started_again_while_the_others_stay_up(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakehouse.stack.supervisor._STILL_TOLD_S", PATIENCE_S / 2)
    hanging, fine = Dummy(site, "hanging", HANGS_ONCE), Dummy(site, "fine")
    hanging.is_healthy = lambda: "ready" in site.log_of("hanging").read_text()
    pids: set[int] = set()
    told: list[str] = []

    def until(now: StackState) -> bool:
        pids.update(one.process.pid for one in now.servers if one.name == "fine" and one.process)
        told.append(now.servers[0].message)
        return now.phase == "up"

    supervisor = supervise(site, [hanging, fine], until)
    assert [one.state.restarts for one in supervisor.all] == [1, 0]
    assert len(pids) == 1
    assert any("no progress for 1 s; after 2 s it is started again" in message for message in told)
    why = "it made no progress for 2 s (LAKEHOUSE_START_PATIENCE_S): nothing new in its log, and less than 0.003 cores used"
    lines = ". Its last lines:\n  the first lines"
    assert f"starts again in 0.5 s; {why}{lines}" in told
    assert f"a new attempt; before that {why}{lines}" in told
    assert told[-1] == "", "what is up has nothing to tell"


def test_a_start_that_stands_still_twice_has_failed(site: Site) -> None:
    hanging = Dummy(site, "hanging")
    hanging.is_healthy = lambda: False
    with pytest.raises(LakehouseError, match=r"hanging made no progress for 2 s \(LAKEHOUSE_START_PATIENCE_S\)"):
        ends_by_itself(site, [hanging])


def test_a_server_that_answers_and_never_gets_ready_has_failed_however_busy_it_is(site: Site) -> None:
    class Refused(Dummy):
        def settle(self) -> None:
            raise LakehouseError("the password is wrong")

    with pytest.raises(LakehouseError, match=r"refused answers, but was not ready for 2 s .*: the password is wrong"):
        ends_by_itself(site, [Refused(site, "refused", WORKS)])


def test_a_server_of_somebody_else_is_waited_for_as_long_as_the_setting_says(site: Site) -> None:
    told: set[str] = set()
    theirs = Dummy(site, "theirs")
    theirs.external = True
    theirs.is_healthy = lambda: False
    with pytest.raises(LakehouseError, match=r"theirs did not answer for 2 s \(.*\); it is not ours to start"):
        ends_by_itself(site, [theirs], lambda now: told.add(now.servers[0].message))
    assert "does not answer, and is not ours to start; given up after 2 s" in told


@pytest.mark.parametrize(
    ("error", "tries"),
    [(UsageError("no such name"), 1), (LakehouseError("Java is missing"), 2)],
    ids=["a usage error", "a failure"],
)
def test_what_cannot_be_prepared_ends_the_start_with_its_own_sentence(
    site: Site, error: LakehouseError, tries: int
) -> None:
    prepared: list[int] = []

    class Unprepared(Dummy):
        def prepare(self) -> None:
            prepared.append(1)
            raise error

    pids: set[int] = set()

    def watch(now: StackState) -> None:
        pids.update(one.process.pid for one in now.servers if one.process)

    with pytest.raises(type(error), match=str(error)):
        ends_by_itself(site, [Dummy(site, "fine"), Unprepared(site, "unprepared")], watch)
    assert len(prepared) == tries
    assert alive(sorted(pids)) == []


def test_who_waits_sees_that_the_supervisor_lives(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nothing changes that could be told."""
    monkeypatch.setattr("lakehouse.stack.supervisor._SIGN_OF_LIFE_S", 0.3)
    never = Dummy(site, "never", after=("slow",))
    slow = Dummy(site, "slow", TALKS)
    slow.is_healthy = lambda: False
    seen: set[float] = set()

    def until(_now: StackState) -> bool:
        written = StackState.read(site.folder)
        seen.update({written.told_at} if written else ())
        return len(seen) > 6

    monkeypatch.setattr("lakehouse.stack.progress._LOOK_EVERY_S", 60.0)
    supervise(site, [never, slow], until)
