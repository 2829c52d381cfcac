"""One line on the terminal (standard error) while a query runs; gone when it has ended."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

# A query this short shows nothing: a line that comes and goes at once is a flicker.
_PATIENCE_S = 0.5


class QueryProgress:
    """Shows what the engine tells, the rows written so far, and the seconds."""

    def __init__(self, quiet: bool = False) -> None:
        """Prepare; `quiet` shows nothing, as does a standard error that is no terminal."""
        console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._progress.add_task("")
        self._state, self._rows, self._started = "", 0, False

    def __enter__(self) -> Self:
        """Begin to count the seconds."""
        self._progress.start_task(self._task)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the line away."""
        self.stop()

    def told(self, state: str) -> None:
        """The engine says how far the query is."""
        self._state = state
        self._show()

    def wrote(self, rows: int) -> None:
        """So many rows are written."""
        self._rows = rows
        self._show()

    def stop(self) -> None:
        """Take the line away for good, because output comes to the same terminal."""
        self._progress.stop()
        self._progress.disable = True

    def _show(self) -> None:
        if self._progress.disable:
            return
        if not self._started and (self._progress.tasks[self._task].elapsed or 0) > _PATIENCE_S:
            self._progress.start()
            self._started = True
        written = f", {self._rows:,} rows written" if self._rows else ""
        self._progress.update(self._task, description=f"{self._state}{written}")
