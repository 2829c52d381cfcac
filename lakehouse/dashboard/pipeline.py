"""How the line stands: topics and lag, layers, builds, checks, workers, tables; read from Kafka and the catalog."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from catalog import client
from catalog.maintenance import contents
from catalog.snapshots import StateReader
from lakehouse.audit import freshness
from lakehouse.clock import Clock, now
from lakehouse.gold.builds import Build, Builds
from lakehouse.gold.inspection import Inspector
from lakehouse.gold.models import models
from lakehouse.settings import Settings
from streams.contract import contracts
from streams.topics import Topics

# Ends of the logs seen in the last hour: what lag means in seconds is told by when the log passed the offset read last.
_SAMPLES = 720
_BUILDS, _NOTABLE = 30, 200
_SIDE_BY_SIDE = 6


class Pipeline:
    """Asks the servers how the line stands."""

    def __init__(self, settings: Settings, clock: Clock = now) -> None:
        self._settings = settings
        self._clock = clock
        self._catalog = client.connect(settings)
        client.ensure_namespaces(self._catalog)
        self._builds = Builds.of(self._catalog)
        self._topics = Topics(settings)
        self._seen: dict[str, deque[tuple[float, int]]] = {}

    def line(self) -> dict[str, Any]:
        """Everything, as the pipeline page shows it.

        Raises:
            Retry: a server does not answer.
        """
        builds = self._builds.read()
        return {
            "layers": freshness.layers(),
            "problems": freshness.problems(),
            "topics": self._topic_rows(),
            "builds": [_build_row(build) for build in builds[-_BUILDS:]][::-1],
            "notable": [_build_row(build) for build in builds[-_NOTABLE:] if _is_notable(build)],
            "checks": self._checks(),
            "workers": self._workers(),
            "tables": self._tables(),
        }

    def _topic_rows(self) -> list[dict[str, Any]]:
        states = StateReader(self._catalog)
        rows = []
        for name in contracts():
            topic = self._settings.topic(name)
            logs = self._topics.logs(topic)
            following = states.state(f"silver.{name}").positions.next
            end = sum(log.end for log in logs.values())
            read = sum(min(following.get(p, log.start), log.end) for p, log in logs.items())
            seen = self._seen.setdefault(name, deque(maxlen=_SAMPLES))
            seen.append((self._clock().timestamp(), end))
            rows.append({
                "source": name, "topic": topic, "partitions": len(logs), "end": end, "lag": end - read,
                "lag_s": _lag_s(seen, read), "rate": _rate(seen),
            })  # fmt: skip
        return rows

    def _checks(self) -> list[dict[str, Any]]:
        found = Inspector(self._settings, self._catalog, self._builds).newest()
        named = ("table_name", "check_name", "severity", "passed", "wrong", "says", "error")
        return [
            {**{name: row[name] for name in named}, "at": row["checked_at"].timestamp()}
            for row in sorted(found, key=lambda row: (row["passed"], row["table_name"]))
        ]

    def _workers(self) -> list[dict[str, Any]]:
        members = self._topics.members(self._settings.consumer_group)
        return [{"worker": name, "partitions": partitions} for name, partitions in sorted(members.items())]

    def _tables(self) -> list[dict[str, Any]]:
        names = [f"{layer}.{source}" for layer in ("bronze", "silver") for source in contracts()]
        names += [f"gold.{table}" for table in models()]
        with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="tables") as pool:
            found = pool.map(lambda name: contents(self._catalog, name), names)
        return [
            {"table": name, "rows": c.rows, "files": c.files, "bytes": c.size_bytes, "snapshots": c.snapshots}
            for name, c in zip(names, found, strict=True)
        ]


def _rate(seen: deque[tuple[float, int]]) -> float | None:
    """Events a second over the last minute seen; None before there are two looks."""
    newest, end = seen[-1]
    earlier = [(at, n) for at, n in seen if newest - 60 <= at < newest]
    if not earlier:
        return None
    at, n = earlier[0]
    return round((end - n) / (newest - at), 1)


def _lag_s(seen: deque[tuple[float, int]], read: int) -> float | None:
    """Seconds since the log's end was where reading has come to; None if that was before the first look."""
    newest, end = seen[-1]
    if read >= end:
        return 0.0
    reached = [at for at, n in seen if n <= read]
    return round(newest - reached[-1], 1) if reached else None


def _build_row(build: Build) -> dict[str, Any]:
    results = build.results or {}
    done = build.completed_at
    return {
        "build": build.build_id,
        "planned_at": build.planned_at.timestamp(),
        "completed_at": done.timestamp() if done else None,
        "seconds": round((done - build.planned_at).total_seconds(), 1) if done else None,
        "full": build.full,
        "rows": sum(r.rows for r in results.values()),
        "moved": sum(r.moved for r in results.values()),
        "errors": build.errors,
        "failed_checks": {table: r.failed_checks for table, r in results.items() if r.failed_checks},
    }


def _is_notable(build: Build) -> bool:
    """What a chart marks: builds that made tables anew, failed, or moved facts to other members."""
    row = _build_row(build)
    return bool(row["full"] or row["errors"] or row["failed_checks"] or row["moved"])
