"""Reference records as known when events arrive: frames in memory, kept up to date from Redis.

Each worker owns some partitions of a reference topic and enriches events of any key, so the workers share what they read
through Redis: the latest record of each key, and a log of changes that each worker reads on from where it was. Redis only
speeds things up: silver holds the truth, and an empty Redis is filled from it. What is found there is hostile until it was
read: a record that is none is told, removed and left out, and where the log itself is none, all is filled from silver anew.
"""

import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import polars as pl
import redis

from streams import reference_keys
from streams.contract import Contract, Field

_CHANGES = 5_000  # records fetched at once: about a megabyte
# The bounds of a contract's texts allow a record to be larger than any that was seen (500 bytes); this is many times that.
_RECORD_BYTES = 256 * 1024
_DATE_BYTES = 40
# Silver is read whole to fill Redis: at most so often, whatever is found in Redis.
_REBUILT_EVERY_S = 60.0
log = logging.getLogger(__name__)
Rebuild = Callable[[Contract], pl.DataFrame]


class References:
    """The frames by which events are enriched, one a reference source, keyed by its key column."""

    def __init__(self, contracts: Mapping[str, Contract], server: redis.Redis) -> None:
        self._contracts = {name: c for name, c in contracts.items() if not c.is_event}
        self._server = server
        self._records: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in self._contracts}
        self._owed: set[str] = set()
        self._rebuilt_s: dict[str, float] = {}
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
            version = _number(pipeline.get(number)) or 0
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
        for source in self._contracts:
            try:
                if source in self._owed and time.monotonic() >= self._rebuilt_s.get(source, 0.0):
                    self._rebuilt_s[source] = time.monotonic() + _REBUILT_EVERY_S
                    self._rebuild_from_silver(source)
                changed = self._take_in(source)
            except redis.ResponseError as error:
                self._start_over(source, str(error))
                continue
            if changed:
                self.frames[source] = self._frame(source)
                any_changed = True
        return any_changed

    def _take_in(self, source: str) -> bool:
        changed = False
        while names := self._changed_names(source):
            for name, value in self._values(source, [name for name, _ in names]):
                self._records[source][name] = value
            self._seen[source] = names[-1][1]
            changed = True
        return changed

    def _values(self, source: str, names: list[bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
        """The records of some keys, as far as they are there and are records."""
        ours = reference_keys.record(source, "").encode()
        pipeline = self._server.pipeline(transaction=False)
        for name in names:
            pipeline.strlen(name)
        sizes = pipeline.execute(raise_on_error=False)
        small = [
            isinstance(size, int) and size <= _RECORD_BYTES and name.startswith(ours)
            for name, size in zip(names, sizes, strict=True)
        ]
        held: Any = self._server.mget([name for name, good in zip(names, small, strict=True) if good] or [ours])
        values = iter(held)
        for name, good in zip(names, small, strict=True):
            value = next(values) if good else b""
            if value is None:
                continue  # removed since
            try:
                yield name.decode(), _checked(self._contracts[source], name.decode(), value)
            except (ValueError, RecursionError) as error:
                self._remove(source, name, name.startswith(ours), error)

    def _remove(self, source: str, name: bytes, ours: bool, why: Exception) -> None:
        """Take away what is no record, and have what it took the place of filled in from silver."""
        log.warning("Redis holds what is no record of %s: %r (%s): left out, and removed", source, name[:80], why)
        self._server.zrem(reference_keys.changes(source), name)
        if ours:
            self._server.unlink(name)
            self.owe(source)

    def _start_over(self, source: str, why: str) -> None:
        """Remove the log of a source, which is not as workers write it; the next refresh fills it from silver."""
        log.warning("Redis holds something else where the changes of %s are (%s): filled anew from silver", source, why)
        self._server.unlink(reference_keys.version(source), reference_keys.changes(source))
        self._seen[source] = 0.0
        self.owe(source)

    def owe(self, source: str) -> None:
        """Records of this source are in silver but could not be published: the next refresh takes them from there."""
        self._owed.add(source)

    def _changed_names(self, source: str) -> list[tuple[bytes, float]]:
        said: Any = self._server.get(reference_keys.version(source))
        version = _number(said) if said is not None else 0
        if version is None:
            self._start_over(source, f"its version is {said[:40]!r}")
            return []
        if version < self._seen[source]:
            self._seen[source] = 0.0  # Redis was emptied: its numbers start again
        if version == self._seen[source]:
            return []
        found: Any = self._server.zrangebyscore(
            reference_keys.changes(source), f"({self._seen[source]}", version, start=0, num=_CHANGES, withscores=True
        )
        return list(found)

    def warm(self, rebuild: Rebuild) -> None:
        """Have Redis filled from silver, with the next refresh, where it knows nothing.

        Args:
            rebuild: gives the accepted records of a source in arrival order.
        """
        self._rebuild = rebuild
        for source in self._contracts:
            if not self._server.exists(reference_keys.version(source)):
                self.owe(source)  # the next refresh does it

    def _rebuild_from_silver(self, source: str) -> None:
        if self._rebuild is not None:
            self.publish(source, self._rebuild(self._contracts[source]))
        self._owed.discard(source)

    def _frame(self, source: str) -> pl.DataFrame:
        rows = list(self._records[source].values())
        return pl.DataFrame(rows, schema=_schema(self._contracts[source]), strict=False, orient="row")


def _number(text: Any) -> int | None:
    """A version; None if the text is none. Scores of a sorted set are doubles: beyond 2^53 they would run together."""
    try:
        number = int(text or 0)
    except ValueError:
        return None
    return number if 0 <= number < 2**53 else None


def _checked(contract: Contract, name: str, value: bytes) -> dict[str, Any]:
    """A record as it is kept: the contract's columns, each null or of its type.

    Raises:
        ValueError: it is none, or another key's.
    """
    read = json.loads(value)
    if not isinstance(read, dict):
        raise ValueError("no object")
    record = {column: read.get(column) for column in record_columns(contract)}
    for f in _attributes(contract):
        found = record[f.column]
        if found is not None and not _fits(found, f):
            raise ValueError(f"{f.column} is of another type, or too long")
    if name != reference_keys.record(contract.source, str(record[contract.key.column])):
        raise ValueError("of another key")
    return record


def _fits(value: Any, field: Field) -> bool:
    if field.type == "bool":
        return isinstance(value, bool)
    if field.type == "int":
        return type(value) is int and -(2**63) <= value < 2**63
    if field.type == "double":
        return type(value) in (int, float) and math.isfinite(value)
    return isinstance(value, str) and len(value.encode(errors="replace")) <= (field.max_length or _DATE_BYTES)


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
