"""The fence on the real catalog, through a proxy that refuses, swallows, delays and holds up commits: each batch lands once."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr
from pyiceberg.exceptions import CommitFailedException
from requests.exceptions import RequestException

from bench.commits import a_batch
from catalog import client
from catalog.commit import PartitionBatch, _Attempt, append_fenced, batch_ids, positions
from catalog.fenced import FencedTable
from catalog.lineage import Standing
from catalog.offer import Offer
from catalog.offsets import PartitionId
from catalog.schemas import LINEAGE
from catalog.turns import Turn
from drills.proxy import Fault, Plan, Proxy, is_commit
from lakehouse.audit.coverage import covered, together
from lakehouse.deadline import Deadline
from lakehouse.errors import CommitUnknown, Fenced, LakehouseError
from lakehouse.settings import settings

pytestmark = pytest.mark.stack
NAME = "silver.test_fence"
P, Q = PartitionId("topic-of-the-fence-test", 0), PartitionId("topic-of-the-fence-test", 1)


@pytest.fixture
def proxy(stack: dict[str, str]) -> Iterator[Proxy]:
    one = Proxy(settings().catalog_url)
    one.start()
    yield one
    one.stop()


@pytest.fixture
def table(proxy: Proxy) -> Iterator[Callable[[], Any]]:
    """Opens the table anew, through the proxy; it is gone afterwards."""
    catalog = client.connect(settings())
    client.ensure_namespaces(catalog)
    FencedTable.ensure(catalog, NAME, LINEAGE, "a test's")
    through = settings().model_copy(update={"catalog_url": proxy.address})
    yield lambda: client.connect(through).load_table(NAME)
    catalog.drop_table(NAME)


def next_ones(fault: Fault, count: int = 1) -> Plan:
    """The next commits go wrong."""
    left = [count]

    def plan(request: web.Request) -> Fault | None:
        if not is_commit(request) or not left[0]:
            return None
        left[0] -= 1
        return fault

    return plan


def runs(table: Any) -> list[tuple[int, int, int]]:
    """What each partition holds: partition, first and next offset of each run of rows. A doubled row is a run of its own."""
    held = together(covered(piece.rows) for piece in Standing(table).pieces())
    return sorted((p, first, following) for _, p, first, following in held.iter_rows())


def append(table: Any, *batches: PartitionBatch, seconds: float = 20.0) -> Any:
    return append_fenced(table, batches, Deadline.after(seconds))


@pytest.mark.parametrize(
    "fault",
    [Fault("status", 409), Fault("status", 500), Fault("status", 503), Fault("unanswered"), Fault("slow", pause_s=1.0)],
    ids=lambda fault: f"{fault.kind} {fault.status}",
)
def test_whatever_is_answered_the_batch_is_there_once(table: Any, proxy: Proxy, fault: Fault) -> None:
    one = table()
    with proxy.faults(next_ones(fault)):
        assert append(one, a_batch(P, 0)).next == {P: 1000}
    append(one, a_batch(P, 1000))
    assert runs(table()) == [(0, 0, 2000)]
    assert proxy.done.total() == 1


def test_a_commit_that_was_held_up_and_comes_after_the_next_one_is_refused(table: Any, proxy: Proxy) -> None:
    one = table()
    with proxy.faults(next_ones(Fault("held"))):
        append(one, a_batch(P, 0))
    limit = time.monotonic() + 10
    while not proxy.behind:
        assert time.monotonic() < limit
        time.sleep(0.1)
    assert proxy.behind == {"held, 409": 1}
    assert runs(table()) == [(0, 0, 1000)]


def test_a_commit_whose_answer_never_comes_is_not_believed_and_may_be_read_again(table: Any, proxy: Proxy) -> None:
    one = table()
    with proxy.faults(next_ones(Fault("status", 503), 1000)), pytest.raises(CommitUnknown):
        append(one, a_batch(P, 0), seconds=2)
    append(table(), a_batch(P, 0))
    assert runs(table()) == [(0, 0, 1000)]


def test_a_worker_that_lost_its_partition_appends_nothing_of_it_and_the_rest_lands(table: Any) -> None:
    zombie, owner = table(), table()
    append(zombie, a_batch(P, 0), a_batch(Q, 0))
    append(owner, a_batch(P, 1000))
    landed = append(zombie, a_batch(P, 1000), a_batch(Q, 1000))
    assert (landed.next, landed.fenced) == ({Q: 2000}, {P})
    with pytest.raises(Fenced):
        append(zombie, a_batch(P, 1000))
    assert runs(table()) == [(0, 0, 2000), (1, 0, 2000)]


def test_of_two_that_looked_at_the_same_moment_one_lands(table: Any) -> None:
    """The other one's commit asserts a snapshot that is no longer the newest."""
    slow, quick = _Attempt(table(), [a_batch(P, 0)]), table()
    append(quick, a_batch(P, 0))
    with pytest.raises(CommitFailedException):
        slow.send()
    assert runs(table()) == [(0, 0, 1000)]


