"""Small tables that record what was done: appended to by whoever saw their newest state, read whole."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import pyarrow as pa
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table

from catalog import data_files
from catalog.client import NotThere, ensure_table
from catalog.commit import OneTry
from catalog.faults import answering
from catalog.manifests import MergeAppend
from catalog.schemas import Column, arrow_schema
from catalog.snapshots import summary
from lakehouse.errors import Fenced

# A record is a file: from this many on they are written together as one, so that reading stays quick.
_FILES = 60
Records = list[dict[str, Any]]


class Ledger:
    """A table of records that is appended to; an append fails if somebody else appended since it was last read."""

    def __init__(
        self,
        client: RestCatalog,
        name: str,
        columns: tuple[Column, ...],
        doc: str,
        keep: Callable[[Records], Records] = lambda records: records,
    ) -> None:
        """Open the table, or create it.

        Args:
            keep: what is kept of the records when they are written together into one file.
        """
        self._name = name
        self._keep = keep
        self._read: tuple[int | None, Records] = (None, [])
        self._schema = arrow_schema(columns)
        self._open = partial(ensure_table, client, name, columns, None, doc)
        self._opened: Table | None = None
        with suppress(NotThere), answering(name):
            self._opened = self._open()

    @property
    def _table(self) -> Table:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def read(self) -> Records:
        """All records as of now, in no order; none where the table is not there, and this client may not create it."""
        try:
            return self._read_all()
        except NotThere:
            return []

    def _read_all(self) -> Records:
        with answering(self._name):
            self._table.refresh()
            snapshot = self._table.current_snapshot()
            if snapshot is None:
                return []
            if self._read[0] != snapshot.snapshot_id:
                self._read = (snapshot.snapshot_id, self._table.scan().to_arrow().to_pylist())
            return list(self._read[1])

    def append(self, records: Sequence[dict[str, Any]]) -> None:
        """Append records, asserting that the table is as last read.

        Raises:
            Fenced: somebody else appended meanwhile; nothing was written.
        """
        with answering(self._name):
            rows = pa.Table.from_pylist(list(records), schema=self._schema)
            transaction = OneTry(self._table)
            if int(summary(self._table).get("total-data-files", 0)) >= _FILES:
                present = self._table.scan().to_arrow().select(self._schema.names).cast(self._schema)
                kept = self._keep(pa.concat_tables([present, rows]).to_pylist())
                rows = pa.Table.from_pylist(kept, schema=self._schema)
                transaction.delete("true")
            append = MergeAppend(transaction)
            append.append_data_file(data_files.write(self._table, rows, None))
            append.commit()
            try:
                transaction.send()
            except CommitFailedException as error:
                raise Fenced(f"{self._name}: another process recorded something meanwhile; read it again") from error
