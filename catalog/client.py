"""The Iceberg REST catalog: connecting, namespaces, creating and evolving tables."""

from collections.abc import Mapping
from functools import partial

from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import (
    CommitFailedException,
    ForbiddenError,
    NamespaceAlreadyExistsError,
    NoSuchTableError,
    OAuthError,
    TableAlreadyExistsError,
    UnauthorizedError,
)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.table import Table
from requests.exceptions import RequestException

from catalog.faults import answering
from catalog.metadata import LeanRestCatalog
from catalog.schemas import Column, by_day, iceberg_schema
from lakehouse.errors import LakehouseError, Retry
from lakehouse.settings import Settings

# What the rest of the code calls a connection to the catalog.
Catalog = RestCatalog
_TIMEOUT_S = (5.0, 15.0)  # to connect, to answer
_S3_TIMEOUT_S = (5.0, 10.0)
NAMESPACES = ("bronze", "silver", "gold")
# Commits a second make histories long: keep metadata files short and let each commit remove the one that fell out.
_TABLE_PROPERTIES = {
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    "write.parquet.compression-codec": "zstd",
    "format-version": "2",
}
# Each commit adds a manifest, and each query opens them all: 86,400 a day, unless PyIceberg is told to merge them.
_MERGING = {
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "25",
    "commit.manifest.target-size-bytes": str(1 << 20),
}


class NotThere(Retry):
    """A table that somebody else is to create is not there yet, and this client may only read."""


def connect(settings: Settings) -> RestCatalog:
    """A client of the catalog named in the settings, with S3 access.

    Raises:
        Retry: the catalog does not answer.
        LakehouseError: it refuses the key.
    """
    secret = settings.s3_secret_key.get_secret_value()
    try:
        client = LeanRestCatalog(
            "lakehouse",
            uri=settings.catalog_url,
            warehouse=settings.catalog_warehouse,
            credential=f"{settings.s3_access_key}:{secret}",
            **{
                "oauth2-server-uri": f"{settings.catalog_url.rstrip('/')}/v1/oauth/tokens",
                "s3.endpoint": settings.s3_endpoint,
                "s3.region": settings.s3_region,
                "s3.access-key-id": settings.s3_access_key,
                "s3.secret-access-key": secret,
                "s3.connect-timeout": str(_S3_TIMEOUT_S[0]),
                "s3.request-timeout": str(_S3_TIMEOUT_S[1]),
                "s3.path-style-access": "true",
                "s3.force-virtual-addressing": "false",
                "py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO",
            },
        )
        # PyIceberg sets no time limit: a server that hangs would hang a worker.
        client._session.request = partial(  # type: ignore[method-assign]
            client._session.request, timeout=_TIMEOUT_S
        )
        return client
    except (OAuthError, UnauthorizedError, ForbiddenError) as error:
        raise LakehouseError(_refused(settings)) from error
    except RequestException as error:
        raise Retry(
            f"the Iceberg catalog at {settings.catalog_url} does not answer; is `lakehouse up` running?"
        ) from error


def _refused(settings: Settings) -> str:
    if settings.s3_access_key:
        return f"the catalog at {settings.catalog_url} refuses the key of LAKEHOUSE_S3_ACCESS_KEY"
    return (
        f"there is no stack in {settings.data_dir.absolute()}, and no key for the catalog at {settings.catalog_url}. Run this"
        " where the stack was started, or set LAKEHOUSE_DATA_DIR to its folder; for servers of your own"
        " LAKEHOUSE_S3_ACCESS_KEY and LAKEHOUSE_S3_SECRET_KEY"
    )


def ensure_namespaces(client: RestCatalog) -> None:
    """Create bronze, silver and gold where they are missing.

    Raises:
        Retry: they are, and this client may only read: somebody else is about to.
    """
    there = {name for name, *_ in client.list_namespaces()}
    for name in NAMESPACES:
        if name in there:
            continue
        try:
            client.create_namespace(name)
        except NamespaceAlreadyExistsError:
            continue
        except ForbiddenError:
            raise Retry(f"there is no namespace {name} yet, and this process only reads") from None


def ensure_table(client: RestCatalog, name: str, columns: tuple[Column, ...], day_of: str | None, doc: str) -> Table:
    """Create the table, or add the columns that it lacks (evolution is additive only).

    Args:
        name: namespace and table.
        day_of: column whose day partitions the table; None: unpartitioned.
    Raises:
        NotThere: there is none, and this client may only read.
        LakehouseError: a column stands there with another type.
    """
    schema = iceberg_schema(columns)
    table: Table
    try:
        table = client.load_table(name)
    except NoSuchTableError:
        spec = by_day(schema, day_of) if day_of else UNPARTITIONED_PARTITION_SPEC
        properties = {**_TABLE_PROPERTIES, **_MERGING, "comment": doc}
        try:
            client.create_table(name, schema, partition_spec=spec, properties=properties)
        except TableAlreadyExistsError:  # another worker was quicker
            pass
        except ForbiddenError:
            raise NotThere(f"there is no table {name} yet, and this process only reads") from None
        # SeaweedFS says yes to both of two that create it at the same moment, and the table is that of the later one
        table = client.load_table(name)
    return _evolve(_merging(table), name, columns)


def _merging(table: Table) -> Table:
    """A table that merges manifests, though an older version of ours may have made it; what somebody chose stays."""
    missing = {key: value for key, value in _MERGING.items() if key not in table.properties}
    if not missing:
        return table
    try:
        with table.transaction() as transaction:
            transaction.set_properties(missing)
    except CommitFailedException:  # another worker sets them, too
        return _merging(table.refresh())
    return table


def _evolve(table: Table, name: str, columns: tuple[Column, ...]) -> Table:
    wanted = iceberg_schema(columns)
    present = {f.name: f for f in table.schema().fields}
    missing = [f for f in wanted.fields if f.name not in present]
    for f in wanted.fields:
        if f.name in present and str(present[f.name].field_type) != str(f.field_type) and not f.field_type.is_struct:
            if "list" in str(f.field_type):
                continue  # element ids differ by table
            raise LakehouseError(
                f"{name}.{f.name} is {present[f.name].field_type} in the catalog and {f.field_type} in the contract;"
                " only added columns are taken over. Rename the field or the table."
            )
    if missing:
        try:
            with table.update_schema() as update:
                for f in missing:
                    update.add_column(f.name, f.field_type, doc=f.doc)
        except CommitFailedException:  # another worker adds them, too
            return _evolve(table.refresh(), name, columns)
        table = table.refresh()
    return table


def describe(client: RestCatalog, name: str, docs: Mapping[str, str]) -> None:
    """Give a table's columns their comments, where they differ; one commit.

    Args:
        docs: comment by column.
    Raises:
        Retry: the catalog does not answer, or somebody else changes the table.
    """
    with answering(name):
        table = client.load_table(name)
        present = {f.name: f.doc for f in table.schema().fields}
        wrong = {column: doc for column, doc in docs.items() if column in present and present[column] != doc}
        if wrong:
            with table.update_schema() as update:
                for column, doc in wrong.items():
                    update.update_column(column, doc=doc)