def test_of_four_that_are_sent_at_the_same_moment_one_lands(table: Any) -> None:
    """The catalog compares and writes in one step; creating a table, it does not."""
    partitions = [PartitionId("topic-of-the-fence-test", number) for number in range(4)]
    stands = dict.fromkeys(partitions, 0)
    for _ in range(10):
        attempts = {p: _Attempt(table(), [a_batch(p, stands[p])]) for p in partitions}
        at_once = threading.Barrier(len(attempts))

        def send(partition: PartitionId, attempts: Any = attempts, at_once: threading.Barrier = at_once) -> bool:
            at_once.wait()
            try:
                attempts[partition].send()
            except CommitFailedException:
                return False
            return True

        with ThreadPoolExecutor(len(attempts)) as pool:
            landed = dict(zip(attempts, pool.map(send, attempts), strict=True))
        assert sum(landed.values()) == 1
        stands = {p: stands[p] + 1000 * landed[p] for p in partitions}
    assert runs(table()) == [(p.partition, 0, end) for p, end in stands.items() if end]


def test_a_batch_that_landed_without_an_answer_is_found_though_others_have_committed_since(
    table: Any, proxy: Proxy
) -> None:
    one = table()
    attempt = _Attempt(one, [a_batch(P, 0)])
    with proxy.faults(next_ones(Fault("unanswered"))), pytest.raises(RequestException):
        attempt.send()
    append(table(), a_batch(Q, 0))
    one.refresh()
    landed = attempt.already_there()
    assert landed is not None
    assert (landed.next, landed.fenced) == ({P: 1000}, frozenset())


def test_offsets_survive_what_others_do_to_the_table_and_go_back_with_it(table: Any, trino: Any) -> None:
    one = table()
    append(one, a_batch(P, 0))
    before = table().current_snapshot().snapshot_id
    append(one, a_batch(P, 1000))
    trino(f"alter table iceberg.{NAME} execute optimize")
    trino(f"delete from iceberg.{NAME} where kafka_offset = 5")
    compacted = table().current_snapshot()
    assert not batch_ids(compacted)
    assert positions(table()).next == {P: 2000}
    append(one, a_batch(P, 2000))
    trino(f"alter table iceberg.{NAME} execute rollback_to_snapshot({compacted.snapshot_id})")
    assert positions(table()).next == {P: 2000}
    trino(f"alter table iceberg.{NAME} execute rollback_to_snapshot({before})")
    assert positions(table()).next == {P: 1000}
    append(one, a_batch(P, 1000))
    assert runs(table()) == [(0, 0, 2000)]


def test_offsets_survive_the_expiry_of_every_snapshot_that_told_them(table: Any, trino: Any) -> None:
    append(table(), a_batch(P, 0))
    trino(f"delete from iceberg.{NAME} where kafka_offset = 5")
    one = table()
    told = [s.snapshot_id for s in one.metadata.snapshots if batch_ids(s)]
    one.maintenance.expire_snapshots().by_ids(told).commit()
    assert not any(batch_ids(s) for s in table().metadata.snapshots)
    assert positions(table()).next == {P: 1000}


