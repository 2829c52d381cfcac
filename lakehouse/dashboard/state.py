"""What the dashboard knows of the line without being asked: copies, what waits, what is wrong. Kept fresh by one thread."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC
from typing import Any

from lakehouse.clock import now
from lakehouse.copies.server import Server
from lakehouse.errors import LakehouseError

log = logging.getLogger(__name__)
Mark = tuple[tuple[Any, ...], ...]
_COPIES_EVERY_S, _LINE_EVERY_S = 1.0, 5.0
# A build's copies come one after the other: viewers are told when all are there, or after so long.
_COPYING_S = 30.0
# Nobody looks: the line is asked once a minute, so that a laptop stays quiet.
_IDLE_EVERY_S, _IDLE_AFTER_S = 60.0, 30.0
_COPIES = (
    "select table_name, argMax(build_id, copied_at) as build_id, max(copied_at) as at, argMax(row_count, copied_at) as n"
    " from gold.copies group by table_name"
)


class State:
    """The newest known state; `version` grows whenever what viewers see may have changed."""

    def __init__(self, server: Server, line: Callable[[], dict[str, Any]]) -> None:
        """Args:
        line: what the pipeline tells (`lakehouse.dashboard.pipeline`): it takes seconds, and is called by the thread.
        """
        self._server = server
        self._line = line
        self._ends = threading.Event()
        self._looked_s = self._lined_s = 0.0
        self._differs_s: float | None = None
        self.prepare: Callable[[Mark | None], None] = lambda mark: None
        """Called with the new mark before viewers are told of it."""
        self.version = 0
        self.copies: dict[str, dict[str, Any]] = {}
        self.error: str | None = "not asked yet"
        self.line: dict[str, Any] = {"error": "not asked yet", "problems": [], "layers": []}

    def start(self) -> None:
        """Begin to watch."""
        threading.Thread(target=self._watch, name="state", daemon=True).start()

    def stop(self) -> None:
        """End the watching."""
        self._ends.set()

    def looked_at(self) -> None:
        """Somebody is there."""
        self._looked_s = time.monotonic()

    def standing(self) -> Mark | None:
        """A mark of the copies as they stand; None while ClickHouse does not answer, so that viewers are told."""
        return _mark(self.copies) if self.error is None else None

    def look(self) -> None:
        """Ask ClickHouse for its copies."""
        try:
            rows = self._server.query(_COPIES)
            copies = {
                str(table): {"build": int(build), "at": at.replace(tzinfo=UTC).timestamp(), "rows": int(n)}
                for table, build, at, n in rows
            }
            error = None
        except LakehouseError as failed:
            copies, error = self.copies, str(failed)
        if (copies, error) == (self.copies, self.error):
            self._differs_s = None
            return
        if error is None and self.error is None:
            self._differs_s = self._differs_s or time.monotonic()
            whole = copies.get("*") != self.copies.get("*")
            if not whole and time.monotonic() - self._differs_s < _COPYING_S:
                return
            self.prepare(_mark(copies))
        self.copies, self.error, self._differs_s = copies, error, None
        self.version += 1

    def _watch(self) -> None:
        while not self._ends.wait(_COPIES_EVERY_S):
            idle = time.monotonic() - self._looked_s > _IDLE_AFTER_S
            self.look()
            if time.monotonic() - self._lined_s < (_IDLE_EVERY_S if idle else _LINE_EVERY_S):
                continue
            self.look_at_line()

    def look_at_line(self) -> None:
        """Ask Kafka and the catalog how the line stands."""
        self._lined_s = time.monotonic()
        try:
            self.line = {**self._line(), "error": None, "asked_at": now().timestamp()}
        except LakehouseError as failed:
            self.line = {**self.line, "error": str(failed)}
        except Exception as failed:  # the thread must live on: the dashboard would show old news for ever
            log.exception("the state of the line")
            self.line = {**self.line, "error": f"{type(failed).__name__}: {failed}"}
        self.version += 1

    def of(self, tables: tuple[str, ...]) -> dict[str, Any]:
        """How fresh and how right some copies are: the oldest of their builds, what waits, what is wrong."""
        there = [self.copies[table] for table in tables if table in self.copies]
        closing = self.copies.get("*")
        at = max((one["at"] for one in there), default=None)
        if closing is not None and at is not None:
            at = max(at, closing["at"])  # a build without rows for a table brings that table up to date too
        problems = [said for said in self.line["problems"] if said.split(":")[0].split()[-1] in tables]
        return {
            "build": closing["build"] if closing else None,
            "copied_at": at,
            "waiting": sum(one["waiting"] for one in self.line["layers"] if one["unit"] == "events"),
            "problems": problems,
        }


def _mark(copies: dict[str, dict[str, Any]]) -> Mark:
    return tuple((table, *one.values()) for table, one in sorted(copies.items()))
