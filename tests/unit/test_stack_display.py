"""What `up` and `status` say while servers start."""

import io
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from lakehouse.cli.stack_display import Display, print_servers, server_rows
from lakehouse.settings import settings
from lakehouse.stack.process import Identity
from lakehouse.stack.state import DOWN, STARTING, UP, ServerState, StackState
from lakehouse.stack.status import stack_status

FELL = "starts again in 0.5 s; it ended with exit code 1. Its last lines:\n  [main] no room"


def stack(*servers: ServerState) -> StackState:
    me = Identity.of(os.getpid())
    assert me is not None
    return StackState(me, servers=list(servers))


def trino(state: str = STARTING, **more: object) -> ServerState:
    return ServerState("trino", "Trino", state, since=time.time() - 95, **more)  # type: ignore[arg-type]


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


def shown(output: io.StringIO, *states: StackState, terminal: bool = False) -> list[str]:
    console = Console(file=output, force_terminal=terminal, width=100, color_system=None)
    with Display(console, stay=False) as display:
        for now in states:
            display.show(now)
    return output.getvalue().splitlines()


def test_in_a_pipe_what_is_waited_for_is_told_now_and_then(
    output: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = stack(ServerState("kafka", "Kafka", UP, up_after_s=3.1), trino(message="it uses 1.20 cores"))
    assert shown(output, waits, waits) == ["Kafka: up after 3.1 s"]
    monkeypatch.setattr("lakehouse.cli.stack_display._TELL_EVERY_S", 0.0)
    assert shown(output, waits)[1:] == ["Kafka: up after 3.1 s", "waiting for Trino, 95 s: it uses 1.20 cores"]


def test_in_a_pipe_each_failure_is_told_once_with_its_last_lines(output: io.StringIO) -> None:
    fell = [stack(trino(DOWN, restarts=times, message=FELL)) for times in (1, 1, 2)]
    assert shown(output, *fell) == 2 * [f"Trino: restarting: {FELL}".splitlines()[0], "  [main] no room"]


def test_on_a_terminal_a_line_shows_what_is_waited_for(output: io.StringIO) -> None:
    lines = shown(output, stack(trino(message=f"it uses 1.20 cores; before that it {FELL}")), terminal=True)
    assert any("Trino" in line and "starting" in line and "95." in line and "1.20 cores" in line for line in lines)
    assert any("[main] no room" in line for line in lines), "what a log says is no markup"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("LAKEHOUSE_DATA_DIR", str(tmp_path))
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def test_status_says_how_long_a_server_has_been_starting_and_what_it_does(folder: Path, output: io.StringIO) -> None:
    stack(trino(message="it uses 1.20 cores")).write(folder)
    status = stack_status()
    print_servers(Console(file=output, width=200), status, server_rows(status))
    assert status["phase"] == "starting"
    assert "Trino: starting for 1 min 35 s: it uses 1.20 cores" in output.getvalue()
