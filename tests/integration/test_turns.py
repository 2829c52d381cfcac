"""Workers that take turns at one table, on the real catalog and Redis: who is served, and what happens if nobody serves."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from bench.commits import a_batch, race
from catalog import client, commit
from catalog.fenced import FencedTable
from catalog.lineage import Standing
from catalog.offer import Offer, Span
from catalog.offsets import PartitionId, Positions
from catalog.schemas import LINEAGE
from catalog.seal import Seal
from catalog.turns import Turns
from lakehouse import redis_access
from lakehouse.audit.coverage import covered, size, together
from lakehouse.deadline import Deadline
from lakehouse.settings import settings

pytestmark = pytest.mark.stack
NAME = "silver.test_turns"
HOSTILE = {
    "rubbish": "{}",
    "more": "no JSON",
    "deep": '{"spans": ' + "[" * 50_000,
    "an offer without its rows": Offer("x", {PartitionId("t", 0): Span(0, 5)}).dumps(),
    "numbers that can't be": Offer("x", {PartitionId("t", 0): Span(5, 1)}).dumps(),
}
P, Q = PartitionId("topic-of-the-turns-test", 0), PartitionId("topic-of-the-turns-test", 1)


@pytest.fixture
def table(stack: Any) -> Iterator[Any]:
    """A table of one's own, gone afterwards."""
    catalog = client.connect(settings())
    FencedTable.ensure(catalog, NAME, LINEAGE, "a test's")
    yield lambda: client.connect(settings()).load_table(NAME)
    catalog.drop_table(NAME)


@pytest.fixture
def turns(stack: Any) -> Turns:
    """Turns whose Redis has as long as it needs: half a second is too short on a machine that stands still now and then."""
    return Turns(redis_access.client(settings()), Seal.of(settings()))


def rows_of(table: Any) -> dict[PartitionId, int]:
    coverage = together(covered(piece.rows) for piece in Standing(table).pieces())
    return {p: size(coverage.filter(coverage["partition"] == p.partition)) for p in (P, Q)}


def test_whoever_has_the_turn_commits_what_was_handed_in_meanwhile(table: Any, turns: Turns) -> None:
    mine, other = table(), table()
    told: list[commit.Landed] = []
    with turns.next(str(table().metadata.table_uuid), commit._Attempt(mine, [a_batch(P, 0)]).offer(), 2) as turn:
        thread = threading.Thread(
            target=lambda: told.append(commit.append_fenced(other, [a_batch(Q, 0)], Deadline.after(10), turns))
        )
        thread.start()
        while not turn.others():
            pass
        attempt = commit._Attempt(mine, [a_batch(P, 0)])
        attempt.turn = turn
        attempt.send()
        thread.join(10)
    assert [landed.next for landed in told] == [{Q: 1000}]
    final = table()
    assert len(final.metadata.snapshots) == 1
    assert len(commit.batch_ids(final.metadata.snapshots[0])) == 2
    assert commit.positions(final).next == {P: 1000, Q: 1000}
    assert rows_of(final) == {P: 1000, Q: 1000}


def test_who_is_not_served_commits_alone(table: Any, turns: Turns) -> None:
    with turns.next(str(table().metadata.table_uuid), Offer("somebody who hangs", {P: Span(0, 1)}), 2):
        landed = commit.append_fenced(table(), [a_batch(Q, 0)], Deadline.after(3), turns)
    assert landed.next == {Q: 1000}
    assert rows_of(table()) == {P: 0, Q: 1000}


HOLDER = """
import sys, time
from catalog.offer import Offer
from catalog.turns import Turns
from lakehouse.settings import settings
with Turns.at(settings()).next("a table", Offer("the holder", {}), 5) as turn:
    print(turn.mine, flush=True)
    time.sleep(60)
"""


def test_a_turn_is_kept_by_who_lives_and_passed_on_by_who_dies(turns: Turns) -> None:
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        time.sleep(2)  # longer than a turn lasts that nobody renews
        with turns.next("a table", Offer("who waits", {}), 0.3) as turn:
            assert not turn.mine
        holder.kill()
        with turns.next("a table", Offer("who waits", {}), 4) as turn:
            assert turn.mine


def test_what_landed_without_an_answer_is_found_and_not_appended_again(table: Any, turns: Turns) -> None:
    """The one who had the turn died between the catalog's answer and its own."""
    attempt = commit._Attempt(table(), [a_batch(Q, 0)])
    offer = attempt.offer()
    with turns.next(str(table().metadata.table_uuid), Offer("somebody who dies", {P: Span(0, 1)}), 2):
        after = offer.added_to(Positions())
        assert after is not None
        commit._commit(table(), [Offer.loads(offer.dumps())], after)
    assert commit._until(attempt, attempt._table, Deadline.after(5)).next == {Q: 1000}
    assert rows_of(table())[Q] == 1000


