"""Reference records as known when events arrive: frames in memory, kept up to date from Redis.

Each worker owns some partitions of a reference topic and enriches events of any key, so the workers share what they read
through Redis: the latest record of each key, and a log of changes that each worker reads on from where it was. Redis only
speeds things up: silver holds the truth, and an empty Redis is filled from it.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl
import redis

from streams import reference_keys
from streams.contract import Contract, Field

_CHANGES = 5_000  # records fetched at once: about a megabyte
Rebuild = Callable[[Contract], pl.DataFrame]


class References:
    """The frames by which events are enriched, one a reference source, keyed by its key column."""

    def __init__(self, contracts: Mapping[str, Contract], server: redis.Redis) -> None:
        self._contracts = {name: c for name, c in contracts.items() if not c.is_event}
        self._server = server
        self._records: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in self._contracts}
        self._owed: set[str] = set()
        self._rebuild: Rebuild | None = None
        self._seen: dict[str, float] = dict.fromkeys(self._contracts, 0.0)
        self.frames: dict[str, pl.DataFrame] = no_records(contracts)

    def publish(self, source: str, records: pl.DataFrame) -> None:
        """Share accepted records (contract columns and `is_deleted`) with all workers, in arrival order."""
        key = self._contracts[source].key.column
        if records.is_empty():
            return
        latest = records.unique(key, keep="last", maintain_order=True)
        columns = record_columns(self._contracts[source])
        named: dict[str, str] = {}
        for row in latest.select(columns).iter_rows(named=True):
            attributes = {k: v if isinstance(v, str | bool | float | int | None) else str(v) for k, v in row.items()}
            named[reference_keys.record(source, row[key])] = json.dumps(attributes)
        number, log = reference_keys.version(source), reference_keys.changes(source)

        def change(pipeline: Any) -> None:
            version = int(pipeline.get(number) or 0)
            pipeline.multi()
            pipeline.set(number, version + len(named))
            pipeline.mset(named)
            pipeline.zadd(log, {name: place for place, name in enumerate(named, version + 1)})

        # Number and change appear together: a reader that saw a later number would pass over an earlier change for good.
        self._server.transaction(change, number)

    def refresh(self) -> bool:
        """Take in what changed since the last call; whether anything did.

        Raises:
            redis.RedisError: Redis does not answer; the frames stay as they were.
        """
        any_changed = False
        for source in sorted(self._owed):
            self._rebuild_from_silver(source)
        for source in self._contracts:
            changed = False
            while names := self._changed_names(source):
                values = self._server.mget([name for name, _ in names])
                for (name, _), value in zip(names, values, strict=True):
                    if value is not None:
                        self._records[source][name.decode()] = json.loads(value)
                self._seen[source] = names[-1][1]
                changed = True
            if changed:
                self.frames[source] = self._frame(source)
                any_changed = True
        return any_changed

    def owe(self, source: str) -> None:
        """Records of this source are in silver but could not be published: the next refresh takes them from there."""
        self._owed.add(source)

    def _changed_names(self, source: str) -> list[tuple[bytes, float]]:
        version = float(self._server.get(reference_keys.version(source)) or 0)
        if version < self._seen[source]:
            self._seen[source] = 0.0  # Redis was emptied: its numbers start again
        if version == self._seen[source]:
            return []
        found: Any = self._server.zrangebyscore(
            reference_keys.changes(source), f"({self._seen[source]}", "+inf", start=0, num=_CHANGES, withscores=True
        )
        return list(found)

    def warm(self, rebuild: Rebuild) -> None:
        """Fill Redis from silver where it knows nothing.

        Args:
            rebuild: gives the accepted records of a source in arrival order.
        """
        self._rebuild = rebuild
        for source in self._contracts:
            if not self._server.exists(reference_keys.version(source)):
                self._rebuild_from_silver(source)

    def _rebuild_from_silver(self, source: str) -> None:
        if self._rebuild is not None:
            self.publish(source, self._rebuild(self._contracts[source]))
        self._owed.discard(source)

    def _frame(self, source: str) -> pl.DataFrame:
        rows = list(self._records[source].values())
        return pl.DataFrame(rows, schema=_schema(self._contracts[source]), strict=False, orient="row")


def no_records(contracts: Mapping[str, Contract]) -> dict[str, pl.DataFrame]:
    """The frames of reference sources of which nothing is known."""
    return {name: pl.DataFrame(schema=_schema(c)) for name, c in contracts.items() if not c.is_event}


def record_columns(contract: Contract) -> list[str]:
    """The key and the attributes of a reference source, as its frame has them."""
    return [f.column for f in _attributes(contract)]


def _schema(contract: Contract) -> dict[str, Any]:
    return {f.column: _DTYPES.get(f.type, pl.String) for f in _attributes(contract)}


def _attributes(contract: Contract) -> list[Field]:
    return [f for f in contract.fields if f.column != "effective_from"]


_DTYPES: dict[str, Any] = {"double": pl.Float64, "bool": pl.Boolean, "int": pl.Int64}
