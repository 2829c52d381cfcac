"""What a build will do: of each silver table one snapshot, and what each gold table has not taken in of it yet."""

from collections.abc import Collection, Mapping
from datetime import timedelta

from catalog.offsets import Offsets
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

    def __init__(self, models: Mapping[str, Model], states: StateReader, clock: Clock = now) -> None:
        self._models = models
        self._states = states
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
        for model in self._wanted(only):
            sources = sources_of(model, self._models)
            for source in sources:
                if source not in states:
                    states[source] = self._states.state(f"silver.{source}")
            loaded = watermarks.get(model.table, {})
            intervals = {s: self._interval(s, states[s], loaded) for s in sources}
            if not all(i.empty for i in intervals.values()):
                moving.add(model.table)
            for source in self._sources_of_new_facts(model, watermarks).intersection(loaded):
                intervals[source] = self._interval(source, states[source], {})
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

    def _interval(self, source: str, state: TableState, loaded: Mapping[str, tuple[int | None, Offsets]]) -> Interval:
        snapshot, start = loaded.get(source, (None, {}))
        for partition, offset in start.items():
            if state.positions.next.get(partition, 0) < offset:
                raise LakehouseError(
                    f"silver.{source} went back: gold has its offsets up to {offset} of {partition}. Somebody rolled the"
                    " table back; `lakehouse build --full` makes gold anew from it."
                )
        since = self._states.ingested_since(f"silver.{source}", snapshot) if state.snapshot_id != snapshot else None
        return Interval(source, state.snapshot_id, dict(start), dict(state.positions.next), since)
