"""PyIceberg's client of a REST catalog, which reads of an answer only what is new.

A table with a commit a second answers each request with all of its snapshots, schemas and logs, some hundred kilobytes.
PyIceberg makes objects of all that, twice a commit, and connects to S3 anew each time. A snapshot, a schema and a partition
spec never change once they are there (https://iceberg.apache.org/spec/#table-metadata), so those that were read before are
taken as they are: what a request costs grows with the number of snapshots by a look into a dictionary each.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import orjson
from pyiceberg.catalog import TOKEN
from pyiceberg.catalog.rest import (
    _RETRY_ARGS,
    AUTHORIZATION_HEADER,
    BEARER_PREFIX,
    Endpoints,
    RestCatalog,
    TableResponse,
)
from pyiceberg.catalog.rest.response import _handle_non_200_response
from pyiceberg.catalog.rest.scan_planning import StorageCredential
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException, NoSuchTableError
from pyiceberg.io import FileIO
from pyiceberg.table import CommitTableRequest, CommitTableResponse, Namespace, Table, TableIdentifier
from pyiceberg.table.metadata import TableMetadata, TableMetadataUtil
from pyiceberg.table.refs import SnapshotRef
from pyiceberg.table.snapshots import MetadataLogEntry, Snapshot, SnapshotLogEntry
from pyiceberg.table.update import TableRequirement, TableUpdate
from pyiceberg.typedef import EMPTY_DICT, UTF8, Identifier, Properties
from requests import HTTPError, Response
from tenacity import retry

# Of a table's properties those by which files are reached; others, such as our positions, change with each commit.
_OF_FILES = ("s3.", "client.", "py-io-impl", "gcs.", "adls.", "hdfs.", "hf.", "token", "rest.")
_UNKNOWN = dict.fromkeys((500, 502, 504), CommitStateUnknownException)
_Call = TypeVar("_Call", bound=Callable[..., Any])
_arguments: dict[str, Any] = _RETRY_ARGS
_retrying: Callable[..., Any] = retry(**_arguments)


def _with_fresh_token(call: _Call) -> _Call:
    """Once more with another token where that of before has run out."""
    return cast(_Call, _retrying(call))


class LeanRestCatalog(RestCatalog):
    """A REST catalog's client that remembers the metadata of each table as it was read last. Thread-safe as its base is."""

    def __init__(self, name: str, **properties: str) -> None:
        self._known: dict[Identifier, TableMetadata] = {}
        self._files: dict[tuple[tuple[str, str], ...], FileIO] = {}
        super().__init__(name, **properties)

    @_with_fresh_token
    def load_table(self, identifier: str | Identifier) -> Table:
        """See the base. Always all snapshots: this client's tables are small in those."""
        place = self.identifier_to_tuple(identifier)
        response = self._session.get(
            self.url(Endpoints.load_table, prefixed=True, **self._split_identifier_for_path(place))
        )
        raw = _answer(response, {404: NoSuchTableError})
        found = TableResponse.model_construct(
            metadata_location=raw.get("metadata-location"),
            metadata=self._read(place, raw["metadata"]),
            config=raw.get("config") or {},
            storage_credentials=[StorageCredential.model_validate(one) for one in raw.get("storage-credentials") or ()],
        )
        return self._response_to_table(place, found)

    @_with_fresh_token
    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        """See the base."""
        place = table.name()
        named = TableIdentifier(namespace=Namespace(list(place[:-1])), name=place[-1])
        request = CommitTableRequest(identifier=named, requirements=requirements, updates=updates)
        headers = dict(self._session.headers)
        if token := table.config.get(TOKEN):
            headers[AUTHORIZATION_HEADER] = f"{BEARER_PREFIX} {token}"
        response = self._session.post(
            self.url(Endpoints.update_table, prefixed=True, **self._split_identifier_for_path(named)),
            data=request.model_dump_json().encode(UTF8),
            headers=headers,
        )
        raw = _answer(response, {409: CommitFailedException, **_UNKNOWN})
        return CommitTableResponse.model_construct(
            metadata=self._read(place, raw["metadata"]), metadata_location=raw["metadata-location"]
        )

    def _read(self, place: Identifier, raw: dict[str, Any]) -> TableMetadata:
        found = self._known[place] = metadata_of(raw, self._known.get(place))
        return found

    def _load_file_io(self, properties: Properties = EMPTY_DICT, location: str | None = None) -> FileIO:
        """One for all tables that are reached alike, which keeps its connections."""
        every = {**self.properties, **properties}
        key = tuple(sorted((name, str(value)) for name, value in every.items() if name.startswith(_OF_FILES)))
        found = self._files.get(key)
        if found is None:
            self._files.clear()  # where credentials are vended, those of before are of no use any more
            found = self._files[key] = super()._load_file_io(properties, location)
        return found


def _answer(response: Response, errors: dict[int, type[Exception]]) -> dict[str, Any]:
    try:
        response.raise_for_status()
    except HTTPError as error:
        _handle_non_200_response(error, errors)
    found: dict[str, Any] = orjson.loads(response.content)
    return found


def metadata_of(raw: dict[str, Any], before: TableMetadata | None) -> TableMetadata:
    """A table's metadata as the catalog sends it: what PyIceberg makes of it.

    Args:
        before: the same table's, as it was read some time ago.
    """
    if before is None or not _is_alike(raw, before):
        return TableMetadataUtil.parse_obj(raw)
    known = {snapshot.snapshot_id: snapshot for snapshot in before.snapshots}
    current = raw.get("current-snapshot-id")
    return before.model_copy(
        update={
            "last_sequence_number": raw["last-sequence-number"],
            "last_updated_ms": raw["last-updated-ms"],
            "properties": raw.get("properties") or {},
            "current_snapshot_id": None if current == -1 else current,
            "snapshots": [
                known.get(one["snapshot-id"]) or Snapshot.model_validate(one) for one in raw.get("snapshots") or ()
            ],
            "statistics": [],
            "partition_statistics": [],
            "refs": {name: SnapshotRef.model_validate(one) for name, one in raw["refs"].items()},
            "snapshot_log": [
                SnapshotLogEntry.model_construct(snapshot_id=one["snapshot-id"], timestamp_ms=one["timestamp-ms"])
                for one in raw.get("snapshot-log") or ()
            ],
            "metadata_log": [
                MetadataLogEntry.model_construct(metadata_file=one["metadata-file"], timestamp_ms=one["timestamp-ms"])
                for one in raw.get("metadata-log") or ()
            ],
        }
    )


def _is_alike(raw: dict[str, Any], before: TableMetadata) -> bool:
    """Whether all that is not read anew is as it was; what is seldom there is left to PyIceberg."""
    if (
        raw.get("format-version") != 2
        or not raw.get("refs")
        or raw.get("statistics")
        or raw.get("partition-statistics")
    ):
        return False
    return (
        before.format_version == 2
        and raw["table-uuid"] == str(before.table_uuid)
        and raw["location"] == before.location
        and raw["current-schema-id"] == before.current_schema_id
        and raw["default-spec-id"] == before.default_spec_id
        and raw.get("default-sort-order-id") == before.default_sort_order_id
        and raw["last-column-id"] == before.last_column_id
        and raw.get("last-partition-id") == before.last_partition_id
        and [one["schema-id"] for one in raw["schemas"]] == [one.schema_id for one in before.schemas]
        and [one["spec-id"] for one in raw["partition-specs"]] == [one.spec_id for one in before.partition_specs]
        and [one["order-id"] for one in raw.get("sort-orders") or ()] == [one.order_id for one in before.sort_orders]
    )
