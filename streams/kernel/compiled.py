"""How the kernel's functions are compiled: by Numba, once a machine.

Their machine code is kept in a folder that is named after their sources, so that no process runs the code of other sources
(Numba itself looks only at the file of the function that is called, not at those that it calls). `NUMBA_DISABLE_JIT=1` runs the
same functions in the interpreter, where an index out of bounds is an error; the tests do both.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

_COMPLETE = "complete"
_FORGOTTEN_S = 30 * 24 * 3600.0
_Function = TypeVar("_Function", bound=Callable[..., Any])


def _folder() -> Path:
    """The folder of these sources; the setting `cache_dir`, but read before there are settings."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    # Numba compiles anew what lies elsewhere or was written anew, too
    told = b"".join(f"{path} {path.stat().st_mtime_ns} ".encode() + path.read_bytes() for path in sources)
    names = hashlib.sha256(told).hexdigest()[:16]
    root = os.environ.get("LAKEHOUSE_CACHE_DIR") or Path.home() / ".cache" / "lakehouse"
    return Path(root) / "kernel" / f"{names}-{numba.__version__}"


def _forget_old(root: Path) -> None:
    """Remove the machine code of sources of long ago; who still runs it has it in memory."""
    for folder in root.glob("*-*"):
        if time.time() - folder.stat().st_mtime > _FORGOTTEN_S:
            shutil.rmtree(folder, ignore_errors=True)


def _keep() -> Path | None:
    """The folder for machine code; None where there can be none: then each process compiles for itself, which takes seconds."""
    try:
        folder = _folder()
        if not folder.exists():
            _forget_old(folder.parent)
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            return None
    except (OSError, RuntimeError):  # no home
        return None
    setattr(numba.config, "CACHE_DIR", str(folder))  # noqa: B010 - it is made of the environment, which types do not see
    return folder


_KEPT = _keep()


def mark_compiled() -> None:
    """Say that all functions are compiled."""
    if _KEPT is not None:
        (_KEPT / _COMPLETE).touch()


def is_compiled() -> bool:
    """Whether all functions are compiled, for processes that start now; also where no machine code can be kept."""
    return _KEPT is None or bool(getattr(numba.config, "DISABLE_JIT", False)) or (_KEPT / _COMPLETE).exists()


# Without reference counts: counting them costs more than most of these functions do, which make no arrays (`_nrt` is Numba's
# private word for it, so its version is pinned, and a test looks for counts in the machine code).
_OPTIONS: dict[str, Any] = {"nogil": True, "cache": _KEPT is not None, "_nrt": False}


def compiled(function: _Function) -> _Function:
    """The function as machine code that runs beside others (without the interpreter's lock). It must not make arrays."""
    return cast(_Function, numba.njit(**_OPTIONS)(function))


def inlined(function: _Function) -> _Function:
    """The function as a part of the machine code of those that call it."""
    return cast(_Function, numba.njit(**_OPTIONS, forceinline=True)(function))


def frozen(array: Any) -> Any:
    """The array, not to be written: functions are compiled for each kind of array that they are given, so there is one kind."""
    array.flags.writeable = False
    return array
