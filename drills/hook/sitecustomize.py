"""Read by each Python process of a stack that drills start (PYTHONPATH names this folder); no other process ever sees it.

It can kill a worker or the orchestrator at a named step, lead workers through the drills' proxies, and set their clocks wrong.
What to do is in files of the folder DRILL_DIR:

    kill        "STEP N": the process that passes STEP for the Nth time from then on kills itself; with "STEP N PID SECONDS" it
                kills another one so much later
    proxies     "CATALOG S3": addresses for the workers, read when they start
    skew        seconds by which the clocks of workers that start go wrong; each of them touches "skewed"
"""

import itertools
import os
import signal
import sys
import threading
from collections import defaultdict
from pathlib import Path

_FOLDER = Path(os.environ.get("DRILL_DIR", "/nonexistent"))
_passed = defaultdict(itertools.count)


def _read(name):
    try:
        return (_FOLDER / name).read_text().split()
    except OSError:
        return []


def _step(name):
    """Die here if the drill wants it. The file is taken away first, so that one process dies of it, once."""
    wanted = _read("kill")
    if not wanted or wanted[0] != name:
        return
    if next(_passed[" ".join(wanted)]) + 1 < int(wanted[1]):
        return
    try:
        os.rename(_FOLDER / "kill", _FOLDER / "killed")
    except OSError:
        return
    if len(wanted) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    threading.Timer(float(wanted[3]), os.kill, (int(wanted[2]), signal.SIGKILL)).start()


def _around(owner, name, before=None, after=None):
    original = getattr(owner, name)

    def hooked(*arguments, **named):
        if before:
            _step(before)
        answer = original(*arguments, **named)
        if after:
            _step(after)
        return answer

    setattr(owner, name, hooked)


def _skewed():
    from datetime import timedelta

    from lakehouse import clock

    (seconds,) = _read("skew") or ["0"]
    if float(seconds):
        real = clock.now
        clock.now = lambda: real() + timedelta(seconds=float(seconds))
        (_FOLDER / "skewed").touch()


def _worker():
    proxies = _read("proxies")
    if proxies:
        os.environ["LAKEHOUSE_CATALOG_URL"], os.environ["LAKEHOUSE_S3_ENDPOINT"] = proxies
    _skewed()
    from catalog import commit, data_files
    from streams.line import Line  # nothing that knows Faust: `python -m faust` must find it unimported

    _around(data_files, "write", "before-write", "after-data-files")
    _around(commit.OneTry, "send", "before-commit", "after-answer")
    _around(Line, "flush", after="before-kafka")


def _orchestrator():
    from lakehouse.copies.server import Server
    from lakehouse.gold.builds import Builds
    from lakehouse.gold.engine import Engine

    _around(Builds, "record_plan", "before-plan", "after-plan")
    _around(Engine, "run", "before-statement", "after-statement")
    _around(Builds, "record_complete", "before-complete", "after-complete")
    _around(Server, "run", "before-copy-statement", "after-copy-statement")


if _FOLDER.is_dir():
    _words = sys.orig_argv
    if "streams.worker.app" in _words:
        _worker()
    elif "lakehouse.orchestrator" in _words:
        _orchestrator()
