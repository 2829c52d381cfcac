"""What the stack makes of a SeaweedFS that went on complaining about a full disk."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from lakehouse.settings import Settings
from lakehouse.stack.seaweed import SeaweedFS
from lakehouse.stack.server import Site

FULL = "E1129 filer.go:301 persisting /buckets/x : write 000001.log: no space left on device\n"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SeaweedFS:
    """A server with a log, on a disk whose room is what `room` says."""
    one = SeaweedFS(Site(Settings(data_dir=tmp_path), tmp_path, {}))
    one.site.log_of(one.name).parent.mkdir()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=one.room))  # type: ignore[attr-defined]
    return one


def check(one: SeaweedFS, room: int, said: str = "") -> bool:
    one.room = room  # type: ignore[attr-defined]
    with one.site.log_of(one.name).open("a") as log:
        log.write(said)
    return one.stuck()


def test_a_server_that_still_has_no_space_when_there_is_some_is_stuck_until_it_is_started_again(
    server: SeaweedFS,
) -> None:
    assert not check(server, 0, FULL)
    assert not check(server, 10**9, FULL)  # said before there was room, perhaps
    assert check(server, 10**9, FULL)
    assert check(server, 10**9)  # it says so only when somebody writes
    server.prepare()
    assert not check(server, 10**9)
    assert not check(server, 10**9)


def test_a_full_disk_alone_is_no_reason_to_start_it_again(server: SeaweedFS) -> None:
    for _ in range(3):
        assert not check(server, 1000, FULL)
    assert not check(server, 10**9)
    assert not check(server, 10**9, "all is well\n")


def test_a_log_that_was_cut_meanwhile_is_read_from_its_beginning(server: SeaweedFS) -> None:
    check(server, 10**9, "x" * 1000)
    server.site.log_of(server.name).write_text("")
    assert check(server, 10**9, FULL)
