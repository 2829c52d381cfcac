"""How a worker ends itself where going on would be wrong: a new process starts from what the tables say."""

import logging
import os
from collections.abc import Iterable

from catalog.offsets import PartitionId

log = logging.getLogger(__name__)
# Codes of the process, of sysexits.h: EX_TEMPFAIL, EX_SOFTWARE.
STUCK, BROKEN = 75, 70


def leave_if_recreated(topic: str, mine: Iterable[PartitionId], present: Iterable[PartitionId]) -> None:
    """End the process if the topic is there, and our partitions are not among its own: it has another id."""
    known = set(present)
    if known and not set(mine) <= known:
        leave(f"{topic} was recreated; a new process takes the new topic", STUCK)


def leave(why: str, code: int) -> None:
    """End the process at once: a new one starts from what the tables say, so nothing is lost or doubled."""
    log.error("this worker ends: %s", why)
    logging.shutdown()
    os._exit(code)
