"""One shared stack a test session, of real servers, on free ports (or with --reuse the one that runs), and ways to ask it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from dotenv import dotenv_values
from playwright.sync_api import Browser

from bench.browser import chromium
from bench.servers import wait_until_up
from drills.field import hooked
from lakehouse.cli.pipeline import wait_for_account
from lakehouse.copies.server import Server
from lakehouse.errors import LakehouseError
from lakehouse.gold.engine import Engine
from lakehouse.settings import STACK_FILE, settings
from lakehouse.stack.process import end, spawn
from lakehouse.stack.state import StackState

# How long its supervisor may be silent; alone the stack is up in 15 s.
_UP_LIMIT_S = 300.0
_DOWN_LIMIT_S = 120.0
DRILLS = "drill"
Run = Callable[..., subprocess.CompletedProcess[str]]
# A shell that puts a command into the background has it ignore the keyboard, and all its children: tests send such signals.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Examples are not timed: on a loaded machine some take long, and that is no fault.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --reuse."""
    parser.addoption(
        "--reuse", action="store_true", help="use the running stack of LAKEHOUSE_DATA_DIR, and leave it up"
    )


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The LAKEHOUSE_ variables of a running stack; `settings()` and child processes see it too."""
    if request.config.getoption("reuse"):
        folder = settings().data_dir.absolute()
        now = StackState.read(folder)
        if now is None or not now.supervisor.alive():
            pytest.exit(f"--reuse: no stack runs in {folder}; start it with `lakehouse up --detach`", returncode=2)
        yield variables_of(folder)
        return
    folder = tmp_path_factory.mktemp("stack")
    (folder / DRILLS).mkdir()
    # In the foreground and tied to this process: a test run that is killed takes its stack with it.
    process = spawn(
        [sys.executable, "-m", "lakehouse.cli.main", "up", "--free-ports"],
        folder / "up.log",
        Path.cwd(),
        {"LAKEHOUSE_DATA_DIR": str(folder), **hooked(folder / DRILLS)},
    )
    try:
        try:
            wait_until_up(folder, process.poll, folder / "up.log", _UP_LIMIT_S)
        except LakehouseError as error:
            pytest.exit(f"the stack for the tests: {error}", returncode=2)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LAKEHOUSE_DATA_DIR", str(folder))
            settings.cache_clear()
            yield variables_of(folder)
    finally:
        settings.cache_clear()
        end([process], _DOWN_LIMIT_S)


@pytest.fixture(scope="session")
def drill_dir(stack: dict[str, str]) -> Path:
    """Where drills tell the stack's processes what to do wrong; there is none if it was started without their hook."""
    return Path(stack["LAKEHOUSE_DATA_DIR"]) / DRILLS


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs no servers comes first, what leaves its traces in the stack last."""
    items.sort(
        key=lambda item: ("stack" in getattr(item, "fixturenames", ()), item.get_closest_marker("last") is not None)
    )


def variables_of(folder: Path) -> dict[str, str]:
    """What `stack.env` of a folder says, with the folder itself."""
    written = {name: value for name, value in dotenv_values(folder / STACK_FILE).items() if value is not None}
    said = {name: value for name, value in os.environ.items() if name.startswith("LAKEHOUSE_")}
    return {**written, **said, "LAKEHOUSE_DATA_DIR": str(folder)}


@pytest.fixture(scope="session")
def lakehouse(stack: dict[str, str]) -> Run:
    """Run a `lakehouse` command on the stack; fails the test on an exit code other than the expected one."""

    def run(*arguments: str, stdin: str | None = None, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lakehouse.cli.main", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=420, check=False)
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done

    return run


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window; one a session, since Playwright keeps an event loop running in this thread."""
    with chromium() as browser:
        if browser is None:
            pytest.skip("no chromium here: apt install chromium")
        yield browser


@pytest.fixture(scope="session")
def settled(stack: dict[str, str]) -> Callable[[], dict[str, Any]]:
    """Wait until nothing is in flight; gives the audit, which must balance."""

    def wait() -> dict[str, Any]:
        account = wait_for_account(300.0)
        assert account.exit_code == 0, account.as_json()
        return account.as_json()

    return wait


@pytest.fixture(scope="session")
def trino(stack: dict[str, str]) -> Callable[[str], list[dict[str, Any]]]:
    """Rows of a Trino query by column name."""
    engine = Engine(settings(), source="lakehouse-test")

    def query(sql: str) -> list[dict[str, Any]]:
        names, rows = engine.table(sql)
        return [dict(zip(names, row, strict=True)) for row in rows]

    return query


@pytest.fixture(scope="session")
def clickhouse(stack: dict[str, str]) -> Callable[[str], list[dict[str, Any]]]:
    """Rows of a ClickHouse query, as the read-only user, by column name."""
    server = Server(settings().as_reader())

    def query(sql: str) -> list[dict[str, Any]]:
        names, rows = server.table(sql)
        return [dict(zip(names, row, strict=True)) for row in rows]

    return query
