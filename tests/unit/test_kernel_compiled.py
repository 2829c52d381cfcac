"""The kernel's machine code is kept in a folder of its sources, and no longer than it is of use."""

import os
import time
from pathlib import Path

import numba
import pytest

from streams import decode
from streams.kernel import compiled


def test_machine_code_is_kept_by_sources_and_that_of_long_ago_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", numba.config.CACHE_DIR)
    monkeypatch.setenv("LAKEHOUSE_CACHE_DIR", str(tmp_path))
    (old := tmp_path / "kernel" / "of-old").mkdir(parents=True)
    (recent := tmp_path / "kernel" / "of-late").mkdir()
    os.utime(old, (time.time() - 40 * 86_400,) * 2)
    mine = compiled._keep()
    assert mine is not None
    assert str(mine) == numba.config.CACHE_DIR
    assert {path.name for path in (tmp_path / "kernel").iterdir()} == {recent.name, mine.name}
    assert mine.name.endswith(numba.__version__)


def test_where_nothing_can_be_kept_each_process_compiles_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", numba.config.CACHE_DIR)
    (tmp_path / "a file").touch()
    monkeypatch.setenv("LAKEHOUSE_CACHE_DIR", str(tmp_path / "a file"))
    assert compiled._keep() is None


def test_a_worker_has_the_kernel_compiled_by_another_process_and_only_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(compiled, "_KEPT", tmp_path)
    monkeypatch.setattr(decode.subprocess, "run", lambda command, **_: started.append(command))
    decode.ensure_compiled()
    assert [command[2] for command in started] == ["from streams.decode import compile_kernel; compile_kernel()"]
    compiled.mark_compiled()
    decode.ensure_compiled()
    assert len(started) == 1
