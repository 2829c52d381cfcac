"""How this process takes memory: so that what it frees goes back, and what it takes is what it holds.

A worker has some fifty threads and buffers of megabytes. By default each thread gets an arena of its own, buffers below 32 MB
come from them, and Arrow keeps what was freed: half of a loaded worker's memory held nothing.
"""

import ctypes
import gc
from contextlib import suppress

import pyarrow as pa

# https://man7.org/linux/man-pages/man3/mallopt.3.html
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_ARENAS, _MAPPED_FROM_BYTES = 2, 1024 * 1024


# Python looks for circles of objects after each 700 new ones, and now and then through all there are. A commit makes some ten
# thousand, for moments (a table's metadata), among those of the libraries. In a sampling of a quiet worker's stacks (py-spy, 1
# December) half of what ran was that.
_NEW_OBJECTS, _YOUNG_LOOKS, _OLD_LOOKS = 50_000, 10, 10


def look_for_circles_less_often() -> None:
    """To be called once all is loaded, whose objects stay as long as the process: they are not looked through any more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, _YOUNG_LOOKS, _OLD_LOOKS)


def give_back_what_is_freed() -> None:
    """Few arenas, and pages of their own for large buffers, also Arrow's; where the C library is another one, nothing."""
    pa.set_memory_pool(pa.system_memory_pool())
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, _ARENAS)
        mallopt(_M_MMAP_THRESHOLD, _MAPPED_FROM_BYTES)
