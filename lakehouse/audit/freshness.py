"""How fresh each layer is: what it last took in, and what waits before it."""

from datetime import UTC, datetime
from typing import Any

from catalog import client
from catalog.snapshots import StateReader
from lakehouse.clock import now
from lakehouse.copies.server import Server
from lakehouse.gold.aside import standing
from lakehouse.gold.builds import Builds
from lakehouse.gold.inspection import Inspector
from lakehouse.settings import settings
from streams.contract import contracts
from streams.topics import Topics

_ASIDE_TOLD = 5


def layers() -> list[dict[str, Any]]:
    """One row a layer: `layer`, `what` it last did, `at` (ISO 8601), `age_s`, and `waiting` events before it.

    Raises:
        Retry: a server does not answer.
    """
    catalog = client.connect(settings())
    client.ensure_namespaces(catalog)
    states = StateReader(catalog)
    rows: list[dict[str, Any]] = []
    waiting_for_build = 0
    builds = Builds.of(catalog).read()
    complete = [b for b in builds if b.results is not None]
    watermarks = complete[-1].watermarks if complete else {}
    topics = Topics(settings())
    for name, contract in contracts().items():
        logs = topics.logs(settings().topic(name))
        silver = states.state(f"silver.{name}")
        lag = sum(max(0, log.end - silver.positions.next.get(p, log.start)) for p, log in logs.items())
        rows.append(_row(f"silver.{name}", "last commit", silver.committed_at, lag))
        if contract.is_event:
            built = next((w[name][1] for t, w in watermarks.items() if t.startswith("fact_") and name in w), {})
            waiting_for_build += sum(
                n - built.get(p, silver.positions.start.get(p, 0)) for p, n in silver.positions.next.items()
            )
    newest = complete[-1] if complete else None
    rows.append(
        _row(
            "gold",
            f"build {newest.build_id if newest else 0}",
            newest.completed_at if newest else None,
            waiting_for_build,
        )
    )
    copied = _last_copy()
    at = copied[0][1].replace(tzinfo=UTC) if copied else None
    behind = (newest.build_id if newest else 0) - (int(copied[0][0]) if copied else 0)
    rows.append(_row("clickhouse", f"build {copied[0][0] if copied else 0}", at, behind, "builds"))
    return rows


def problems() -> list[str]:
    """What is wrong with gold and its copies, in sentences: tables not up to date, checks that failed.

    Raises:
        Retry: a server does not answer.
    """
    catalog = client.connect(settings())
    client.ensure_namespaces(catalog)
    builds = Builds.of(catalog)
    complete = [b for b in builds.read() if b.results is not None]
    found = [f"{table}: {reason}" for table, reason in complete[-1].errors.items()] if complete else []
    for table, ranges in standing(complete).items():
        found += [one.sentence(table) for one in ranges[:_ASIDE_TOLD]]
        if len(ranges) > _ASIDE_TOLD:
            found.append(f"{table}: {len(ranges) - _ASIDE_TOLD:,} more ranges are not in it; gold.builds has them")
    for row in Inspector(settings(), catalog, builds).newest():
        if not row["passed"]:
            told = row["error"] or f"{row['wrong']:,} against it"
            found.append(f"{row['table_name']}: not so that {row['says']} ({row['severity']}; {told})")
    return found


def _last_copy() -> list[tuple[Any, ...]]:
    """Build and time of the newest complete copy; nothing before the first."""
    query = "select build_id, copied_at from gold.copies where table_name = '*' order by copied_at desc limit 1"
    server = Server(settings())
    made = server.query("select 1 from system.tables where database = 'gold' and name = 'copies'")
    return server.query(query) if made else []


def _row(layer: str, what: str, at: datetime | None, waiting: int, unit: str = "events") -> dict[str, Any]:
    age = round((now() - at).total_seconds(), 1) if at is not None else None
    said = at.isoformat(timespec="milliseconds") if at is not None else None
    return {"layer": layer, "what": what, "at": said, "age_s": age, "waiting": waiting, "unit": unit}
