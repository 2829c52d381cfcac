"""What counts as progress of a start, told by numbers, without a process."""

import os
import subprocess
import sys
from pathlib import Path

from lakehouse.stack.progress import GETS_ON_CORES, Progress, Traces

PATIENCE_S = 300.0


def stood_still_s(cores: float, log_every_s: float = 0.0, seconds: int = 2000) -> float:
    """Seconds after which a start was given up that uses so many cores, and writes a byte that often; 0 if never."""
    progress = Progress(PATIENCE_S, 0.0, Traces(5.0, 100))
    for now in range(2, seconds, 2):
        written = int(now / log_every_s) if log_every_s else 0
        progress.look(float(now), Traces(5.0 + cores * now, 100 + written))
        if progress.stands_still:
            return float(now)
    return 0.0


def test_a_java_that_hangs_stands_still_though_its_timers_go_on() -> None:
    assert stood_still_s(cores=0.0003) == PATIENCE_S


def test_a_start_on_a_starved_machine_gets_on() -> None:
    """Trino with a load of 30: 35 s of CPU time in 373 s; and on a machine that is twenty times slower."""
    assert stood_still_s(cores=35 / 373) == 0
    assert stood_still_s(cores=35 / 373 / 20) == 0


def test_on_the_border_it_is_given_up_only_below() -> None:
    assert stood_still_s(cores=1.01 * GETS_ON_CORES) == 0
    assert stood_still_s(cores=0.98 * GETS_ON_CORES) > 0


def test_a_line_now_and_then_is_progress() -> None:
    assert stood_still_s(cores=0.0, log_every_s=290.0) == 0
    assert stood_still_s(cores=0.0, log_every_s=310.0) > 0


def test_a_log_that_was_cut_changed() -> None:
    progress = Progress(PATIENCE_S, 0.0, Traces(0.0, 100))
    progress.look(200.0, Traces(0.0, 50))
    assert progress.still_s == 0


def test_a_machine_that_was_paused_proves_nothing() -> None:
    progress = Progress(PATIENCE_S, 0.0, Traces())
    progress.look(3600.0, Traces())
    assert not progress.stands_still
    assert progress.still_s < 60


def test_where_traces_say_nothing_only_the_time_counts() -> None:
    progress = Progress(PATIENCE_S, 0.0, Traces())
    for now in range(2, 302, 2):
        progress.look(float(now), None)
    assert progress.stands_still


def test_cores_are_those_since_the_look_before() -> None:
    progress = Progress(PATIENCE_S, 0.0, Traces())
    progress.look(2.0, Traces(cpu_s=1.0))
    progress.look(4.0, Traces(cpu_s=3.4))
    assert round(progress.cores, 3) == 1.2


def test_what_a_child_used_counts_while_it_runs_and_after_its_end(tmp_path: Path) -> None:
    works = "import time\nwhile time.process_time() < 0.3: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {works!r}]); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        assert Traces.of(parent.pid, tmp_path / "none").cpu_s >= 0.3
        parent.communicate(b"\n")
    assert Traces.of(os.getpid(), tmp_path / "none").log_bytes == 0
    assert Traces.of(parent.pid, tmp_path / "none") == Traces()
