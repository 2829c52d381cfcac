"""Positions survive being written, advance by spans, and keep their gaps in order."""

from hypothesis import given
from hypothesis import strategies as st

from catalog.offsets import Gap, PartitionId, Positions, joined

ONE, TWO = PartitionId("AbC-_0123456789abcdefg", 0), PartitionId("AbC-_0123456789abcdefg", 11)
OTHER_TOPIC = PartitionId("another-incarnation-id", 0)

_GAPS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 9), st.booleans()).map(lambda g: Gap(g[0], g[0] + g[1], g[2])),
    max_size=8,
)


def test_nothing_written_is_no_positions() -> None:
    assert Positions.loads(None) == Positions.loads("") == Positions.loads("{}") == Positions()


def test_positions_are_what_was_written() -> None:
    positions = Positions(
        {ONE: 7, TWO: 2**62, OTHER_TOPIC: 0},
        {ONE: 3, TWO: 0, OTHER_TOPIC: 0},
        {ONE: (Gap(4, 6, True), Gap(6, 7, False))},
    )
    assert Positions.loads(positions.dumps()) == positions


def test_the_written_form_is_documented_and_in_order() -> None:
    positions = Positions({TWO: 9, ONE: 7}, {ONE: 3, TWO: 9}, {ONE: (Gap(4, 6, True),)})
    assert positions.dumps() == (
        '{"AbC-_0123456789abcdefg":{"0":{"next":7,"start":3,"gaps":[[4,6,true]]},"11":{"next":9,"start":9}}}'
    )


@given(st.dictionaries(st.sampled_from([ONE, TWO, OTHER_TOPIC]), st.tuples(st.integers(0, 2**63 - 1), _GAPS)))
def test_any_positions_survive_being_written(entries: dict[PartitionId, tuple[int, list[Gap]]]) -> None:
    positions = Positions(
        {p: n for p, (n, _) in entries.items()},
        dict.fromkeys(entries, 0),
        {p: tuple(gaps) for p, (_, gaps) in entries.items() if gaps},
    )
    assert Positions.loads(positions.dumps()) == positions


def test_a_span_advances_its_partition_and_no_other() -> None:
    before = Positions({ONE: 5, TWO: 8}, {ONE: 0, TWO: 8})
    after = before.advanced({ONE: (5, 9, ())})
    assert after.next == {ONE: 9, TWO: 8}
    assert before.next == {ONE: 5, TWO: 8}


def test_the_first_span_says_where_a_partition_began_and_the_next_leaves_it() -> None:
    after = Positions().advanced({ONE: (40, 50, ())}).advanced({ONE: (50, 60, ())})
    assert after.start == {ONE: 40}


def test_a_recreated_topic_begins_again_beside_its_former_self() -> None:
    after = Positions({ONE: 500}, {ONE: 0}).advanced({OTHER_TOPIC: (0, 3, ())})
    assert after.next == {ONE: 500, OTHER_TOPIC: 3}


def test_neighbouring_gaps_of_one_kind_become_one_across_commits() -> None:
    first = Positions().advanced({ONE: (0, 10, (Gap(8, 10, False),))})
    second = first.advanced({ONE: (10, 20, (Gap(10, 12, False), Gap(15, 16, True)))})
    assert second.gaps == {ONE: (Gap(8, 12, False), Gap(15, 16, True))}


def test_lost_offsets_are_never_mixed_with_honest_gaps() -> None:
    assert joined((Gap(0, 5, True), Gap(5, 9, False))) == (Gap(0, 5, True), Gap(5, 9, False))


@given(_GAPS)
def test_joining_neither_adds_nor_drops_an_offset(gaps: list[Gap]) -> None:
    def offsets(of: tuple[Gap, ...], lost: bool) -> set[int]:
        return {offset for gap in of if gap.lost == lost for offset in range(gap.first, gap.next)}

    together = joined(tuple(gaps))
    assert list(together) == sorted(together)
    for lost in (True, False):
        assert offsets(together, lost) == offsets(tuple(gaps), lost)
