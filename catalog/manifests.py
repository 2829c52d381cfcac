"""Appending with few manifests: each commit adds one, and each query opens them all."""

from pyiceberg.manifest import ManifestFile
from pyiceberg.table import Transaction
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import _MergeAppendFiles

# PyIceberg merges whatever is small in one commit. A table with thousands of small manifests, as an older version of ours left
# them, would take minutes of it, in every worker at once.
_AT_ONCE = 100


class MergeAppend(_MergeAppendFiles):
    """PyIceberg's append that merges small manifests as the table's properties say, but looks at the newest hundred alone."""

    def __init__(self, transaction: Transaction, snapshot_properties: dict[str, str] | None = None) -> None:
        super().__init__(
            Operation.APPEND, transaction, transaction._table.io, snapshot_properties=snapshot_properties or {}
        )

    def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        return [*super()._process_manifests(manifests[:_AT_ONCE]), *manifests[_AT_ONCE:]]
