"""Keeping histories short: a commit a second makes 3,600 snapshots an hour, and each commit rewrites what tells of them."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, RESTError
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.update import AssertRefSnapshotId, RemoveSnapshotsUpdate
from requests.exceptions import RequestException

from catalog.commit import OneChange, telling
from catalog.snapshots import summary
from lakehouse.clock import Clock, now

# Longer than a batch is on its way: it is looked for in all snapshots. But each commit works through them all (85 ms with none,
# 570 ms with 420).
KEPT_FOR = timedelta(minutes=2)
# Those behind a spared one tell how far back new rows lie, so that a build reads the days of these alone. Not for ever: a
# build of an hour must not slow down commits.
_KEPT_BEHIND_SPARED_FOR = timedelta(minutes=5)
_KEPT_AT_LEAST = 20
# Workers commit once a second, and a table that moved on is looked at again.
_TRIES = 3


def expire(
    client: RestCatalog,
    name: str,
    spared: Callable[[], Collection[int]],
    kept_for: timedelta = KEPT_FOR,
    clock: Clock = now,
) -> int:
    """Forget old snapshots of a table; no data and no offsets go with them.

    Args:
        spared: snapshots to keep, such as those that a build goes by; for some minutes also those that came after them.
            Asked for once the table was read: what is planned later goes by its current snapshot, which stays.
        kept_for: how old snapshots become that nobody goes by.
    Returns:
        how many went; 0 also if the catalog refused, since the next call tries again.
    """
    for _ in range(_TRIES):
        try:
            table = client.load_table(name)
            old = _old(table.metadata, spared(), kept_for, clock())
            if old:
                transaction = OneChange(table)  # PyIceberg's own way copies all metadata twice an expired snapshot
                # not against another head: a table rolled back meanwhile may stand on one of these
                main = {"ref": MAIN_BRANCH, "snapshot-id": table.metadata.current_snapshot_id}
                transaction._apply(
                    (RemoveSnapshotsUpdate.model_validate({"snapshot-ids": old}),),
                    (AssertRefSnapshotId.model_validate(main),),
                )
                transaction.send()
            return len(old)
        except CommitFailedException:
            continue
        except (NoSuchTableError, RESTError, RequestException):
            break
    return 0


def _old(metadata: TableMetadata, spared: Collection[int], kept_for: timedelta, at: datetime) -> list[int]:
    edge_ms, recent_ms = _ms(at - kept_for), _ms(at - max(kept_for, _KEPT_BEHIND_SPARED_FOR))
    told_ms = [s.timestamp_ms for s in metadata.snapshots if s.snapshot_id in spared]
    edge_ms = max(recent_ms, min([edge_ms, *told_ms]))
    ordered = sorted(metadata.snapshots, key=lambda s: s.timestamp_ms)[:-_KEPT_AT_LEAST]
    # the branch `main` names the current one
    kept = {*spared, *telling(metadata), *(ref.snapshot_id for ref in metadata.refs.values())}
    return [s.snapshot_id for s in ordered if s.timestamp_ms < edge_ms and s.snapshot_id not in kept]


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


@dataclass(frozen=True)
class Contents:
    """How big a table is as of now; data and delete files together."""

    files: int = 0
    rows: int = 0
    size_bytes: int = 0
    snapshots: int = 0


def contents(client: RestCatalog, name: str) -> Contents:
    """What a table holds; nothing if there is no such table, or the catalog does not tell."""
    try:
        table = client.load_table(name)
    except (NoSuchTableError, RESTError, RequestException):
        return Contents()
    said = summary(table)
    files = int(said.get("total-data-files", 0)) + int(said.get("total-delete-files", 0))
    size_bytes = int(said.get("total-files-size", 0))
    return Contents(files, int(said.get("total-records", 0)), size_bytes, len(table.metadata.snapshots))
