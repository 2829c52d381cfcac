"""A process that is confined reads, writes and reaches what is on its list, and nothing else."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lakehouse.stack import landlock, status
from lakehouse.stack.clickhouse_child import allowed
from lakehouse.stack.landlock import UNCONFINED

needs_landlock = pytest.mark.skipif(not landlock.abi(), reason="this kernel has no Landlock")
SCRIPT = """
import socket, sys
from pathlib import Path
from lakehouse.stack.landlock import CHANGE, READ, Allowed, confine
mine, listens = Path(sys.argv[1]), int(sys.argv[2])
assert confine(Allowed([(mine / "in", READ | CHANGE), (mine / "blind", CHANGE), (Path("/nowhere"), READ)], [], [listens]))

def tries(what, do):
    try:
        do()
        print(what, "done")
    except PermissionError:
        print(what, "refused")

tries("read in", (mine / "in" / "a").read_text)
tries("write in", lambda: (mine / "in" / "b").write_text("x"))
tries("read out", (mine / "a").read_text)
tries("write out", lambda: (mine / "b").write_text("x"))
tries("write blind", lambda: (mine / "blind" / "b").write_text("x"))
tries("read blind", (mine / "blind" / "b").read_text)
tries("environ", Path("/proc/self/environ").read_bytes)
tries("connect", lambda: socket.socket().connect(("127.0.0.1", listens)))
tries("connect elsewhere", lambda: socket.socket().connect(("127.0.0.1", listens + 1)))
tries("bind", lambda: socket.socket().bind(("127.0.0.1", 0)))
"""


@needs_landlock
def test_a_confined_process_does_what_is_allowed_and_no_more(tmp_path: Path) -> None:
    for name in ("in", "blind"):
        (tmp_path / name).mkdir()
    for file in (tmp_path / "a", tmp_path / "in" / "a"):
        file.write_text("x")
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = [sys.executable, "-c", SCRIPT, str(tmp_path), str(server.getsockname()[1])]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    said = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())
    assert landlock.abi() >= 4, "before that, ports are free to all: write down what to expect"
    assert said == {
        "read in": "done", "write in": "done", "read out": "refused", "write out": "refused", "write blind": "done",
        "read blind": "refused", "environ": "refused", "connect": "done", "connect elsewhere": "refused", "bind": "refused",
    }  # fmt: skip


def test_the_definition_that_holds_a_key_is_removed_before_a_start_and_readable_by_no_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    metadata = tmp_path / "data" / "metadata"
    metadata.mkdir(parents=True)
    for name in ("lk.sql", "gold.sql"):
        (metadata / name).write_text("x")
    listed = dict(allowed(tmp_path / "data", 1, [2, 3]).paths)
    assert not (metadata / "lk.sql").exists()
    assert landlock.Right.READ_FILE in listed[metadata / "gold.sql"]
    above = [metadata / "lk.sql", metadata, tmp_path / "data", *(tmp_path / "data").parents]
    assert not any(landlock.Right.READ_FILE in listed.get(path, landlock.Right(0)) for path in above)


def test_status_says_where_a_kernel_can_not_confine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "abi", lambda: 0)
    assert status._cautions() == [UNCONFINED]
    monkeypatch.setattr(landlock, "abi", lambda: 4)
    assert status._cautions() == []
