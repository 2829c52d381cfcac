"""Batches of one partition: cut, and joined."""

from collections import deque

import numpy as np
import pyarrow as pa

from catalog.offsets import PartitionId
from streams.batch import RawBatch, take_joinable

P = PartitionId("topic", 0)


def batch(first: int, *values: bytes | None, headers: bool = False, **changes: object) -> RawBatch:
    count = len(values)
    given = {
        "topic": "calls",
        "partition": P,
        "first": first,
        "offsets": np.arange(first, first + count),
        "timestamps": np.full(count, 7),
        "keys": pa.array([b"k"] * count, pa.large_binary()),
        "values": pa.array(values, pa.large_binary()),
        "headers": pa.array([b"h"] * count, pa.large_binary()) if headers else None,
        **changes,
    }
    return RawBatch(**given)  # type: ignore[arg-type]


def test_batches_that_follow_on_each_other_are_one() -> None:
    waiting = deque([batch(3, b"a", None), batch(5, b"b", headers=True, end=8), batch(8, b"c")])
    joined = RawBatch.joined(take_joinable(waiting, 1 << 20))
    assert not waiting
    assert (joined.first, joined.next, joined.offsets.tolist()) == (3, 9, [3, 4, 5, 8])
    assert joined.values.to_pylist() == [b"a", None, b"b", b"c"]
    assert joined.headers is not None
    assert joined.headers.to_pylist() == [None, None, b"h", None]


def test_a_batch_that_does_not_follow_on_waits_for_its_turn() -> None:
    for other in (batch(9, b"b"), batch(4, b"b", log_start=2), batch(4, b"b", partition=PartitionId("other", 0))):
        waiting = deque([batch(3, b"a"), other])
        assert RawBatch.joined(take_joinable(waiting, 1 << 20)).values.to_pylist() == [b"a"]
        assert list(waiting) == [other]


def test_a_batch_of_markers_only_joins_too() -> None:
    joined = RawBatch.joined(take_joinable(deque([batch(3, b"a"), batch(4, end=6), batch(6, b"b")]), 1 << 20))
    assert (joined.offsets.tolist(), joined.next) == ([3, 6], 7)
