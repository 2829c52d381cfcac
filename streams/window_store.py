"""Duplicate windows on this machine's disk, so that a worker that starts need not read back a day of accepted events.

Only a cache, and never trusted: a window names the batch with which all that it knows had landed, and is used only where that
batch is in the table's present history; it is kept whole or not at all. What is missing, damaged, of another kind or of a
history that was rolled back is read back from the table instead. Runs of a window do not change once they are made, and are
merged as they grow, so most of them are on the disk already when a window is kept again.

A folder a partition: `window.json` (checksum, offset, acceptance number, names and checksums of runs), which is replaced at
once, and a file a run. Processes that share the folder may both write: names of runs are drawn, and a run that somebody else
removed makes the window be read back.
"""

import json
import logging
import os
import shutil
import time
import uuid
import weakref
import zlib
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from catalog.offsets import PartitionId
from lakehouse.settings import Settings
from streams.contract import Contract
from streams.duplicates import DuplicateWindow, Run, Snapshot, hashes

log = logging.getLogger(__name__)
_INDEX = "window.json"
# What nobody has kept again for that long is of no use any more.
_STALE_S = 2 * 24 * 3600.0
# After a disk refused.
_PAUSE_S = 60.0
# Longer than it takes from the first run of a window to its index.
_SWEEP_S = 600.0


@dataclass(frozen=True, eq=False)
class _Kept:
    """A run on the disk."""

    run: "weakref.ref[Run]"
    name: str
    crc: int


class WindowStore:
    """Windows of one table's partitions."""

    def __init__(self, folder: Path, contract: Contract, settings: Settings) -> None:
        """Args:
        folder: of this table alone; made when it is needed.
        contract: by which events were accepted.
        """
        self._folder = folder
        max_events, max_age_s = self._limits = settings.duplicate_window_events, settings.duplicate_window_s
        # Ids are kept as hashes, which another release of Polars or another machine may compute otherwise.
        hashed = [column.tolist() for column in hashes(pl.Series(["", "an id", "a longer id " * 20]))]
        self._kind = f"2 {max_events} {max_age_s} {pl.__version__} {hashed} {_crc(contract.fingerprint)}"
        self._kept: dict[PartitionId, list[_Kept]] = {}
        self._sweep_due_s: dict[PartitionId, float] = {}
        self._not_before_s = 0.0
        self._tidy()

    def keep(self, partition: PartitionId, snapshot: Snapshot, batch_id: str) -> None:
        """Keep what was accepted up to an offset that the table has reached. A disk that refuses is only told of.

        Args:
            batch_id: of the commit that brought the table there.
        """
        if time.monotonic() < self._not_before_s:
            return
        try:
            self._write(partition, snapshot, batch_id)
        except Exception as error:  # whatever it is, a cache must not hold up commits
            log.warning("windows are not kept in %s (%s): a worker that starts reads them back", self._folder, error)
            self._not_before_s = time.monotonic() + _PAUSE_S

    def _write(self, partition: PartitionId, snapshot: Snapshot, batch_id: str) -> None:
        place = self._place(partition)
        place.mkdir(parents=True, exist_ok=True)
        before = self._kept.pop(partition, [])
        there = {id(run): one for one in before if (run := one.run()) is not None and (place / one.name).exists()}
        kept = [there.get(id(run)) or _write_run(place, run) for run in snapshot.runs]
        index = {
            "kind": self._kind,
            "batch": batch_id,
            "next": snapshot.next,
            "accepted": snapshot.accepted,
            "runs": [[one.name, one.crc] for one in kept],
        }
        text = json.dumps(index)
        _put(place / _INDEX, lambda draft: draft.write_text(f"{_crc(text)} {text}"))
        self._kept[partition] = kept
        for one in before:
            if one not in kept:
                (place / one.name).unlink(missing_ok=True)
        if time.monotonic() >= self._sweep_due_s.get(partition, 0.0):
            self._sweep_due_s[partition] = time.monotonic() + _SWEEP_S
            _sweep(place, [one.name for one in kept])

    def find(self, partition: PartitionId, until: int, landed: Collection[str]) -> tuple[int, DuplicateWindow] | None:
        """The window of a partition and the offset that it ends at, if the table has all that it knows.

        Args:
            until: where the table stands.
            landed: the batches in the table's history.
        """
        place = self._place(partition)
        try:
            crc, text = (place / _INDEX).read_text().split(" ", 1)
            index: dict[str, Any] = json.loads(text)
            if crc != str(_crc(text)) or index["kind"] != self._kind:
                return None
            if index["batch"] not in landed or index["next"] > until:
                return None
            runs = [_read_run(place, name, crc) for name, crc in index["runs"]]
        except Exception as error:  # a damaged file can make any error
            if not isinstance(error, FileNotFoundError):
                log.info("the window in %s is not used: %s", place, error)
            return None
        self._kept[partition] = [
            _Kept(weakref.ref(run), name, crc) for run, (name, crc) in zip(runs, index["runs"], strict=True)
        ]
        snapshot = Snapshot(index["next"], index["accepted"], tuple(runs))
        return snapshot.next, DuplicateWindow.restored(*self._limits, snapshot)

    def _place(self, partition: PartitionId) -> Path:
        # a topic's id is Base64 and may have a slash, at its beginning, too
        return self._folder / f"{partition.topic_id.replace('/', '_')}-{partition.partition}"

    def _tidy(self) -> None:
        """Remove windows of partitions that are gone or belong to another machine now."""
        with suppress(Exception):
            for index in self._folder.glob(f"*/{_INDEX}"):
                if time.time() - index.stat().st_mtime > _STALE_S:
                    shutil.rmtree(index.parent, ignore_errors=True)


def _put(path: Path, write: Callable[[Path], object]) -> None:
    """Let a file appear at once, or leave nothing of it."""
    draft = path.with_name(f"{uuid.uuid4().hex}.draft{path.suffix}")
    try:
        write(draft)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _write_run(place: Path, run: Run) -> _Kept:
    columns = np.stack([run.first, run.second, run.number.view(np.uint64), run.time.view(np.uint64)])
    name = f"{uuid.uuid4().hex}.npy"
    _put(place / name, lambda draft: np.save(draft, columns))
    return _Kept(weakref.ref(run), name, zlib.crc32(columns.data))


def _read_run(place: Path, name: str, crc: int) -> Run:
    """Raises:
    ValueError: it is not what was written.
    """
    columns = np.load(place / name, allow_pickle=False)
    if zlib.crc32(columns.data) != crc:
        raise ValueError(f"{name} is damaged")
    first, second, number, at = columns
    return Run(first, second, number.view(np.int64), at.view(np.int64))


def _sweep(place: Path, names: Sequence[str]) -> None:
    """Remove runs that no index names: a process that was killed, or that did not believe what was here, left them."""
    for path in place.iterdir():
        with suppress(FileNotFoundError):  # another process sweeps, too
            if path.name not in names and path.name != _INDEX and time.time() - path.stat().st_mtime > _SWEEP_S:
                path.unlink()


def _crc(text: str) -> int:
    return zlib.crc32(text.encode())
