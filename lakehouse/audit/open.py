"""Puts the auditor together from the settings."""

from catalog import client
from catalog.snapshots import StateReader
from lakehouse.audit.account import Auditor
from lakehouse.copies.copy import Copies
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
    states = StateReader(catalog)
    Copies(server, states).create_tables()
    builds = Builds.of(catalog)
    return Auditor(now, states, builds, Engine(now, source="lakehouse-audit"), server, Topics(now))
