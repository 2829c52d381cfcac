"""The record of builds, `gold.builds`: what each was to load, and what it did. A crashed build goes on by it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Self

from catalog.client import Catalog
from catalog.ledger import Ledger, Records
from catalog.offsets import Offsets, Positions
from catalog.schemas import Column
from lakehouse.clock import Clock, now
from lakehouse.gold.intervals import Interval

COLUMNS = (
    Column("build_id", "long", "number of the build, from 1"),
    Column("state", "string", "planned, then complete"),
    Column("at", "instant", "when this was recorded"),
    Column("plan", "string", "JSON: per table and silver source the snapshot and offsets to load from and to"),
    Column("full", "bool", "whether tables are made anew from all of silver"),
    Column(
        "result",
        "string",
        "JSON: per table what was done and what failed; watermarks from here on",
    ),
)
DOC = "Builds of gold: one row when planned, one when complete"
_BUILDS_KEPT, _BUILDS_KEPT_WHOLE = 1000, 100
# table -> source -> interval
Plan = dict[str, dict[str, Interval]]
# table -> source -> (snapshot read, offsets loaded up to)
Watermarks = dict[str, dict[str, tuple[int | None, Offsets]]]


@dataclass
class TableResult:
    """What a build did to one table.

    Attributes:
        rows: loaded, merged, or written anew.
        lagging: why older rows could not follow what moved in a dimension; the new ones are loaded.
        repointed: days (ISO, UTC) that hold facts whose member became another one.
        moved: rows that were re-pointed.
        aside: what of its rows could not be loaded, and is left out (`lakehouse.gold.aside.Aside`, as a dictionary).
    """

    rows: int = 0
    seconds: float = 0.0
    error: str | None = None
    lagging: str | None = None
    failed_checks: list[str] = field(default_factory=list)
    repointed: list[str] = field(default_factory=list)
    moved: int = 0
    aside: list[dict[str, Any]] = field(default_factory=list)


_Result = tuple[dict[str, TableResult], Watermarks, dict[str, dict[str, int]]]


@dataclass
class Build:
    """A build: its plan, and once complete its results and how far each table has come.

    Attributes:
        full: tables are made anew from all of silver.
        watermarks: what each table has taken in of silver.
        followed: by fact and dimension with history, the dimension's snapshot that the fact's rows follow.
    """

    build_id: int
    plan: Plan
    planned_at: datetime
    full: bool = False
    results: dict[str, TableResult] | None = None
    watermarks: Watermarks = field(default_factory=dict)
    followed: dict[str, dict[str, int]] = field(default_factory=dict)
    completed_at: datetime | None = None

    @property
    def snapshots(self) -> set[int]:
        """The snapshots that it reads and that the next build goes by: they must be kept."""
        planned = {i.snapshot_id for intervals in self.plan.values() for i in intervals.values()}
        read = {snapshot for sources in self.watermarks.values() for snapshot, _ in sources.values()}
        followed = {snapshot for followed in self.followed.values() for snapshot in followed.values()}
        return {snapshot for snapshot in planned | read | followed if snapshot}

    @property
    def errors(self) -> dict[str, str]:
        """Tables that could not be brought up to date, with the reason."""
        found = {name: r.error or r.lagging for name, r in (self.results or {}).items()}
        return {name: reason for name, reason in found.items() if reason}

    @property
    def most_taken(self) -> int:
        """Events of one source that it takes, of the table that takes the most."""
        totals = (
            sum(max(0, end - i.start.get(p, 0)) for p, end in i.end.items())
            for intervals in self.plan.values()
            for i in intervals.values()
        )
        return max(totals, default=0)

    @property
    def ends(self) -> dict[str, Offsets]:
        """How far gold has taken in each source: as far as the table that is furthest."""
        found: dict[str, Offsets] = {}
        for sources in self.watermarks.values():
            for source, (_, offsets) in sources.items():
                known = found.setdefault(source, {})
                known.update({p: max(offset, known.get(p, 0)) for p, offset in offsets.items()})
        return found

    def end_of(self, source: str, table: str) -> Offsets:
        """How far a table has taken in a source."""
        return self.watermarks.get(table, {}).get(source, (None, {}))[1]


def spared(builds: Sequence[Build]) -> set[int]:
    """Snapshots that must be kept: those that the next build goes by, and those that a planned one reads."""
    return {snapshot for build in builds[-2:] for snapshot in build.snapshots}  # only the last one can be incomplete


def unsettled(builds: Sequence[Build]) -> list[tuple[int, str, str]]:
    """Build, table and words of each check that failed, but for tables made anew since: no row of that build is left."""
    found: list[tuple[int, str, str]] = []
    for build in builds:
        results = build.results or {}
        if build.full:
            anew = {table for table in build.plan if table in results and results[table].error is None}
            found = [one for one in found if one[1] not in anew]
        found += [(build.build_id, table, said) for table, result in results.items() for said in result.failed_checks]
    return found


class Builds:
    """Reads and writes the record."""

    @classmethod
    def of(cls, catalog: Catalog) -> Self:
        """The record in a catalog."""
        return cls(Ledger(catalog, "gold.builds", COLUMNS, DOC, _shortened))

    def __init__(self, ledger: Ledger, clock: Clock = now) -> None:
        self._ledger = ledger
        self._clock = clock
        # what was read before: a turn reads the record twice a second, and it says what it said
        self._plans: dict[int, Plan] = {}
        self._results: dict[int, _Result] = {}

    def read(self) -> list[Build]:
        """All builds in order."""
        found: dict[int, Build] = {}
        for row in sorted(self._ledger.read(), key=lambda r: (r["build_id"], r["state"] == "complete")):
            number = row["build_id"]
            if row["state"] == "planned":
                if number not in self._plans:
                    self._plans[number] = _load_plan(row["plan"])
                found[number] = Build(number, self._plans[number], row["at"], bool(row["full"]))
            else:
                if number not in self._results:
                    self._results[number] = _load_result(row["result"])
                build = found[number]
                build.results, build.watermarks, build.followed = self._results[number]
                build.completed_at = row["at"]
        return [found[n] for n in sorted(found)]

    def record_plan(self, build_id: int, plan: Plan, full: bool = False) -> Build:
        """Record what a build will load.

        Raises:
            Fenced: another process recorded a build since the last `read`.
        """
        at = self._clock()
        self._append(build_id, "planned", at, full, plan=_dump_plan(plan))
        return Build(build_id, plan, at, full)

    def record_complete(self, build: Build) -> None:
        """Record that a build is complete, with its results and watermarks."""
        assert build.results is not None
        build.completed_at = self._clock()
        tables = {name: asdict(r) for name, r in build.results.items()}
        said = json.dumps(
            {"tables": tables, "watermarks": _dump_watermarks(build.watermarks), "followed": build.followed}
        )
        self._append(build.build_id, "complete", build.completed_at, build.full, result=said)

    def _append(
        self, build_id: int, state: str, at: datetime, full: bool, plan: str | None = None, result: str | None = None
    ) -> None:
        record = {"build_id": build_id, "state": state, "at": at, "plan": plan, "full": full, "result": result}
        self._ledger.append([record])


def _shortened(records: Records) -> Records:
    """What is kept of old builds: of the newest hundred everything, of the newest thousand what was done, and for ever those in
    which a check found something wrong, and those that made tables anew, which settles it. Plans and watermarks are most of a
    record, and only copies that lag need old ones.
    """
    complete = sorted((r for r in records if r["state"] == "complete"), key=lambda r: int(r["build_id"]))
    newest = complete[-1]["build_id"] if complete else 0
    wrong = {
        r["build_id"] for r in complete if any(t["failed_checks"] for t in json.loads(r["result"])["tables"].values())
    }
    kept = []
    for record in records:
        number = record["build_id"]
        if number <= newest - _BUILDS_KEPT and number not in wrong and not record["full"]:
            continue
        if number <= newest - _BUILDS_KEPT_WHOLE:
            record = dict(record)
            if record["plan"] is not None:
                record["plan"] = json.dumps({table: {} for table in json.loads(record["plan"])})
            if record["result"] is not None:
                record["result"] = json.dumps({"tables": json.loads(record["result"])["tables"], "watermarks": {}})
        kept.append(record)
    return kept


def _dump_offsets(offsets: Offsets) -> Any:
    return json.loads(Positions(next=offsets).dumps())


def _load_offsets(raw: Any) -> Offsets:
    return Positions.loads(json.dumps(raw)).next


def _dump_plan(plan: Plan) -> str:
    return json.dumps(
        {
            table: {
                source: {
                    "snapshot_id": i.snapshot_id,
                    "start": _dump_offsets(i.start),
                    "end": _dump_offsets(i.end),
                    "ingested_from": i.ingested_from.isoformat() if i.ingested_from else None,
                }
                for source, i in intervals.items()
            }
            for table, intervals in plan.items()
        }
    )


def _load_plan(text: str) -> Plan:
    return {
        table: {
            source: Interval(
                source,
                raw["snapshot_id"],
                _load_offsets(raw["start"]),
                _load_offsets(raw["end"]),
                datetime.fromisoformat(raw["ingested_from"]) if raw["ingested_from"] else None,
            )
            for source, raw in intervals.items()
        }
        for table, intervals in json.loads(text).items()
    }


def _load_result(text: str) -> _Result:
    raw = json.loads(text)
    tables = {name: TableResult(**r) for name, r in raw["tables"].items()}
    return tables, _load_watermarks(raw["watermarks"]), raw.get("followed", {})


def _dump_watermarks(watermarks: Watermarks) -> Any:
    return {
        table: {source: [snapshot, _dump_offsets(offsets)] for source, (snapshot, offsets) in sources.items()}
        for table, sources in watermarks.items()
    }


def _load_watermarks(raw: Any) -> Watermarks:
    return {
        table: {source: (snapshot, _load_offsets(offsets)) for source, (snapshot, offsets) in sources.items()}
        for table, sources in raw.items()
    }