def test_batches_are_in_a_table_until_they_are_rolled_back_or_somebody_deletes(table: Any, trino: Any) -> None:
    one = FencedTable(table())
    first = one.append([a_batch(P, 0)], Deadline.after(20))
    trino(f"alter table iceberg.{NAME} execute optimize")
    compacted = table().current_snapshot().snapshot_id
    second = one.append([a_batch(P, 500), a_batch(Q, 0)], Deadline.after(20))
    assert (first.cut, second.cut) == (frozenset(), {P})
    assert one.batches() == {first.batch_id, second.batch_id}
    trino(f"alter table iceberg.{NAME} execute rollback_to_snapshot({compacted})")
    assert one.batches() == {first.batch_id}
    trino(f"delete from iceberg.{NAME} where kafka_offset = 5")
    third = one.append([a_batch(Q, 0)], Deadline.after(20))
    assert one.batches() == {third.batch_id}


def test_offsets_of_a_table_that_was_rolled_back_are_not_guessed(table: Any, trino: Any) -> None:
    """To a snapshot of somebody else's, after those that told its offsets had expired: the property tells of later ones."""
    append(table(), a_batch(P, 0))
    trino(f"delete from iceberg.{NAME} where kafka_offset = 5")
    others = table().current_snapshot().snapshot_id
    append(table(), a_batch(P, 1000))
    one = table()
    one.maintenance.expire_snapshots().by_ids([s.snapshot_id for s in one.metadata.snapshots[:1]]).commit()
    trino(f"alter table iceberg.{NAME} execute rollback_to_snapshot({others})")
    with pytest.raises(LakehouseError, match="rolled back"):
        positions(table())


def test_without_a_key_it_is_said_where_one_would_be(stack: dict[str, str], tmp_path: Path) -> None:
    """As in a folder where no stack was started."""
    elsewhere = {"s3_access_key": "", "s3_secret_key": SecretStr(""), "data_dir": tmp_path}
    with pytest.raises(LakehouseError, match=f"there is no stack in {tmp_path}, and no key"):
        client.connect(settings().model_copy(update=elsewhere))


def test_a_table_that_was_made_anew_is_filled_from_its_own_beginning(table: Any) -> None:
    catalog = client.connect(settings())
    mine = FencedTable.ensure(catalog, NAME, LINEAGE, "a test's")
    mine.append([a_batch(P, 0)], Deadline.after(20))
    catalog.drop_table(NAME)
    FencedTable.ensure(catalog, NAME, LINEAGE, "a test's")
    with pytest.raises(ValueError, match="UUID"):
        mine.append([a_batch(P, 1000)], Deadline.after(5))
    assert mine.positions().next == {}
    mine.append([a_batch(P, 0)], Deadline.after(20))
    assert runs(table()) == [(0, 0, 1000)]


def test_workers_that_create_a_table_at_the_same_moment_have_the_same_one(table: Any) -> None:
    """SeaweedFS tells all of them that they created it."""
    connections = [client.connect(settings()) for _ in range(2)]
    for number in range(10):
        name, at_once = f"{NAME}_{number}", threading.Barrier(2)

        def create(connection: client.Catalog, name: str = name, at_once: threading.Barrier = at_once) -> FencedTable:
            at_once.wait()
            return FencedTable.ensure(connection, name, LINEAGE, "a test's")

        with ThreadPoolExecutor(2) as pool:
            one, other = pool.map(create, connections)
        one.append([a_batch(P, 0)], Deadline.after(20))
        other.append([a_batch(P, 1000)], Deadline.after(20))
        connections[0].drop_table(name)


def test_what_is_compared_and_what_is_asserted_is_one_state_of_the_table(table: Any) -> None:
    """Another thread of the worker looks at the table anew while a commit is put together; another worker has committed."""
    mine, other = table(), table()
    append(mine, a_batch(P, 0), a_batch(Q, 0))
    attempt = _Attempt(mine, [a_batch(P, 1000)])

    def meanwhile() -> list[Offer]:
        append(other, a_batch(Q, 1000))
        mine.refresh()
        return []

    attempt.turn = Turn(others=meanwhile)
    with pytest.raises(CommitFailedException):
        attempt.send()
    assert positions(table()).next == {P: 1000, Q: 2000}
