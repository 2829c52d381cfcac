"""`up --detach` from the side of the command that waits; the servers, if any, are somebody else's."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings, settings
from lakehouse.stack import launch
from lakehouse.stack.process import Identity
from lakehouse.stack.server import Site
from lakehouse.stack.site import settle_site
from lakehouse.stack.state import StackState, stack_lock

# An address that is not counted as this machine's, and where nobody listens: so the servers are used, not started.
NOBODY = "127.0.0.2:1"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "logs").mkdir()
    return Site(Settings(data_dir=tmp_path, start_patience_s=0.5), tmp_path, {})


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    """Stands for a supervisor."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


def state_of(process: "subprocess.Popen[bytes]") -> StackState:
    identity = Identity.of(process.pid)
    assert identity is not None
    return StackState(identity)


def test_a_start_is_waited_for_as_long_as_the_supervisor_is_heard_of(
    site: Site, child: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "_SILENT_LIMIT_S", 0.5)
    up_at = time.monotonic() + 2.0
    state = state_of(child)
    state.write(site.folder)
    shown: list[str] = []

    def watch(now: StackState) -> None:
        shown.append(now.phase)
        state.phase = "up" if time.monotonic() > up_at else "starting"
        state.write(site.folder)

    launch._wait_until_up(site, child, watch)
    assert shown[0] == "starting"
    assert shown[-1] == "up"


def test_a_supervisor_that_is_silent_is_given_up_with_its_last_lines(
    site: Site, child: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "_SILENT_LIMIT_S", 0.5)
    state_of(child).write(site.folder)
    site.log_of("supervisor").write_text("Kafka's folder is formatted\n")
    with pytest.raises(LakehouseError, match=r"(?s)has not been heard of for 0\.5 s.*Kafka's folder is formatted"):
        launch._wait_until_up(site, child, lambda _now: None)


def test_a_supervisor_that_ended_is_told_in_its_own_words(site: Site, child: "subprocess.Popen[bytes]") -> None:
    state = state_of(child)
    child.kill()
    child.wait()
    state.phase, state.message = "failed", "Redis ended with exit code 1"
    state.write(site.folder)
    with pytest.raises(LakehouseError, match=r"^Redis ended with exit code 1$"):
        launch._wait_until_up(site, child, lambda _now: None)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a stack without a server of its own."""
    for name in ("TRINO_URL", "CLICKHOUSE_URL", "CATALOG_URL", "S3_ENDPOINT"):
        monkeypatch.setenv(f"LAKEHOUSE_{name}", f"http://{NOBODY}")
    monkeypatch.setenv("LAKEHOUSE_REDIS_URL", f"redis://{NOBODY}/0")
    monkeypatch.setenv("LAKEHOUSE_KAFKA_BOOTSTRAP", NOBODY)
    monkeypatch.setenv("LAKEHOUSE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("LAKEHOUSE_START_PATIENCE_S", "2")
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def test_servers_of_somebody_else_that_do_not_come_end_the_start_in_a_sentence(elsewhere: Path) -> None:
    with pytest.raises(LakehouseError, match=r"did not answer for 2 s \(LAKEHOUSE_START_PATIENCE_S\); it is not ours"):
        launch.run_detached(settle_site(free_ports=False), True, lambda _now: None)
    last = StackState.read(elsewhere)
    assert last is not None
    assert last.phase == "failed"


def test_ctrl_c_while_it_waits_ends_what_was_half_started(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_START_PATIENCE_S", "600")
    settings.cache_clear()
    pids: list[int] = []

    def watch(now: StackState) -> None:
        if now.servers[0].state == "starting":
            pids.append(now.supervisor.pid)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        launch.run_detached(settle_site(free_ports=False), True, watch)
    assert pids
    assert not psutil.pid_exists(pids[0])


@pytest.mark.parametrize(("phase", "word"), [("starting", "starting"), ("up", "up")])
def test_a_second_up_says_how_far_the_first_one_is(elsewhere: Path, phase: str, word: str) -> None:
    me = Identity.of(os.getpid())
    assert me is not None
    StackState(me, phase=phase).write(elsewhere)
    with (
        stack_lock(elsewhere),
        pytest.raises(launch.AlreadyUp, match=f"is already {word}; `lakehouse status` shows it"),
    ):
        launch.refuse_second()
