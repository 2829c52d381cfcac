"""Puts the auditor and the verifier together from the settings."""

from catalog import client
from catalog.snapshots import StateReader
from lakehouse.audit.account import Auditor
from lakehouse.audit.verify import Progress, Verifier
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


def verifier(now: Settings, copies: bool, progress: Progress) -> Verifier:
    """A verifier on the servers of the settings.

    Args:
        copies: whether ClickHouse is looked at: facts are then held to the newest build that is copied whole, else to the
            newest that is complete.
    Raises:
        Retry: the catalog or ClickHouse does not answer.
    """
    catalog = client.connect(now)
    client.ensure_namespaces(catalog)
    record = Builds.of(catalog)
    builds = [b for b in record.read() if b.results is not None]
    if not copies:
        return Verifier(catalog, builds[-1] if builds else None, None, progress)
    server = Server(now)
    tables = Copies(server, StateReader(catalog))
    tables.create_tables()
    newest = tables.copied_build()
    copied = next((b for b in builds if b.build_id == newest and b.watermarks), None)
    if copied is None and builds:
        return Verifier(
            catalog, builds[-1], None, progress, ["no build of the newest is copied whole: copies are not looked at"]
        )

    def settled() -> bool:
        now_newest = record.read()[-1:]
        return [b.build_id for b in now_newest if b.results is not None] == [newest] == [tables.copied_build()]

    return Verifier(catalog, copied, server, progress, settled=settled)
