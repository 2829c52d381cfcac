"""What a build will do: of each silver table one snapshot, and what each gold table has not taken in of it yet."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta

from catalog.offsets import Offsets, Positions
from catalog.snapshots import StateReader, TableState
from lakehouse.clock import Clock, now
from lakehouse.errors import LakehouseError, UsageError
from lakehouse.gold.builds import Build, Plan, Watermarks
from lakehouse.gold.intervals import Interval
from lakehouse.gold.models import Model, sources_of
from lakehouse.gold.repoint import histories_of

# A table that could not be loaded is not tried again at once, unless others have something new.
_RETRY_FAILED = timedelta(seconds=30)


class Planner:
    """Plans builds."""

    def __init__(
        self, models: Mapping[str, Model], states: StateReader, clock: Clock = now, most: int | None = None
    ) -> None:
        """Args:
        most: events of a source that one build takes; what is beyond is left to the next. An engine that must hold a night's
            backlog in its writers runs out of memory, and the same build, tried again, would for ever.
        """
        self._models = models
        self._states = states
        self._most = most
        self._clock = clock

    def plan(
        self, last: Build | None, only: Collection[str] = (), full: bool = False, patient: bool = True
    ) -> Plan | None:
        """What to load, by table and silver source; None if there is nothing to do.

        Args:
            last: the newest complete build.
            only: these tables, with the dimensions that they point to; nothing means all.
            full: all of silver, whatever the tables hold.
            patient: leave tables that failed a moment ago alone.
        Raises:
            UsageError: there is no such table.
            LakehouseError: silver went back behind what gold has.
        """
        watermarks = last.watermarks if last is not None and not full else {}
        states: dict[str, TableState] = {}
        plan: Plan = {}
        moving: set[str] = set()
        wanted = self._wanted(only)
        for source in {s for model in wanted for s in sources_of(model, self._models)}:
            states[source] = self._states.state(f"silver.{source}")
        ends = {s: {} if full else self._ends(s, states[s], wanted, watermarks) for s in states}
        for model in wanted:
            loaded = watermarks.get(model.table, {})
            sources = sources_of(model, self._models)
            intervals = {
                s: self._interval(s, states[s], self._end(model, states[s], ends[s]), loaded.get(s, (None, {}))[1])
                for s in sources
            }
            if not all(i.empty for i in intervals.values()):
                moving.add(model.table)
            for source in self._sources_of_new_facts(model, watermarks).intersection(loaded):
                intervals[source] = replace(intervals[source], start={}, ingested_from=None)
            if model.table not in watermarks or not all(i.empty for i in intervals.values()):
                plan[model.table] = intervals
        if full or (only and plan):
            return plan
        moving |= self._must_follow(last) if last is not None else set()
        if last is not None and patient and self._clock() - (last.completed_at or last.planned_at) < _RETRY_FAILED:
            moving -= last.errors.keys()
        return plan if moving else None

    def _wanted(self, only: Collection[str]) -> list[Model]:
        unknown = [name for name in only if name not in self._models]
        if unknown:
            raise UsageError(f"no gold table is called {unknown[0]!r}; there are {', '.join(self._models)}")
        wanted = {*only, *(k.dimension for name in only for k in self._models[name].foreign_keys)}
        return [m for m in self._models.values() if not only or m.table in wanted]

    def _must_follow(self, last: Build) -> set[str]:
        """Facts whose dimensions changed since they last followed them: an earlier build could not do it all."""
        dimensions = {d for followed in last.followed.values() for d in followed}
        now = {d: self._states.state(f"gold.{d}").snapshot_id or 0 for d in dimensions}
        found = set()
        for fact in (m for m in self._models.values() if m.table in last.followed):
            followed = last.followed[fact.table]
            if any(d.table in followed and now[d.table] != followed[d.table] for d in histories_of(fact, self._models)):
                found.add(fact.table)
        return found

    def _sources_of_new_facts(self, dimension: Model, watermarks: Watermarks) -> set[str]:
        """Sources of which a dimension must look at all events: a fact that was never loaded names keys of its own."""
        return {
            m.reads
            for m in self._models.values()
            if m.reads and m.table not in watermarks and any(k.dimension == dimension.table for k in m.foreign_keys)
        }

    def _ends(
        self, source: str, state: TableState, wanted: Collection[Model], watermarks: Watermarks
    ) -> dict[str, Offsets]:
        """How far this build takes each fact of a source."""
        facts = [m.table for m in wanted if m.kind == "fact" and m.reads == source]
        loaded = {table: watermarks.get(table, {}).get(source, (None, {}))[1] for table in facts}
        return {
            table: _bounded({**state.positions.start, **loaded[table]}, state.positions, self._most) for table in facts
        }

    def _end(self, model: Model, state: TableState, ends: Mapping[str, Offsets]) -> Offsets:
        """How far it takes a table: a dimension as far as the facts, so that it knows each of their keys."""
        if not ends:
            return state.positions.next
        if model.table in ends:
            return ends[model.table]
        return {p: max(end.get(p, 0) for end in ends.values()) for p in state.positions.next}

    def _interval(self, source: str, state: TableState, end: Offsets, start: Offsets) -> Interval:
        for partition, offset in start.items():
            if state.positions.next.get(partition, 0) < offset:
                raise LakehouseError(
                    f"silver.{source} went back: gold has its offsets up to {offset} of {partition}. Somebody rolled the"
                    " table back; `lakehouse build --full` makes gold anew from it."
                )
        reached = {p: max(offset, start.get(p, 0)) for p, offset in end.items()}
        new = reached != start
        since = self._states.ingested_since(f"silver.{source}", start) if new else None
        return Interval(source, state.snapshot_id, dict(start), reached, since)


def _bounded(start: Offsets, positions: Positions, most: int | None) -> Offsets:
    """Ends that leave `most` events in all at the greatest, each partition its share of what waits there."""
    waiting = {p: max(0, offset - start.get(p, 0)) for p, offset in positions.next.items()}
    total = sum(waiting.values())
    if most is None or total <= most:
        return dict(positions.next)
    # rounded up, so that every partition with something new moves
    return {p: offset - waiting[p] + -(-waiting[p] * most // total) for p, offset in positions.next.items()}
