"""How this process takes memory: so that what it frees goes back, and what it takes is what it holds.

A worker has some fifty threads and buffers of megabytes. By default each thread gets an arena of its own, buffers below 32 MB
come from them, and Arrow keeps what was freed: half of a loaded worker's memory held nothing.
"""

import ctypes
from contextlib import suppress

import pyarrow as pa

# https://man7.org/linux/man-pages/man3/mallopt.3.html
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_ARENAS, _MAPPED_FROM_BYTES = 2, 1024 * 1024


def give_back_what_is_freed() -> None:
    """Few arenas, and pages of their own for large buffers, also Arrow's; where the C library is another one, nothing."""
    pa.set_memory_pool(pa.system_memory_pool())
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, _ARENAS)
        mallopt(_M_MMAP_THRESHOLD, _MAPPED_FROM_BYTES)
