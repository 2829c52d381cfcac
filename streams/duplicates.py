"""Which events were accepted before: the state of one partition, exact and a function of the topic alone.

Ids are remembered as 128 bits of hash with their acceptance number and Kafka time, in a few sorted runs that are merged as they
grow (a log-structured index): 32 bytes an event, so 64 MB for the default window of two million, and no Python object an event.
Two different ids would have to agree in 128 bits to be confused.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

_Ints = npt.NDArray[np.int64]
_Hashes = npt.NDArray[np.uint64]
_NEVER = -1


@dataclass(frozen=True, eq=False)
class Run:
    """Accepted ids sorted by their first hash; never changed once it is made."""

    first: _Hashes
    second: _Hashes
    number: _Ints
    time: _Ints

    def __len__(self) -> int:
        return len(self.first)

    def since(self, number: int) -> "Run":
        """Without what was accepted before that number."""
        keep = self.number >= number
        return self if keep.all() else Run(self.first[keep], self.second[keep], self.number[keep], self.time[keep])

    @staticmethod
    def of(first: _Hashes, second: _Hashes, number: _Ints, time: _Ints) -> "Run":
        """A run of ids in any order."""
        order = np.argsort(first, kind="stable")
        return Run(first[order], second[order], number[order], time[order])

    def merged(self, later: "Run") -> "Run":
        """Both runs in one; of equal ids the later acceptance comes last."""
        pairs = [np.concatenate(pair) for pair in zip(self._columns(), later._columns(), strict=True)]
        return Run.of(pairs[0], pairs[1], pairs[2], pairs[3])

    def _columns(self) -> tuple[Any, ...]:
        return self.first, self.second, self.number, self.time


@dataclass(frozen=True)
class Snapshot:
    """What a window knew when rows up to an offset were made.

    Attributes:
        next: the offset after those rows.
        accepted: how many events were accepted before it, since the window began to count.
        runs: their ids.
    """

    next: int
    accepted: int
    runs: tuple[Run, ...]


class DuplicateWindow:
    """The accepted events of one partition, back to the window's edge."""

    def __init__(self, max_events: int, max_age_s: int) -> None:
        self._max_events = max_events
        self._max_age_us = max_age_s * 1_000_000
        self._runs: list[Run] = []
        self._accepted = 0

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def snapshot(self, after: int) -> Snapshot:
        """What it knows, now that rows up to an offset (exclusive) were made."""
        return Snapshot(after, self._accepted, tuple(self._runs))

    @classmethod
    def restored(cls, max_events: int, max_age_s: int, snapshot: Snapshot) -> "DuplicateWindow":
        """The window that a snapshot was taken of."""
        window = cls(max_events, max_age_s)
        window._runs, window._accepted = list(snapshot.runs), snapshot.accepted
        return window

    def remember(self, ids: pl.Series, times: pl.Series) -> None:
        """Take in events that are known to be accepted, in offset order.

        Args:
            ids: event ids as text.
            times: their Kafka times.
        """
        numbers = np.arange(self._accepted, self._accepted + len(ids), dtype=np.int64)
        self._add(*hashes(ids), numbers, _micros(times))
        self._accepted += len(ids)

    def find(self, ids: pl.Series, times: pl.Series, eligible: pl.Series) -> pl.Series:
        """The duplicates of a batch; all other eligible rows are accepted and remembered.

        Args:
            ids: event ids, in offset order; may be null where not eligible.
            times: Kafka times.
            eligible: rows that no other rule rejects.
        Returns:
            a mask of the rows that repeat an accepted event.
        """
        rows = np.flatnonzero(eligible.to_numpy())
        duplicate = np.zeros(len(ids), dtype=bool)
        if not len(rows):
            return pl.Series(duplicate)
        chosen = pl.Series(rows)
        first, second = hashes(ids.gather(chosen))
        micros = _micros(times.gather(chosen))
        repeated = self._decide(first, second, micros)
        accepted = np.flatnonzero(~repeated)
        numbers = np.arange(self._accepted, self._accepted + len(accepted), dtype=np.int64)
        self._add(first[accepted], second[accepted], numbers, micros[accepted])
        self._accepted += len(accepted)
        duplicate[rows[repeated]] = True
        return pl.Series(duplicate)

    def _decide(self, first: _Hashes, second: _Hashes, micros: _Ints) -> npt.NDArray[np.bool_]:
        """Which of the given events are duplicates; only those seen before, here or in the window, are looked at singly."""
        number, time = self._look_up(first, second)
        order = np.argsort(first, kind="stable")
        same = first[order][1:] == first[order][:-1]
        again = np.zeros(len(first), dtype=bool)
        again[order[1:][same]] = True
        again[order[:-1][same]] = True
        repeated = np.zeros(len(first), dtype=bool)
        here: dict[tuple[int, int], tuple[int, int]] = {}
        found = 0
        for row in np.flatnonzero(again | (number != _NEVER)).tolist():
            key = (int(first[row]), int(second[row]))
            own = self._accepted + row - found
            before = here.get(key) or ((int(number[row]), int(time[row])) if number[row] != _NEVER else None)
            if before and before[0] >= own - self._max_events and int(micros[row]) - before[1] < self._max_age_us:
                repeated[row] = True
                found += 1
            else:
                here[key] = (own, int(micros[row]))
        return repeated

    def _look_up(self, first: _Hashes, second: _Hashes) -> tuple[_Ints, _Ints]:
        """The last acceptance of each id in the window: its number (-1: none) and time."""
        number = np.full(len(first), _NEVER, dtype=np.int64)
        time = np.zeros(len(first), dtype=np.int64)
        order = np.argsort(first)  # neighbours in the run are then neighbours in the cache
        for run in self._runs:
            at = np.searchsorted(run.first, first[order], side="right") - 1
            at_or_first = np.maximum(at, 0)
            hit = (at >= 0) & (run.first[at_or_first] == first[order]) & (run.second[at_or_first] == second[order])
            rows, places = order[hit], at_or_first[hit]
            later = run.number[places] > number[rows]
            number[rows[later]] = run.number[places[later]]
            time[rows[later]] = run.time[places[later]]
        return number, time

    def _add(self, first: _Hashes, second: _Hashes, number: _Ints, time: _Ints) -> None:
        if not len(first):
            return
        run = Run.of(first, second, number, time)
        edge = self._accepted + len(first) - self._max_events
        while self._runs and len(self._runs[-1]) < 2 * len(run):
            run = self._runs.pop().merged(run).since(edge)
        self._runs.append(run)


def hashes(ids: pl.Series) -> tuple[_Hashes, _Hashes]:
    """The 128 bits by which an id is remembered."""
    return ids.hash(seed=0x5EED).to_numpy(), ids.hash(seed=0xC0FFEE).to_numpy()


def _micros(times: pl.Series) -> _Ints:
    return times.cast(pl.Int64).to_numpy()
