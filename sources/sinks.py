"""Where generated messages go: Kafka (`Publisher` fits the protocol), or files."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol

import polars as pl

from lakehouse.errors import UsageError
from sources.publish import Interrupted


class Sink(Protocol):
    """Where messages go."""

    def send_frame(self, source: str, messages: pl.DataFrame) -> None:
        """Take the columns `key` and `value` in row order.

        Raises:
            Interrupted: the user asked to stop; it says how many of these messages were taken.
        """


class FileSink:
    """Writes one file a source, as `FILE-sms.ndjson`; the events of a run with a single source go to FILE itself."""

    def __init__(
        self,
        path: Path,
        event_sources: Sequence[str],
        on_progress: Callable[[str, int], None] = lambda source, count: None,
        stop_asked: Callable[[], bool] = lambda: False,
    ) -> None:
        """Prepare; files are created when their first message comes."""
        self._stop_asked = stop_asked
        self._path = path
        self._alone = event_sources[0] if len(event_sources) == 1 else None
        self._on_progress = on_progress
        self.files: dict[str, Path] = {}
        self._open: dict[str, IO[bytes]] = {}

    def __enter__(self) -> "FileSink":
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the files."""
        for stream in self._open.values():
            stream.close()

    def send_frame(self, source: str, messages: pl.DataFrame) -> None:
        """Append one line a message.

        Raises:
            UsageError: a file cannot be written.
            Interrupted: `stop_asked` said so; nothing of these messages was written.
        """
        if self._stop_asked():
            raise Interrupted
        try:
            if source not in self._open:
                self.files[source] = self._path_of(source)
                self._open[source] = self.files[source].open("wb")
            self._open[source].write(b"\n".join(messages["value"].to_list()) + b"\n")
        except OSError as error:
            raise UsageError(f"cannot write {self._path}: {error.strerror}.") from None
        self._on_progress(source, messages.height)

    def _path_of(self, source: str) -> Path:
        if source == self._alone:
            return self._path
        stem = self._path.with_suffix("") if self._path.suffix == ".ndjson" else self._path
        return stem.with_name(f"{stem.name}-{source}.ndjson")
