"""The servers that come as Maven artifacts: Kafka's jars, Trino's tarball and its command line.

`artifacts.sha256` pins each of them, one a line: SHA-256, bytes, Maven coordinate. So nothing is resolved at a user's
machine, and a file that differs by a bit is refused. jgo knows where the files are; no address is written here.
Regenerate the list with `python -m lakehouse.stack.pin` after a change of version.
"""

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import requests
from jgo.maven import Artifact, MavenContext, PythonResolver

from lakehouse.errors import LakehouseError, Retry

LIST = Path(__file__).with_name("artifacts.sha256")
# Six side by side fill the line (54 MB of jars in 4 s against 31 s one by one) without being rude to the registry.
_SIDE_BY_SIDE = 6
_TRIES = 3
_TIMEOUT_S = 60

Progress = Callable[[int], None]
"""Called with the number of bytes that have arrived since the last call."""


@dataclass(frozen=True)
class Pinned:
    """One artifact as we want it: `coordinate` is `group:artifact:packaging:classifier:version`, the classifier may be
    empty."""

    coordinate: str
    sha256: str
    size_bytes: int

    @property
    def group(self) -> str:
        """The Maven group, e.g. `org.apache.kafka`."""
        return self.coordinate.split(":")[0]

    def path(self, cache: Path) -> Path:
        """Where the file is once it is fetched."""
        found = self._artifact(MavenContext(repo_cache=cache.absolute() / "maven")).cached_path
        assert found is not None
        return Path(found)

    def _artifact(self, context: MavenContext) -> Artifact:
        group, name, packaging, classifier, version = self.coordinate.split(":")
        return context.project(group, name).at_version(version).artifact(classifier, packaging)

    def download(self, folder: Path, progress: Progress) -> Path:
        """Download into an empty folder of the caller's, so that a broken download is never taken for a file."""

        @contextlib.contextmanager
        def report(_name: str, _size: int) -> Iterator[Progress]:
            yield progress

        resolver = PythonResolver(progress_callback=report)
        context = MavenContext(repo_cache=folder, resolver=resolver, timeout=_TIMEOUT_S)
        return Path(self._artifact(context).resolve())


def pinned() -> list[Pinned]:
    """All artifacts of the list, in its order."""
    rows = [line.split() for line in LIST.read_text().splitlines() if line and not line.startswith("#")]
    return [Pinned(coordinate, sha256, int(size)) for sha256, size, coordinate in rows]


def kafka_jars(cache: Path) -> list[Path]:
    """Kafka's class path: every jar of the list that is not Trino's."""
    return [one.path(cache) for one in pinned() if one.group != "io.trino"]


def trino_tarball(cache: Path) -> Path:
    """Trino's server as it is downloaded."""
    return next(one.path(cache) for one in pinned() if ":tar.gz:" in one.coordinate)


def trino_console(cache: Path) -> Path:
    """Trino's command line, an executable jar."""
    return next(one.path(cache) for one in pinned() if ":trino-cli:" in one.coordinate)


def missing(cache: Path, wanted: Sequence[Pinned]) -> list[Pinned]:
    """Those that are not in the cache with their full size.

    Files get into the cache only after their checksum was compared, so the size is enough here: it takes 2 ms for all.
    """

    def there(one: Pinned) -> bool:
        path = one.path(cache)
        return path.is_file() and path.stat().st_size == one.size_bytes

    return [one for one in wanted if not there(one)]


def fetch(cache: Path, wanted: Sequence[Pinned], progress: Progress) -> None:
    """Download what is missing, side by side, and put it into the cache once its checksum is right.

    Raises:
        Retry: the registry did not answer, or the connection broke, three times.
        LakehouseError: a file is not the one we pinned, or the disk is full.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            # the largest first: it is the one to wait for
            order = sorted(missing(cache, wanted), key=lambda pin: -pin.size_bytes)
            started = [pool.submit(_fetch_one, cache, one, progress) for one in order]
            try:
                for one in started:
                    one.result()
            except BaseException:  # also Ctrl-C: do not begin what has not begun
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    except OSError as error:
        if isinstance(error, requests.RequestException):
            raise
        raise LakehouseError(
            f"{cache}: {error.strerror or error}; the servers need 2 GB there. "
            "Make room, or set LAKEHOUSE_CACHE_DIR to another folder."
        ) from error


def _fetch_one(cache: Path, one: Pinned, progress: Progress) -> None:
    for attempt in range(_TRIES):
        arrived = 0

        def count(size: int) -> None:
            nonlocal arrived
            arrived += size
            progress(size)

        try:
            with TemporaryDirectory(dir=cache, prefix="incoming-") as folder:
                file = one.download(Path(folder), count)
                _compare(file, one)
                target = one.path(cache)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(file, target)
                return
        except (requests.RequestException, RuntimeError) as error:
            progress(-arrived)
            if attempt + 1 == _TRIES:
                raise Retry(
                    f"{one.coordinate} could not be downloaded ({error.__class__.__name__}); "
                    "check the connection and run `lakehouse fetch` again: it goes on where it stopped."
                ) from error
            time.sleep(2**attempt)


def _compare(file: Path, one: Pinned) -> None:
    found = sha256_of(file)
    if found != one.sha256:
        raise LakehouseError(
            f"{one.coordinate}: the downloaded file has SHA-256 {found}, expected {one.sha256}. It was thrown away. "
            "Run `lakehouse fetch` again; if it says the same, something between here and Maven Central changes files."
        )


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file, as hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def room_needed_bytes(cache: Path, wanted: Sequence[Pinned]) -> int:
    """Bytes that a fetch would download into the cache."""
    return sum(one.size_bytes for one in missing(cache, wanted))


def room_left_bytes(cache: Path) -> int:
    """Free bytes on the disk of the cache."""
    there = next(folder for folder in (cache, *cache.parents) if folder.exists())
    return shutil.disk_usage(there).free
