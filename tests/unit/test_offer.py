"""What is handed in to be committed by another worker: it arrives as it was, and lands only where it follows on the table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.typedef import Record

from catalog.offer import Offer, Span
from catalog.offsets import Gap, PartitionId, Positions
from catalog.seal import Seal, Unsealed

P, Q = PartitionId("t", 0), PartitionId("t", 1)
NUMBERS = st.dictionaries(st.integers(1, 200), st.integers(0, 2**62), max_size=5)
BOUNDS = st.dictionaries(st.integers(1, 200), st.binary(max_size=40), max_size=5)


def a_file(rows: int, counts: dict[int, int] | None = None, bounds: dict[int, bytes] | None = None) -> DataFile:
    return DataFile.from_args(
        content=DataFileContent.DATA, file_path="s3://a/b.parquet", file_format=FileFormat.PARQUET, partition=Record(20700),
        record_count=rows, file_size_in_bytes=5, column_sizes=counts, value_counts=counts, null_value_counts=counts,
        nan_value_counts={}, lower_bounds=bounds, upper_bounds=bounds, key_metadata=None, split_offsets=[4],
        equality_ids=None, sort_order_id=None,
    )  # fmt: skip


@given(NUMBERS, BOUNDS, st.integers(4, 2**40), st.none() | st.integers(0, 3), st.lists(st.booleans(), max_size=3))
def test_an_offer_arrives_as_it_was_handed_in(
    counts: dict[int, int], bounds: dict[int, bytes], rows: int, start: int | None, lost: list[bool]
) -> None:
    file = a_file(rows, counts, bounds)
    gaps = tuple(Gap(4 + 2 * n, 5 + 2 * n, was) for n, was in enumerate(lost))
    offer = Offer("id", {P: Span(3, 3 + rows + len(lost), gaps, start)}, file, 17)
    there = Offer.loads(offer.dumps())
    assert there.file is not None
    assert there.file._data == file._data
    assert (there.batch_id, there.spans, there.ingested_at) == (offer.batch_id, offer.spans, 17)


@pytest.mark.parametrize(
    "offer",
    [
        Offer("id", {P: Span(0, 500)}),  # moves the table past 500 events, and brings none
        Offer("id", {P: Span(0, 500)}, a_file(499), 1),
        Offer("id", {P: Span(0, 500)}, a_file(501), 1),
        Offer("id", {P: Span(0, 500), Q: Span(5, 5)}, a_file(500), 1),
        Offer("id", {P: Span(0, 500)}, a_file(500)),  # of no day
        Offer("id", {P: Span(-5, 5)}, a_file(10), 1),
        Offer("id", {P: Span(9, 5)}, a_file(1), 1),
        Offer("id", {P: Span(0, 9, (Gap(0, 20, False),))}),
        Offer("id", {P: Span(0, 9, (Gap(0, 5, False), Gap(4, 9, False)))}),
        Offer("id", {P: Span(0, 9, (Gap(5, 5, False), Gap(0, 9, False)))}),
        Offer("id", {P: Span(3, 9, (Gap(3, 9, False),), 4)}),
        Offer("id", {}),
    ],
)
def test_an_offer_that_does_not_account_for_its_offsets_is_none(offer: Offer) -> None:
    with pytest.raises(ValueError, match=r"gap|span|offsets"):
        Offer.loads(offer.dumps())


@given(st.text(), st.binary(max_size=200), st.binary(max_size=200))
def test_a_text_is_believed_in_the_place_it_was_sealed_for_and_nowhere_else(
    text: str, rubbish: bytes, key: bytes
) -> None:
    seal = Seal(b"k")
    sealed = seal.put("here", text)
    assert seal.check("here", sealed) == text
    other = Seal(b"k" + key + b"x")
    wrong = [("there", sealed, seal), ("here", sealed + b"x", seal), ("here", rubbish, seal), ("here", sealed, other)]
    for place, found, by in wrong:
        with pytest.raises(Unsealed):
            by.check(place, found)


def test_an_offer_lands_whole_or_not_at_all() -> None:
    stands = Positions({P: 5})
    offer = Offer("id", {P: Span(5, 8, (Gap(6, 7, False),)), Q: Span(2, 4, (), 2)})
    after = offer.added_to(stands)
    assert after == Positions({P: 8, Q: 4}, {P: 5, Q: 2}, {P: (Gap(6, 7, False),)})
    for elsewhere in (Positions({P: 6}), Positions({P: 5, Q: 3}), Positions()):
        assert offer.added_to(elsewhere) is None


def test_a_partition_that_the_table_does_not_know_begins_at_its_beginning() -> None:
    assert Offer("id", {Q: Span(3, 4, (), 2)}).added_to(Positions()) is None
    assert Offer("id", {Q: Span(3, 4)}).added_to(Positions()) is None
