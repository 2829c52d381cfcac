"""Trino on disk: unpacked once into the cache, and a folder of links to the plugins that a stack's catalogs need.

Each plugin costs start time, and all 60 would be 500 MB of disk. So those of our catalogs are unpacked at first, another one
when a catalog of an operator names its connector, and a stack loads what its catalogs name and nothing else.
"""

import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from lakehouse.errors import LakehouseError
from lakehouse.stack.artifacts import trino_tarball

# Passwords are checked by a plugin, and so are the kinds of statement that are taken, whatever the catalogs.
_ALWAYS = ("password-authenticators", "resource-group-managers")
_FIRST = (*_ALWAYS, "iceberg", "kafka", "redis", "clickhouse", "postgresql", "geospatial")
# Connectors whose plugin has another name, or which need a second one: PostgreSQL's has PostGIS types.
_OF_CONNECTOR = {"postgresql": ("postgresql", "geospatial"), "gsheets": ("google-sheets",)}


def home(cache: Path) -> Path:
    """Where Trino is unpacked."""
    return cache.absolute() / trino_tarball(cache).name.removesuffix(".tar.gz")


def unpack(cache: Path, plugins: Iterable[str] = _FIRST) -> None:
    """Unpack Trino, or of an unpacked one the plugins that are not there yet; a broken attempt leaves nothing behind.

    Raises:
        LakehouseError: the disk is full, the tarball is broken, or has no such plugin.
    """
    target = home(cache)
    missing = [name for name in plugins if not (target / "plugin" / name).is_dir()]
    if target.exists() and not missing:
        return
    try:
        with tempfile.TemporaryDirectory(dir=cache, prefix="unpacking-") as folder:
            with tarfile.open(trino_tarball(cache)) as archive:
                archive.extractall(folder, filter="data")
            # Only now is a plugin taken: files that plugins share are links to whichever came first.
            _place(next(Path(folder).iterdir()), target, missing)
    except (OSError, tarfile.TarError) as error:
        raise LakehouseError(f"Trino could not be unpacked into {cache}: {error}; it needs 2 GB there") from error


def _place(fresh: Path, target: Path, wanted: Iterable[str]) -> None:
    there = {plugin.name for plugin in (fresh / "plugin").iterdir()}
    if unknown := sorted(set(wanted) - there):
        raise LakehouseError(f"Trino has no plugin {', '.join(unknown)}; it has {', '.join(sorted(there))}")
    if not target.exists():
        for name in there.difference(wanted):
            shutil.rmtree(fresh / "plugin" / name)
        _move(fresh, target)
    for name in wanted:
        if not (target / "plugin" / name).exists():
            _move(fresh / "plugin" / name, target / "plugin" / name)


def _move(source: Path, target: Path) -> None:
    try:
        os.replace(source, target)
    except OSError:
        if not target.exists():  # else another process was quicker
            raise


def connectors(catalogs: Path) -> Iterator[str]:
    """The connectors that the property files of a folder name."""
    for path in sorted(catalogs.glob("*.properties")):
        for line in path.read_text().splitlines():
            name, _, value = line.partition("=")
            if name.strip() == "connector.name":
                yield value.strip()


def link(cache: Path, catalogs: Path, folder: Path) -> None:
    """Make `folder` one of links to the plugins of the catalogs; a plugin that is not unpacked yet is (10 s).

    Raises:
        LakehouseError: Trino has no such plugin, or it cannot be unpacked.
    """
    wanted = {plugin for one in connectors(catalogs) for plugin in _OF_CONNECTOR.get(one, (one.replace("_", "-"),))}
    wanted |= set(_ALWAYS)
    unpack(cache, sorted(wanted))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in wanted:
        (folder / name).symlink_to(home(cache) / "plugin" / name)
