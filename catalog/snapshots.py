"""What stands in a fenced table at one moment: its snapshot, the offsets up to there, and how far back new rows can lie."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table

from catalog.commit import INGESTED_AT, positions
from catalog.faults import answering
from catalog.offsets import Positions

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def summary(table: Table) -> dict[str, str]:
    """What a table's current snapshot says of itself, such as `total-records`; nothing if there is none."""
    snapshot = table.current_snapshot()
    return snapshot.summary.additional_properties if snapshot is not None and snapshot.summary is not None else {}


@dataclass(frozen=True)
class TableState:
    """A table as of one snapshot (None: it has none yet)."""

    snapshot_id: int | None
    positions: Positions
    committed_at: datetime | None


class StateReader:
    """Reads the state of fenced tables."""

    def __init__(self, client: RestCatalog) -> None:
        self._client = client

    def state(self, name: str) -> TableState:
        """The table's state now; of a table that does not exist, an empty one.

        Raises:
            Retry: the catalog does not answer.
        """
        table = self._load(name)
        snapshot = table.current_snapshot() if table is not None else None
        if table is None or snapshot is None:
            return TableState(None, Positions(), None)
        at = datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC)
        return TableState(snapshot.snapshot_id, positions(table), at)

    def ingested_since(self, name: str, snapshot_id: int | None) -> datetime | None:
        """The earliest `ingested_at` of rows committed after a snapshot; None if the history no longer tells."""
        table = self._load(name)
        snapshot = table.current_snapshot() if table is not None else None
        earliest: list[int] = []
        while table is not None and snapshot is not None and snapshot.snapshot_id != snapshot_id:
            said = snapshot.summary.additional_properties.get(INGESTED_AT) if snapshot.summary else None
            earliest.extend([int(said)] if said else [])
            parent = snapshot.parent_snapshot_id
            snapshot = table.snapshot_by_id(parent) if parent is not None else None
            if snapshot is None and parent is not None:
                return None  # expired: what it added is not known
        reached = (snapshot.snapshot_id if snapshot is not None else None) == snapshot_id
        return _EPOCH + timedelta(microseconds=min(earliest)) if earliest and reached else None

    def _load(self, name: str) -> Table | None:
        try:
            with answering(name):
                table: Table = self._client.load_table(name)
                return table
        except NoSuchTableError:
            return None
