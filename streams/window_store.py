"""Duplicate windows on this machine's disk, so that a worker that starts need not read back a day of accepted events.

Only a cache, and never trusted: a window is of one table, and of an offset that the table had reached when it was kept; what is
missing, damaged or of another kind is read back from the table instead. Runs of a window do not change once they are made,
and are merged as they grow, so most of them are on the disk already when a window is kept again.

A folder a partition: `window.json` (offset, acceptance number, names and checksums of runs), which is replaced at once, and a
file a run. Processes that share the folder may both write: names of runs are drawn, and a run that somebody else removed makes
the window be read back.
"""

import json
import logging
import os
import shutil
import time
import uuid
import zlib
from collections.abc import Sequence
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


@dataclass(frozen=True, eq=False)
class _Kept:
    """A run on the disk."""

    run: Run
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
        hashed = [column.item() for column in hashes(pl.Series(["an id"]))]
        self._kind = f"1 {max_events} {max_age_s} {hashed} {zlib.crc32(contract.fingerprint.encode())}"
        self._kept: dict[PartitionId, list[_Kept]] = {}
        self._told = ""
        self._tidy()

    def keep(self, table: str, partition: PartitionId, snapshot: Snapshot) -> None:
        """Keep what was accepted up to an offset that the table has reached. A disk that refuses is only told of.

        Args:
            table: its uuid; a table that was made anew is another one.
        """
        try:
            self._write(table, partition, snapshot)
        except OSError as error:
            if self._told != str(error):
                log.warning(
                    "windows are not kept in %s (%s): a worker that starts reads them back", self._folder, error
                )
            self._told = str(error)

    def _write(self, table: str, partition: PartitionId, snapshot: Snapshot) -> None:
        place = self._place(partition)
        place.mkdir(parents=True, exist_ok=True)
        before = self._kept.get(partition, [])
        kept = [
            next((one for one in before if one.run is run), None) or _write_run(place, run) for run in snapshot.runs
        ]
        index = {
            "kind": self._kind,
            "table": table,
            "next": snapshot.next,
            "accepted": snapshot.accepted,
            "runs": [[one.name, one.crc] for one in kept],
        }
        draft = place / f"{uuid.uuid4().hex}.json"
        draft.write_text(json.dumps(index))
        os.replace(draft, place / _INDEX)
        self._kept[partition] = kept
        for one in before:
            if one not in kept:
                (place / one.name).unlink(missing_ok=True)

    def find(self, table: str, partition: PartitionId, until: int) -> tuple[int, DuplicateWindow] | None:
        """The window of a partition and the offset that it ends at, if it is of this table and not beyond an offset."""
        place = self._place(partition)
        try:
            index: dict[str, Any] = json.loads((place / _INDEX).read_text())
            if index["kind"] != self._kind or index["table"] != table or index["next"] > until:
                return None
            kept = [_read_run(place, name, crc) for name, crc in index["runs"]]
            _remove_others(place, [one.name for one in kept])
        except (OSError, ValueError, KeyError, TypeError) as error:
            if not isinstance(error, FileNotFoundError):
                log.info("the window in %s is not used: %s", place, error)
            return None
        self._kept[partition] = kept
        snapshot = Snapshot(index["next"], index["accepted"], tuple(one.run for one in kept))
        return snapshot.next, DuplicateWindow.restored(*self._limits, snapshot)

    def _place(self, partition: PartitionId) -> Path:
        return self._folder / f"{partition.topic_id}-{partition.partition}"

    def _tidy(self) -> None:
        """Remove windows of partitions that are gone or belong to another machine now."""
        for index in self._folder.glob(f"*/{_INDEX}"):
            if time.time() - index.stat().st_mtime > _STALE_S:
                shutil.rmtree(index.parent, ignore_errors=True)


def _write_run(place: Path, run: Run) -> _Kept:
    columns = np.stack([run.first, run.second, run.number.view(np.uint64), run.time.view(np.uint64)])
    name = f"{uuid.uuid4().hex}.npy"
    np.save(place / name, columns)
    return _Kept(run, name, zlib.crc32(columns.data))


def _read_run(place: Path, name: str, crc: int) -> _Kept:
    """Raises:
    ValueError: it is not what was written.
    """
    columns = np.load(place / name, allow_pickle=False)
    if zlib.crc32(columns.data) != crc:
        raise ValueError(f"{name} is damaged")
    first, second, number, at = columns
    return _Kept(Run(first, second, number.view(np.int64), at.view(np.int64)), name, crc)


def _remove_others(place: Path, names: Sequence[str]) -> None:
    """Remove what a process that was killed left behind."""
    for path in place.iterdir():
        if path.name not in names and path.name != _INDEX and time.time() - path.stat().st_mtime > _STALE_S:
            path.unlink(missing_ok=True)
