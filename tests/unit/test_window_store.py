"""Windows that were kept on the disk: what was accepted is known at once, and only if it is in the table."""

import gc
import itertools
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.offsets import PartitionId
from lakehouse.settings import Settings
from streams import window_store
from streams.contract import contracts
from streams.duplicates import DuplicateWindow, Run
from streams.window_store import WindowStore
from tests.unit.fenced_table import MemoryTable
from tests.unit.line_inputs import P0, P1, SOON, call, line, raw
from tests.unit.test_duplicates import EVENTS, LIMITS, QUICK, Event, Limits, columns, found_in, naive

CALLS = contracts()["calls"]


def settings(limits: Limits) -> Settings:
    return Settings(_env_file=None, duplicate_window_events=limits.events, duplicate_window_s=limits.age_s)  # type: ignore[call-arg]


@QUICK
@given(EVENTS, LIMITS, st.lists(st.integers(0, 40)), st.lists(st.integers(0, 40)))
def test_a_window_that_was_kept_and_found_again_goes_on_as_if_nothing_had_happened(
    events: list[Event], limits: Limits, cuts: list[int], deaths: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store, window = WindowStore(Path(folder), CALLS, settings(limits)), DuplicateWindow(limits.events, limits.age_s)
        found: list[bool] = []
        edges = sorted({0, len(events), *(c for c in (*cuts, *deaths) if c < len(events))})
        for first, after in itertools.pairwise(edges):
            found += found_in(window, events[first:after])
            store.keep(P0, window.snapshot(after), "a batch")
            if after in deaths:
                store = WindowStore(Path(folder), CALLS, settings(limits))
                position, window = store.find(P0, after, {"a batch"}) or (-1, window)
                assert position == after
        assert found == naive(events, limits)


@QUICK
@given(EVENTS, LIMITS, st.integers(0, 40), st.integers(0, 40))
def test_what_landed_after_a_window_was_kept_is_added_to_it(
    events: list[Event], limits: Limits, kept: int, dead: int
) -> None:
    kept, dead = min(kept, dead), max(kept, dead)
    duplicates = naive(events, limits)
    with tempfile.TemporaryDirectory() as folder:
        store, window = WindowStore(Path(folder), CALLS, settings(limits)), DuplicateWindow(limits.events, limits.age_s)
        found_in(window, events[:kept])
        store.keep(P0, window.snapshot(kept), "a batch")
        _, window = WindowStore(Path(folder), CALLS, settings(limits)).find(P0, dead, {"a batch"}) or (0, window)
        since = zip(events[kept:dead], duplicates[kept:dead], strict=True)
        ids, times, _ = columns([e for e, duplicate in since if e.eligible and not duplicate])
        window.remember(ids, times)
        assert found_in(window, events[dead:]) == duplicates[dead:]


def landed(silver: MemoryTable, folder: Path) -> None:
    """A worker that landed two calls and died."""
    one = line(silver, windows=folder)
    one.assign({P0: 0})
    one.add(raw({0: call("A"), 1: call("B")}))
    one.flush(SOON)


def asked_again(silver: MemoryTable, folder: Path | None) -> list[str | None]:
    """What another worker makes of the same calls and a new one."""
    other = line(silver, windows=folder)
    at = other.assign({P0: 0})[P0]
    other.add(raw({at: call("A"), at + 1: call("B"), at + 2: call("C")}))
    other.flush(SOON)
    return silver.column("rejection_reason")[-3:]


AGAIN = ["duplicate:sid", "duplicate:sid", None]


def test_a_worker_that_starts_on_the_disk_of_a_former_one_reads_nothing_back(tmp_path: Path) -> None:
    silver = MemoryTable()
    landed(silver, tmp_path)
    assert asked_again(silver, tmp_path) == AGAIN
    assert silver.read_back == []


def test_what_others_landed_meanwhile_is_read_back_alone(tmp_path: Path) -> None:
    silver = MemoryTable()
    landed(silver, tmp_path)
    elsewhere = line(silver)
    elsewhere.assign({P0: 0, P1: 0})
    elsewhere.add(raw({2: call("D")}))
    elsewhere.add(raw({0: call("E")}, P1))
    elsewhere.flush(SOON)
    silver.read_back.clear()
    other = line(silver, windows=tmp_path)
    other.assign({P0: 0, P1: 0})
    other.add(raw({3: call("A"), 4: call("D"), 5: call("E")}))
    other.flush(SOON)
    assert silver.read_back == [{P0: (2, 3), P1: (0, 1)}]
    assert silver.column("rejection_reason")[-3:] == AGAIN


def test_what_did_not_land_is_not_kept(tmp_path: Path) -> None:
    silver = MemoryTable()
    landed(silver, tmp_path)
    one = line(silver, windows=tmp_path)
    one.assign({P0: 0})
    one.add(raw({2: call("C")}))
    silver.answers = False
    one.flush(SOON)
    silver.answers = True
    one.assign({P0: 0})
    one.add(raw({2: call("C")}))  # made, and then the worker dies
    assert asked_again(silver, tmp_path) == AGAIN
    assert silver.read_back == []


def damage_run(folder: Path) -> None:
    for run in folder.glob("*/*.npy"):
        content = bytearray(run.read_bytes())
        content[-1] ^= 1
        run.write_bytes(content)


def remove_runs(folder: Path) -> None:
    for run in folder.glob("*/*.npy"):
        run.unlink()


def cut(folder: Path) -> None:
    for path in folder.glob("*/*"):
        path.write_bytes(path.read_bytes()[:-10])


def empty(folder: Path) -> None:
    for path in folder.glob("*/*"):
        path.write_bytes(b"")


def zeros(folder: Path) -> None:
    for path in folder.glob("*/*"):
        path.write_bytes(bytes(path.stat().st_size))


def empty_runs(folder: Path) -> None:
    for run in folder.glob("*/*.npy"):
        run.write_bytes(b"")


def change_index(text: str, other: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (index,) = folder.glob("*/window.json")
        before = index.read_text()
        assert text in before
        index.write_text(before.replace(text, other))

    return change


DAMAGES: dict[str, Callable[[Path], None]] = {
    "a run that was changed": damage_run,
    "a run that is missing": remove_runs,
    "runs without content, as after a power failure": empty_runs,
    "files that were cut": cut,
    "empty files": empty,
    "zeros, as after a power failure": zeros,
    "another offset": change_index('"next": 2', '"next": 1'),
    "no list": change_index('"runs": [', '"runs": ['[:-1]),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_is_damaged_or_of_another_kind_is_read_back(damage: Callable[[Path], None], tmp_path: Path) -> None:
    silver = MemoryTable()
    landed(silver, tmp_path)
    damage(tmp_path)
    assert asked_again(silver, tmp_path) == AGAIN
    assert silver.read_back == [{P0: (0, 2)}]


def test_a_window_of_a_history_that_was_rolled_back_is_not_used_though_the_table_is_beyond_it_again(
    tmp_path: Path,
) -> None:
    silver = MemoryTable()
    before = silver.positions()
    landed(silver, tmp_path)
    silver.roll_back(before)
    assert line(silver, windows=tmp_path).assign({P0: 0}) == {P0: 0}
    elsewhere = line(silver)
    elsewhere.assign({P0: 0})
    elsewhere.add(raw({0: call("X"), 1: call("Y"), 2: call("Z")}))  # another release took other rows
    elsewhere.flush(SOON)
    other = line(silver, windows=tmp_path)
    other.assign({P0: 0})
    other.add(raw({3: call("A"), 4: call("X")}))
    other.flush(SOON)
    assert silver.column("rejection_reason")[-2:] == [None, "duplicate:sid"]


def test_rows_that_somebody_else_made_are_read_back_before_more_is_accepted(tmp_path: Path) -> None:
    silver = MemoryTable()
    landed(silver, tmp_path)
    one, other = line(silver, windows=tmp_path), line(silver)
    for each in (one, other):
        each.assign({P0: 0})
    other.add(raw({2: call("C"), 3: call("D")}))
    other.flush(SOON)
    one.add(raw({3: None, 4: call("E")}, first=2))  # Kafka has lost what the other one read
    flushed = one.flush(SOON)
    assert flushed.dropped == {P0}
    assert one.assign({P0: 0}) == {P0: 5}
    one.add(raw({5: call("C"), 6: call("E"), 7: call("F")}))
    one.flush(SOON)
    assert silver.column("rejection_reason")[-3:] == AGAIN
    fresh = line(silver, windows=tmp_path)
    fresh.assign({P0: 0})
    fresh.add(raw({8: call("D"), 9: call("F"), 10: call("G")}))
    fresh.flush(SOON)
    assert silver.column("rejection_reason")[-3:] == AGAIN


def test_windows_of_another_contract_are_not_used(tmp_path: Path) -> None:
    now = settings(Limits(100, 100))
    store = WindowStore(tmp_path, CALLS, now)
    store.keep(P0, DuplicateWindow(100, 100).snapshot(5), "a batch")
    assert WindowStore(tmp_path, CALLS, now).find(P0, 5, {"a batch"}) is not None
    other = replace(CALLS, fields=(replace(CALLS.fields[0], required=False), *CALLS.fields[1:]))
    assert WindowStore(tmp_path, other, now).find(P0, 5, {"a batch"}) is None
    assert WindowStore(tmp_path, CALLS, settings(Limits(99, 100))).find(P0, 5, {"a batch"}) is None


def test_a_topics_id_with_slashes_stays_in_the_folder(tmp_path: Path) -> None:
    odd, now = PartitionId(f"{tmp_path}/elsewhere/x+A", 0), settings(Limits(100, 100))
    store = WindowStore(tmp_path / "windows", CALLS, now)
    store.keep(odd, DuplicateWindow(100, 100).snapshot(5), "a batch")
    assert store.find(odd, 5, {"a batch"}) is not None
    assert [path.name for path in tmp_path.iterdir()] == ["windows"]
    assert len(list((tmp_path / "windows").glob("*/window.json"))) == 1


def test_a_disk_that_refuses_is_told_of_once_and_nothing_else_changes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    silver, folder = MemoryTable(), tmp_path / "a file"
    folder.write_text("not a folder")
    one = line(silver, windows=folder)
    one.assign({P0: 0})
    for offset in range(5):
        one.add(raw({offset: call(f"C{offset}")}))
        one.flush(SOON)
    assert silver.offsets() == [0, 1, 2, 3, 4]
    assert len([r for r in caplog.records if "are not kept" in r.message]) == 1


def test_a_disk_that_is_full_keeps_nothing_of_what_did_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, columns: object) -> None:
        path.write_bytes(b"a part")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "save", full)
    landed(MemoryTable(), tmp_path)
    assert [path for path in tmp_path.glob("*/*") if path.is_file()] == []


def test_windows_of_partitions_that_went_are_not_held(tmp_path: Path) -> None:
    silver = MemoryTable()
    one = line(silver, windows=tmp_path)
    one.assign({P0: 0})
    one.add(raw({0: call("A")}))
    one.flush(SOON)
    gc.collect()
    held = sum(type(each) is Run for each in gc.get_objects())
    one.discard([P0])
    gc.collect()
    assert sum(type(each) is Run for each in gc.get_objects()) < held


def test_files_do_not_pile_up(tmp_path: Path) -> None:
    silver = MemoryTable()
    one = line(silver, windows=tmp_path)
    one.assign({P0: 0})
    for offset in range(200):
        one.add(raw({offset: call(offset)}))
        one.flush(SOON)
    assert len(list(tmp_path.glob("*/*"))) < 12


def test_runs_that_nobody_names_go_when_they_are_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silver = MemoryTable()
    landed(silver, tmp_path)
    (left,) = [path for path in tmp_path.glob("*/*") if path.suffix == ".npy"]
    monkeypatch.setattr(window_store, "_SWEEP_S", -1.0)
    silver.ids[0] = "expired"
    assert asked_again(silver, tmp_path) == AGAIN
    assert silver.read_back == [{P0: (0, 2)}]
    assert not left.exists()
    assert asked_again(silver, tmp_path) == ["duplicate:sid"] * 3
    assert silver.read_back == [{P0: (0, 2)}]


def test_a_folder_of_somebody_else_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("not yours")

    monkeypatch.setattr(Path, "glob", refuse)
    silver = MemoryTable()
    landed(silver, tmp_path)
    assert silver.offsets() == [0, 1]


def test_two_processes_on_one_folder_disturb_each_other_at_most_in_speed(tmp_path: Path) -> None:
    silver = MemoryTable()
    first, second = line(silver, windows=tmp_path), line(silver, windows=tmp_path)
    first.assign({P0: 0})
    for offset in range(0, 40, 2):
        first.add(raw({offset: call(f"{offset}")}))
        first.flush(SOON)
        second.assign({P0: 0})
        second.add(raw({offset + 1: call(f"{offset}")}))
        second.flush(SOON)
        first.assign({P0: 0})
    assert silver.column("rejection_reason") == [None, "duplicate:sid"] * 20
