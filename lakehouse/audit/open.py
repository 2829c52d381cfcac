"""Puts the auditor together from the settings."""

from catalog import client
from catalog.snapshots import StateReader
from lakehouse.audit.account import Auditor
from lakehouse.copies.copy import ddl_files
from lakehouse.copies.server import Server
from lakehouse.gold.builds import Builds
from lakehouse.gold.engine import Engine
from lakehouse.settings import Settings
from streams.topics import Topics


def auditor(now: Settings) -> Auditor:
    """An auditor on the servers of the settings.

    Raises:
        Retry: the catalog or ClickHouse does not answer.
    """
    catalog = client.connect(now)
    client.ensure_namespaces(catalog)
    server = Server(now)
    for path in ddl_files():
        server.run(path.read_text())
    builds = Builds.of(catalog)
    return Auditor(now, StateReader(catalog), builds, Engine(now, source="lakehouse-audit"), server, Topics(now))
