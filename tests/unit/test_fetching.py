"""Pieces of what aiokafka fetched: a position moves on with what was taken, and only if nobody moved it meanwhile."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer import fetcher as aiokafka_fetcher
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.structs import TopicPartition

from streams.worker import fetching
from streams.worker.columnar import ColumnRecords
from streams.worker.fetching import Pieces
from streams.worker.record_batches import BoundedRecords
from tests.unit.test_record_batches import batch

TP = TopicPartition("calls", 0)


class Place:
    """A partition's state in aiokafka."""

    has_valid_position, paused = True, False

    def __init__(self, position: int) -> None:
        self.position = position

    def consumed_to(self, position: int) -> None:
        self.position = position


class Held:
    """A fetcher that holds one fetch of one partition."""

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.place = Place(position)
        self.assignment = SimpleNamespace(active=True, state_value=lambda tp: self.place)
        records = ColumnRecords(TP, BoundedRecords(data), [], position, None, None, False, 1)
        self.result = FetchResult(TP, assignment=self.assignment, partition_records=records, backoff=0)
        self._records: OrderedDict[Any, Any] = OrderedDict({TP: self.result})
        self._wait_consume_future = None
        self._subscriptions = SimpleNamespace(reassignment_in_progress=False, is_assigned=lambda tp: True)
        self._closed = False
        self.asked_for_more = 0

    def _notify(self, future: Any) -> None:
        self.asked_for_more += 1


def take(held: Any, pieces: Pieces, meanwhile: Callable[[], None] = lambda: None) -> dict[str, Any] | None:
    async def taking() -> dict[str, Any] | None:
        work = asyncio.ensure_future(pieces.take(held, TP))
        await asyncio.sleep(0)
        meanwhile()
        return await work

    return asyncio.run(taking())


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> Pieces:
    monkeypatch.setattr(fetching, "_PIECE_BYTES", 300)
    return Pieces()


def sent(count: int) -> bytes:
    return batch([(n, 5, b"k", b"v" * 100, [("h", b"x")] if n == 1 else []) for n in range(count)], "zstd")


def test_all_of_a_fetch_comes_in_pieces_and_more_is_asked_for_after_the_last(pieces: Pieces) -> None:
    held = Held(sent(10))
    found: list[int] = []
    while held._records:
        piece = take(held, pieces)
        assert piece is not None
        assert len(piece["offsets"]) <= 3
        found += list(piece["offsets"])
        assert held.place.position == found[-1] + 1
    assert found == list(range(10))
    assert held.asked_for_more == 1


def test_a_large_batch_with_a_window_is_read_to_its_end_before_another_is_begun(pieces: Pieces) -> None:
    other = TopicPartition("calls", 1)
    for codec, first in (("zstd", TP), ("gzip", other)):
        large = batch([(n, 5, b"k", bytes(500_000), []) for n in range(10)], codec)
        held = Held(large)
        held._records[other] = object()
        taken = []
        while next(iter(held._records)) == TP:
            assert take(held, pieces) is not None
            taken.append(pieces.draining)
        assert (len(taken) > 3, taken[-1], next(iter(held._records))) == (first == TP, False, other)


def test_a_piece_that_somebody_sought_away_from_is_dropped_and_fetched_again(pieces: Pieces) -> None:
    held = Held(sent(10))
    assert take(held, pieces, lambda: held.place.consumed_to(7)) is None
    assert (held.place.position, held._records, held.asked_for_more) == (7, {}, 1)


def test_a_piece_of_a_partition_that_was_taken_away_is_dropped(pieces: Pieces) -> None:
    held = Held(sent(10))
    assert take(held, pieces, lambda: setattr(held.assignment, "active", False)) is None
    assert (held.place.position, held._records) == (0, {})


def test_a_newer_fetch_is_left_alone(pieces: Pieces) -> None:
    held, newer = Held(sent(10)), object()
    assert take(held, pieces, lambda: held._records.update({TP: newer})) is None
    assert held._records == {TP: newer}
    assert held.place.position == 0


def test_a_damaged_batch_rests_and_is_asked_for_again_while_the_others_go_on(
    pieces: Pieces, caplog: pytest.LogCaptureFixture
) -> None:
    data = bytearray(sent(10))
    data[-1] ^= 1
    held = Held(bytes(data))
    assert take(held, pieces) is None
    assert (held.place.position, held._records, held.asked_for_more) == (0, {}, 1)
    assert "calls[0] at 0: CorruptRecordException" in caplog.text or "wrong checksum" in caplog.text
    held = Held(sent(1))

    async def ready() -> list[Any]:
        return list(pieces._held(held, {TP}))  # type: ignore[arg-type]

    assert asyncio.run(ready()) == []
    pieces._rests.clear()
    assert asyncio.run(ready()) == [TP]


def test_aiokafka_is_the_one_that_this_takes_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version may hold its fetches otherwise: then look at `fetching.py`, `transport.py` and this test."""
    import aiokafka

    assert aiokafka.__version__.startswith("0.14.")
    monkeypatch.setattr(aiokafka_fetcher, "MemoryRecords", aiokafka_fetcher.MemoryRecords)
    monkeypatch.setattr(BoundedRecords, "message_bytes", BoundedRecords.message_bytes)
    fetching.bound_fetches(1_000_000)
    assert aiokafka_fetcher.MemoryRecords is BoundedRecords
    for name in ("_records", "_subscriptions", "_wait_consume_future", "_notify", "_create_fetch_waiter"):
        assert name in aiokafka_fetcher.Fetcher.__init__.__code__.co_names or hasattr(aiokafka_fetcher.Fetcher, name), (
            name
        )
