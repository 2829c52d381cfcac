"""Reference records as known when events arrive: histories in memory, kept up to date from Redis.

Each worker owns some partitions of a reference topic and enriches events of any key, so the workers share what they read
through Redis: what is known of each key, and a log of changes that each worker reads on from where it was. Redis only
speeds things up: silver holds the truth, and an empty Redis is filled from it. What is found there is hostile until it was
read: a record that is none is told, removed and left out, and where the log itself is none, all is filled from silver anew.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl
import redis

from streams import reference_keys
from streams.contract import Contract
from streams.enrich import nothing_known
from streams.reference_records import RECORD_BYTES, Record, keys_and_versions, read, records_of

_CHANGES = 5_000  # records fetched at once: about a megabyte
# A contract's bounds allow records that are larger than any that was seen (500 bytes).
_FETCHED_BYTES = 16 * 1024 * 1024
# Silver is read whole to fill Redis: at most so often, whatever is found in Redis.
_REBUILT_EVERY_S = 60.0
log = logging.getLogger(__name__)
Rebuild = Callable[[Contract], pl.DataFrame]


class References:
    """The histories by which events are enriched, one a reference source."""

    def __init__(self, contracts: Mapping[str, Contract], server: redis.Redis) -> None:
        self._contracts = {name: c for name, c in contracts.items() if not c.is_event}
        self._server = server
        self._owed: set[str] = set()
        self._rebuilt_s: dict[str, float] = {}
        self._rebuild: Rebuild | None = None
        self._seen: dict[str, float] = dict.fromkeys(self._contracts, 0.0)
        self.histories = nothing_known(contracts)

    def publish(self, source: str, records: pl.DataFrame) -> None:
        """Share accepted records (`reference_records.record_columns`) with all workers."""
        for rows in records.iter_slices(_CHANGES):
            self._publish(source, records_of(self._contracts[source], self.histories[source].attributes, rows))

    def _publish(self, source: str, records: Mapping[str, Record]) -> None:
        number, log = reference_keys.version(source), reference_keys.changes(source)

        def change(pipeline: Any) -> None:
            version = _number(pipeline.get(number)) or 0
            # Read beside the transaction: who else changes these records changes the number, too, and then all begins again.
            held = dict(self._held(source, [name.encode() for name in records]))
            named = {name: (held[name].merged(new) if name in held else new).written() for name, new in records.items()}
            pipeline.multi()
            pipeline.set(number, version + len(named))
            pipeline.set(reference_keys.form(source), self._form(source))
            pipeline.mset(named)
            pipeline.zadd(log, {name: place for place, name in enumerate(named, version + 1)})

        # Number and change appear together: a reader that saw a later number would pass over an earlier change for good.
        if records:
            self._server.transaction(change, number)

    def _form(self, source: str) -> str:
        """What the versions of a source hold: another list of attributes makes another form."""
        return ",".join(self.histories[source].attributes)

    def refresh(self) -> bool:
        """Take in what changed since the last call; whether anything did.

        Raises:
            redis.RedisError: Redis does not answer; the histories stay as they were.
        """
        any_changed = False
        for source in self._contracts:
            try:
                if source in self._owed and time.monotonic() >= self._rebuilt_s.get(source, 0.0):
                    self._rebuilt_s[source] = time.monotonic() + _REBUILT_EVERY_S
                    self._rebuild_from_silver(source)
                any_changed |= self._take_in(source)
            except redis.ResponseError as error:
                self._start_over(source, str(error))
        return any_changed

    def _take_in(self, source: str) -> bool:
        changed = False
        while names := self._changed_names(source):
            found = self._held(source, [name for name, _ in names])
            self.histories[source].replace(keys_and_versions(source, found))
            self._seen[source] = names[-1][1]
            changed = True
        return changed

    def _held(self, source: str, names: Sequence[bytes]) -> Iterator[tuple[str, Record]]:
        """The records of some keys, as far as they are there and are records."""
        contract, attributes = self._contracts[source], self.histories[source].attributes
        for name, value in self._values(source, names):
            if value is None:
                continue  # not there, or removed since
            try:
                yield name.decode(), read(contract, attributes, name.decode(), value)
            except (ValueError, RecursionError) as error:
                self._remove(source, name, error)

    def _values(self, source: str, names: Sequence[bytes]) -> Iterator[tuple[bytes, bytes | None]]:
        """What Redis holds under some names, a few megabytes at once; what can't be a record is empty."""
        ours = reference_keys.record(source, "").encode()
        pipeline = self._server.pipeline(transaction=False)
        for name in names:
            pipeline.strlen(name)
        sizes = pipeline.execute(raise_on_error=False)
        together: list[bytes] = []
        total = 0
        for name, size in zip(names, sizes, strict=True):
            if not isinstance(size, int) or size > RECORD_BYTES or not name.startswith(ours):
                yield name, b""
                continue
            together.append(name)
            total += size
            if total > _FETCHED_BYTES:
                yield from self._fetched(together)
                together, total = [], 0
        yield from self._fetched(together)

    def _fetched(self, names: list[bytes]) -> Iterator[tuple[bytes, bytes | None]]:
        found: Any = self._server.mget(names) if names else ()
        return zip(names, found, strict=True)

    def _remove(self, source: str, name: bytes, why: Exception) -> None:
        """Take away what is no record, and have what it took the place of filled in from silver."""
        log.warning("Redis holds what is no record of %s: %r (%s): left out, and removed", source, name[:80], why)
        self._server.zrem(reference_keys.changes(source), name)
        if name.startswith(reference_keys.record(source, "").encode()):
            self._server.unlink(name)
            self.owe(source)

    def _start_over(self, source: str, why: str) -> None:
        """Remove the log of a source, which is not as workers write it; the next refresh fills it from silver."""
        log.warning("Redis holds something else where the changes of %s are (%s): filled anew from silver", source, why)
        self._server.unlink(reference_keys.version(source), reference_keys.changes(source), reference_keys.form(source))
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
        """Have Redis filled from silver, with the next refresh, where it knows nothing, or holds records in another form.

        Args:
            rebuild: gives the accepted records of a source in arrival order.
        """
        self._rebuild = rebuild
        for source in self._contracts:
            if not self._server.exists(reference_keys.version(source)):
                self.owe(source)  # the next refresh does it
            elif not self._has_our_form(source):
                self._start_over(source, "another version's, or for other contracts")

    def _has_our_form(self, source: str) -> bool:
        try:
            return bool(self._server.get(reference_keys.form(source)) == self._form(source).encode())
        except redis.ResponseError:  # it is no text
            return False

    def _rebuild_from_silver(self, source: str) -> None:
        if self._rebuild is not None:
            self.publish(source, self._rebuild(self._contracts[source]))
        self._owed.discard(source)


def _number(text: Any) -> int | None:
    """A version; None if the text is none. Scores of a sorted set are doubles: beyond 2^53 they would run together."""
    try:
        number = int(text or 0)
    except ValueError:
        return None
    return number if 0 <= number < 2**53 else None
