"""What stands in a fenced table at one moment: its snapshot, the offsets up to there, and how far back new rows can lie."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table

from catalog.commit import INGESTED_AT, POSITIONS, positions
from catalog.faults import answering
from catalog.losses import Loss, acknowledged
from catalog.offsets import Offsets, Positions

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
    losses: tuple[Loss, ...] = ()
    """Lost offsets that an operator has taken notice of."""


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
            return TableState(None, Positions(), None, acknowledged(table) if table is not None else ())
        at = datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC)
        return TableState(snapshot.snapshot_id, positions(table), at, acknowledged(table))

    def ingested_since(self, name: str, offsets: Offsets) -> datetime | None:
        """The earliest `ingested_at` of rows beyond some offsets; None if the history no longer tells."""
        table = self._load(name)
        snapshot = table.current_snapshot() if table is not None else None
        earliest: list[int] = []
        while table is not None and snapshot is not None:
            said = snapshot.summary.additional_properties if snapshot.summary is not None else {}
            if POSITIONS in said and _within(Positions.loads(said[POSITIONS]).next, offsets):
                break
            earliest.extend([int(said[INGESTED_AT])] if INGESTED_AT in said else [])
            parent, sequence_number = snapshot.parent_snapshot_id, snapshot.sequence_number
            snapshot = table.snapshot_by_id(parent) if parent is not None else None
            # expired, with or without a trace: what it added is not known
            if (parent is None and sequence_number != 1) or (snapshot is None and parent is not None):
                return None
        return _EPOCH + timedelta(microseconds=min(earliest)) if earliest else None

    def _load(self, name: str) -> Table | None:
        try:
            with answering(name):
                table: Table = self._client.load_table(name)
                return table
        except NoSuchTableError:
            return None


def _within(positions: Offsets, offsets: Offsets) -> bool:
    """Whether a snapshot has nothing beyond the offsets."""
    return all(following <= offsets.get(partition, 0) for partition, following in positions.items())
