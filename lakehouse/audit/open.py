"""Puts the auditor and the verifier together from the settings."""

from collections.abc import Iterator, Sequence
from functools import partial

from catalog import client
from catalog.snapshots import StateReader
from lakehouse.audit import messages, remade
from lakehouse.audit.account import Auditor
from lakehouse.audit.verify import Progress, Proof, Verifier
from lakehouse.copies.copy import Copies
from lakehouse.copies.server import Server
from lakehouse.gold.builds import Builds
from lakehouse.gold.engine import Engine
from lakehouse.gold.models import broken_models
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
    problems = [f"{table} can't be read: {reason}" for table, reason in broken_models().items()]
    made = partial(Verifier, catalog, progress=progress, bronze_off=now.bronze_off, begun=lambda: bool(record.read()))

    def newest_complete() -> list[int]:
        return [b.build_id for b in record.read()[-1:] if b.results is not None]

    if not copies:
        last = builds[-1] if builds else None
        return made(
            last, None, problems=problems, settled=lambda: last is not None and newest_complete() == [last.build_id]
        )
    server = Server(now)
    tables = Copies(server, StateReader(catalog))
    tables.create_tables()
    newest = tables.copied_build()
    copied = next((b for b in builds if b.build_id == newest and b.watermarks), None)
    if copied is None and builds:
        problems.append("no build of the newest is copied whole: copies are not looked at")
        return made(builds[-1], None, problems=problems)
    return made(
        copied,
        server,
        problems=problems,
        settled=lambda: newest_complete() == [newest] == [tables.copied_build()],
    )


def message_proofs(now: Settings, sources: Sequence[str], progress: Progress) -> Iterator[Proof]:
    """See `messages.proofs`, on the servers of the settings."""
    return messages.proofs(now, client.connect(now), sources, progress)


def remade_proofs(now: Settings, sources: Sequence[str], progress: Progress) -> Iterator[Proof]:
    """See `remade.proofs`, on the servers of the settings."""
    return remade.proofs(now, client.connect(now), sources, progress)
