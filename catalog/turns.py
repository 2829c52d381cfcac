"""Workers that commit to one table take turns; whoever has the turn commits what the others have handed in (flat combining).

N workers that race cost N tries a commit, and some starve; N workers that take turns cost one commit for all of them. Redis
only puts them in order: it decides nothing. Whoever is not served in time, because Redis or the one who has the turn is gone,
commits for itself, and the fence (`catalog.commit`) decides what lands. What is read from it is believed only with a seal that
Redis does not hold (`catalog.seal`); what has none, or has not the form that we give it, is told and removed.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from catalog.offer import Offer
from catalog.seal import Seal, Unsealed
from lakehouse import redis_access
from lakehouse.settings import Settings

log = logging.getLogger(__name__)
# A turn that takes longer is passed on; commits of 0.1 to 0.5 s were seen, 3 s on a loaded machine. That of a process that
# died is passed on sooner, since nobody renews it.
_TURN_S, _LEASE_MS, _RENEWED_S = 5.0, 1_500, 0.4
# Whoever gives the turn back wakes the next one; this finds the turns of those that died.
_LOOK_S = 0.2
# Answers that nobody fetched and offers of workers that died are forgotten.
_FORGOTTEN_S = 60
_REST_S = 5.0
_ANSWER_S = 0.5
_LANDED, _REFUSED, _YOURS = "landed", "refused", "your turn"
# More than workers ever are, and larger than an offer of a thousand partitions with their gaps.
_MOST_OFFERS, _OFFER_BYTES = 1_000, 1_000_000


@dataclass
class Turn:
    """What waiting came to.

    Attributes:
        landed: somebody else has committed the offer.
        mine: the table is this worker's for a while; else, if nothing landed, it waits no longer and acts alone.
        again: nobody had the turn since the same worker had it, so that the table stands as it left it, as far as is known.
        others: what else is handed in now; nothing for whoever acts alone.
        answer: tells the others which of their batch ids landed, or can't.
    """

    landed: bool = False
    mine: bool = False
    again: bool = False
    others: Callable[[], list[Offer]] = field(default=list)
    answer: Callable[[Collection[str], bool], None] = lambda batch_ids, landed: None


class Turns:
    """The turns of all tables, in one Redis."""

    def __init__(self, server: "redis.Redis", seal: Seal) -> None:
        self._redis = server
        self._seal = seal
        self._me = uuid.uuid4().hex
        self._rests_until_s = 0.0

    @classmethod
    def at(cls, settings: Settings) -> "Turns":
        """The turns in the Redis of the settings. It has half a second to answer, once: a commit waits for it."""
        once = Retry(NoBackoff(), 0)
        server = redis_access.client(settings, socket_timeout=_ANSWER_S, socket_connect_timeout=_ANSWER_S, retry=once)
        return cls(server, Seal.of(settings))

    @contextmanager
    def next(self, table: str, offer: Offer, patience_s: float) -> Iterator[Turn]:
        """Hand an offer in, and wait for the turn or for somebody who lands it; afterwards the turn is given back."""
        queue = _Queue(self._redis, self._seal, table, offer, self._me)
        turn = Turn()
        if time.monotonic() >= self._rests_until_s:
            try:
                turn = queue.wait(patience_s)
            except redis.ResponseError as error:
                log.warning("%s: Redis holds something else where turns are (%s): removed", table, error)
                with suppress(redis.RedisError):
                    queue.clear()
            except redis.RedisError as error:
                log.warning("%s: Redis does not answer (%s): workers commit without turns", table, error)
                self._rests_until_s = time.monotonic() + _REST_S
        ended = threading.Event()
        if turn.mine:
            threading.Thread(target=queue.renew, args=(ended,), daemon=True, name="turn").start()
        try:
            yield turn
        finally:
            ended.set()
            with suppress(redis.RedisError):
                queue.leave()


class _Queue:
    """One worker's place before one table."""

    def __init__(self, server: "redis.Redis", seal: Seal, table: str, offer: Offer, me: str) -> None:
        self._redis = server
        self._seal = seal
        self._table = table
        self._offer = offer
        self._turn, self._offers = f"lakehouse:turn:{table}", f"lakehouse:offers:{table}"
        self._last, self._me = f"lakehouse:last:{table}", me.encode()
        self._joined = False

    def wait(self, patience_s: float) -> Turn:
        until = time.monotonic() + patience_s
        self._joined = True
        self._redis.hset(self._offers, self._offer.batch_id, self._seal.put(self._offers, self._offer.dumps()))
        self._redis.expire(self._offers, _FORGOTTEN_S)
        while (left := until - time.monotonic()) > 0:
            if self._redis.set(self._turn, self._offer.batch_id, nx=True, px=_LEASE_MS):
                again = self._redis.set(self._last, self._me, get=True) == self._me
                return Turn(False, True, again, self._others, self._tell)
            if not 0 <= self._redis.pttl(self._turn) <= _LEASE_MS and self._redis.exists(self._turn):
                log.warning("%s: somebody who is none of us has the turn, for ever: it is taken away", self._table)
                self._redis.unlink(self._turn)
                continue
            key = _answer_to(self._offer.batch_id)
            told: Any = self._redis.blpop([key], timeout=min(_LOOK_S, left))
            if told is not None and (said := self._heard(key, told[1])) in (_LANDED, _REFUSED):
                return Turn(landed=said == _LANDED)
        return Turn()

    def _heard(self, key: str, answer: bytes) -> str:
        try:
            return self._seal.check(key, answer)
        except (Unsealed, UnicodeDecodeError):
            log.warning("%s: an answer in Redis is none of ours: %r", self._table, answer[:60])
            return ""

    def clear(self) -> None:
        """Remove all that is about this table, whatever it is: whoever waits will hand in again, or act alone."""
        self._redis.unlink(self._turn, self._offers, self._last, _answer_to(self._offer.batch_id))

    def renew(self, ended: threading.Event) -> None:
        """Keep the turn until it is given back, or has taken too long."""
        until = time.monotonic() + _TURN_S
        while not ended.wait(_RENEWED_S) and time.monotonic() < until:
            with suppress(redis.RedisError):
                if self._redis.get(self._turn) == self._offer.batch_id.encode():
                    self._redis.pexpire(self._turn, _LEASE_MS)

    def _others(self) -> list[Offer]:
        found = []
        with suppress(redis.RedisError):
            for batch_id in self._handed_in():
                try:
                    sealed: Any = self._redis.hget(self._offers, batch_id)
                    if sealed is not None:
                        found.append(Offer.loads(self._seal.check(self._offers, sealed)))
                except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                    # somebody else's, or of a worker of another version, which then commits for itself
                    log.warning("%s: an offer in Redis is left out and removed: %s", self._table, str(error)[:200])
                    self._redis.hdel(self._offers, batch_id)
        return [offer for offer in found if offer.batch_id != self._offer.batch_id]

    def _handed_in(self) -> list[bytes]:
        """The names of offers that may be read; too many, or too large ones, are removed unread."""
        if self._redis.hlen(self._offers) > _MOST_OFFERS:
            log.warning("%s: more than %d offers in Redis: removed", self._table, _MOST_OFFERS)
            self._redis.unlink(self._offers)
            return []
        names: Any = self._redis.hkeys(self._offers)
        pipeline = self._redis.pipeline(transaction=False)
        for name in names:
            pipeline.hstrlen(self._offers, name)
        small = []
        for name, size in zip(names, pipeline.execute(), strict=True):
            if size <= _OFFER_BYTES:
                small.append(name)
            else:
                log.warning("%s: an offer of %d bytes in Redis is removed", self._table, size)
                self._redis.hdel(self._offers, name)
        return small

    def _tell(self, batch_ids: Collection[str], landed: bool) -> None:
        """Answer the others; who is not answered for whatever reason looks for itself."""
        with suppress(redis.RedisError):
            for batch_id in batch_ids:
                self._redis.hdel(self._offers, batch_id)
                self._say(batch_id, _LANDED if landed else _REFUSED)

    def _say(self, batch_id: str | bytes, what: str) -> None:
        key = _answer_to(batch_id.decode(errors="replace") if isinstance(batch_id, bytes) else batch_id)
        self._redis.rpush(key, self._seal.put(key, what))
        self._redis.expire(key, _FORGOTTEN_S)

    def leave(self) -> None:
        if not self._joined:
            return
        self._redis.hdel(self._offers, self._offer.batch_id)
        if self._redis.get(self._turn) == self._offer.batch_id.encode():
            self._redis.delete(self._turn)
            for waiting in list(self._redis.hkeys(self._offers))[:1]:
                self._say(waiting, _YOURS)


def _answer_to(batch_id: str) -> str:
    return f"lakehouse:answer:{batch_id}"