def test_an_offer_that_does_not_follow_on_the_table_is_refused(table: Any, turns: Turns) -> None:
    late = commit._Attempt(table(), [a_batch(P, 0)]).offer()
    commit.append_fenced(table(), [a_batch(P, 0)], Deadline.after(5), turns)
    key = f"lakehouse:offers:{table().metadata.table_uuid}"
    turns._redis.hset(key, late.batch_id, turns._seal.put(key, late.dumps()))
    commit.append_fenced(table(), [a_batch(Q, 0)], Deadline.after(5), turns)
    assert turns._redis.hgetall(key) == {}
    assert rows_of(table()) == {P: 1000, Q: 1000}


def test_what_is_no_offer_or_of_another_lake_is_left_out(table: Any, turns: Turns) -> None:
    one = table()
    elsewhere = replace(commit._Attempt(table(), [a_batch(Q, 0)]).offer(), batch_id="elsewhere")
    assert elsewhere.file is not None
    elsewhere.file._data[1] = "s3://another/lake.parquet"
    key = f"lakehouse:offers:{one.metadata.table_uuid}"
    sealed = {name: turns._seal.put(key, text) for name, text in HOSTILE.items()}
    turns._redis.hset(key, mapping={**sealed, "elsewhere": turns._seal.put(key, elsewhere.dumps())})
    assert commit.append_fenced(one, [a_batch(P, 0)], Deadline.after(5), turns).next == {P: 1000}
    assert turns._redis.hgetall(key) == {}
    assert commit.positions(table()).next == {P: 1000}


def test_what_has_no_seal_of_ours_moves_nothing(table: Any, turns: Turns) -> None:
    """Who may write to Redis, and nothing else, hands in a span without a file: the table would have passed over its events."""
    one = table()
    uuid = str(one.metadata.table_uuid)
    key, forged = f"lakehouse:offers:{uuid}", Offer("forged", {Q: Span(0, 500, (), 0)}).dumps()
    other_place = turns._seal.put("lakehouse:offers:another", forged)
    turns._redis.hset(
        key, mapping={"a": forged, "b": other_place, "c": "[" * 100_000, "d": b"\xff" * 100, "e": "x" * 2_000_000}
    )
    assert commit.append_fenced(one, [a_batch(P, 0)], Deadline.after(5), turns).next == {P: 1000}
    assert turns._redis.hgetall(key) == {}
    assert commit.positions(table()).next == {P: 1000}


def test_an_answer_that_is_forged_is_no_answer(table: Any, turns: Turns) -> None:
    attempt = commit._Attempt(table(), [a_batch(P, 0)])
    offer = attempt.offer()
    uuid = str(table().metadata.table_uuid)
    turns._redis.rpush(f"lakehouse:answer:{offer.batch_id}", "landed")
    turns._redis.set(f"lakehouse:turn:{uuid}", "somebody", px=1_000)
    with turns.next(uuid, offer, 0.5) as turn:
        assert (turn.landed, turn.mine) == (False, False)


@pytest.mark.parametrize("name", ["turn", "offers", "last"])
def test_keys_of_another_kind_hold_nobody_up_for_long(table: Any, turns: Turns, name: str) -> None:
    key = f"lakehouse:{name}:{table().metadata.table_uuid}"
    if name == "offers":
        turns._redis.set(key, "no hash")
    else:
        turns._redis.rpush(key, "no text")
    assert commit.append_fenced(table(), [a_batch(P, 0)], Deadline.after(5), turns).next == {P: 1000}
    began = time.monotonic()
    assert commit.append_fenced(table(), [a_batch(P, 1000)], Deadline.after(5), turns).next == {P: 2000}
    assert time.monotonic() - began < 3  # not the four seconds of who waits for a turn in vain


def test_a_turn_that_somebody_holds_for_ever_is_taken_away(table: Any, turns: Turns) -> None:
    turns._redis.set(f"lakehouse:turn:{table().metadata.table_uuid}", "somebody")
    with turns.next(str(table().metadata.table_uuid), Offer("who waits", {P: Span(0, 1)}), 2) as turn:
        assert turn.mine


def test_without_redis_workers_commit_all_the_same(table: Any) -> None:
    nowhere = Turns.at(settings().model_copy(update={"redis_url": "redis://127.0.0.1:1/0"}))
    assert commit.append_fenced(table(), [a_batch(P, 0)], Deadline.after(5), nowhere).next == {P: 1000}


def test_writers_that_are_killed_at_their_turn_lose_and_double_nothing(stack: Any) -> None:
    found = race(4, 8, by_turns=True, kill=True)
    assert found.lost <= 0.2 * found.tries
    assert min(found.commits) >= 2
