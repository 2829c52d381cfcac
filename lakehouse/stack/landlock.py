"""Confines this process by Linux' Landlock: it asks the kernel to refuse it, for good, whatever is not on a list.

No privilege is needed, and neither the process nor what it starts can undo it. The system calls have no function in libc:
https://docs.kernel.org/userspace-api/landlock.html. Kernels without it, and other systems, say so (`abi() == 0`).
"""

import ctypes
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntFlag
from pathlib import Path

# the same numbers on every architecture
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION, _BENEATH, _PORT = 1, 1, 2
_PR_SET_NO_NEW_PRIVS = 38
# Numbers of system calls are Linux' own; elsewhere they would mean something else.
_LINUX = sys.platform.startswith("linux")
UNCONFINED = (
    "ClickHouse is not confined, since this kernel has no Landlock (Linux 5.13 or later, and switched on): whoever has one of"
    " its passwords can read what this user can, by file() (docs/security.md)"
)


class Right(IntFlag):
    """What may be done with a file or below a folder, as linux/landlock.h numbers it."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15


READ = Right.EXECUTE | Right.READ_FILE | Right.READ_DIR
_NO_DEVICES = Right.MAKE_CHAR | Right.MAKE_BLOCK | Right.IOCTL_DEV
CHANGE = Right(~(READ | _NO_DEVICES) & (1 << 16) - 1)
"""Write, make, remove and move, but not read."""
_OF_FILES = Right.EXECUTE | Right.WRITE_FILE | Right.READ_FILE | Right.TRUNCATE | Right.IOCTL_DEV
# What each version of the interface can refuse; what it does not know must not be asked of it.
_KNOWN = ((1, 13), (2, 14), (3, 15), (5, 16))
_BIND, _CONNECT = 1, 2
_SCOPES = 3  # signals, and sockets without a name in the file system, stay among those confined


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("ports", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("descriptor", ctypes.c_int32))


class _Port(ctypes.Structure):
    _fields_ = (("rights", ctypes.c_uint64), ("port", ctypes.c_uint64))


@dataclass(frozen=True)
class Allowed:
    """The list.

    Attributes:
        paths: what may be done with each file, or below each folder; what is not there is passed over.
        listens, connects: TCP ports.
    """

    paths: Iterable[tuple[Path, Right]]
    listens: Iterable[int]
    connects: Iterable[int]


def abi() -> int:
    """The version of the kernel's interface; 0 where there is none."""
    return max(0, _call(_CREATE, None, 0, _VERSION)) if _LINUX else 0


def confine(allowed: Allowed) -> bool:
    """Refuse this process and its children everything else, from now on; whether the kernel can.

    Call it before other threads are there: those would stay as they are.

    Raises:
        OSError: the kernel can and did not.
    """
    version = abi()
    if not version:
        return False
    known = Right((1 << max(bits for since, bits in _KNOWN if version >= since)) - 1)
    ports = _BIND | _CONNECT if version >= 4 else 0
    ruleset = _Ruleset(known, ports, _SCOPES if version >= 6 else 0)
    # a kernel takes a structure of its own length, or a longer one that ends in zeros
    descriptor = _checked(_call(_CREATE, ctypes.byref(ruleset), ctypes.sizeof(ruleset), 0))
    for path, rights in allowed.paths:
        _allow_path(descriptor, path, rights & known)
    if ports:
        for right, numbers in ((_BIND, allowed.listens), (_CONNECT, allowed.connects)):
            for number in numbers:
                _checked(_call(_ADD, descriptor, _PORT, ctypes.byref(_Port(right, number)), 0))
    libc = ctypes.CDLL(None, use_errno=True)
    _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _checked(_call(_RESTRICT, descriptor, 0))
    os.close(descriptor)
    return True


def _allow_path(ruleset: int, path: Path, rights: Right) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # not on this machine
        return
    try:
        here = rights if path.is_dir() else rights & _OF_FILES
        if here:
            _checked(_call(_ADD, ruleset, _BENEATH, ctypes.byref(_Beneath(here, opened)), 0))
    finally:
        os.close(opened)


def _call(number: int, *arguments: object) -> int:
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    widened = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    return int(syscall(ctypes.c_long(number), *widened))


def _checked(answer: int) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"the kernel refused to confine this process: {os.strerror(number)}")
    return answer
