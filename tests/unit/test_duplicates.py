"""The duplicate window does what its rule says, however the events fall into batches."""

import itertools
from dataclasses import dataclass

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.duplicates import DuplicateWindow

QUICK = settings(max_examples=200)


@dataclass(frozen=True)
class Event:
    sid: str
    time_s: int
    eligible: bool = True


@dataclass(frozen=True)
class Limits:
    events: int
    age_s: int


def naive(events: list[Event], limits: Limits) -> list[bool]:
    """contracts.md, word by word: accepted among the last n accepted, less than the age of Kafka time earlier."""
    accepted: list[Event] = []
    found = []
    for event in events:
        seen = [a for a in accepted[-limits.events :] if a.sid == event.sid and event.time_s - a.time_s < limits.age_s]
        found.append(event.eligible and bool(seen))
        if event.eligible and not seen:
            accepted.append(event)
    return found


def columns(events: list[Event]) -> tuple[pl.Series, pl.Series, pl.Series]:
    times = pl.Series([e.time_s * 1_000_000 for e in events], dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))
    ids = pl.Series([e.sid if e.eligible else None for e in events], dtype=pl.String)
    return ids, times, pl.Series([e.eligible for e in events], dtype=pl.Boolean)


def found_in(window: DuplicateWindow, events: list[Event]) -> list[bool]:
    return window.find(*columns(events)).to_list()


EVENTS = st.lists(
    st.builds(Event, st.sampled_from("abcdefgh"), st.integers(0, 12), st.sampled_from([True] * 5 + [False]))
)
LIMITS = st.builds(Limits, st.integers(1, 10), st.integers(1, 12))


@QUICK
@given(EVENTS, LIMITS)
def test_a_duplicate_is_what_the_rule_says(events: list[Event], limits: Limits) -> None:
    assert found_in(DuplicateWindow(limits.events, limits.age_s), events) == naive(events, limits)


@QUICK
@given(EVENTS, LIMITS, st.lists(st.integers(0, 40)))
def test_the_cut_into_batches_changes_nothing(events: list[Event], limits: Limits, cuts: list[int]) -> None:
    window = DuplicateWindow(limits.events, limits.age_s)
    edges = sorted({0, len(events), *(c for c in cuts if c < len(events))})
    found: list[bool] = []
    for first, after in itertools.pairwise(edges):
        found += found_in(window, events[first:after])
    assert found == naive(events, limits)


@QUICK
@given(EVENTS, LIMITS, st.integers(0, 40))
def test_a_window_rebuilt_from_accepted_events_goes_on_as_if_nothing_had_happened(
    events: list[Event], limits: Limits, crash: int
) -> None:
    before, after = events[:crash], events[crash:]
    duplicates = naive(before, limits)
    accepted = [e for e, duplicate in zip(before, duplicates, strict=True) if e.eligible and not duplicate]
    window = DuplicateWindow(limits.events, limits.age_s)
    ids, times, _ = columns(accepted[-limits.events :])  # silver gives no more than the window holds
    window.remember(ids, times)
    assert found_in(window, after) == naive(events, limits)[crash:]


def test_the_window_ends_with_its_last_event_and_just_before_its_age() -> None:
    window = DuplicateWindow(max_events=2, max_age_s=10)
    sent = [
        Event("a", 0),
        Event("a", 9),
        Event("a", 10),
        Event("b", 10),
        Event("a", 10),
        Event("c", 10),
        Event("a", 10),
    ]
    assert found_in(window, sent) == [False, True, False, False, True, False, False]


def test_only_an_acceptance_renews() -> None:
    window = DuplicateWindow(max_events=100, max_age_s=10)
    assert found_in(window, [Event("a", t) for t in (0, 6, 12, 18, 22)]) == [False, True, False, True, False]


def test_an_earlier_event_with_a_later_kafka_time_counts() -> None:
    assert found_in(DuplicateWindow(100, 10), [Event("a", 1000), Event("a", 0)]) == [False, True]


def test_a_full_window_stays_small() -> None:
    window = DuplicateWindow(max_events=1_000, max_age_s=10)
    for batch in range(50):
        found_in(window, [Event(f"{batch}-{i}", batch) for i in range(200)])
    assert len(window) <= 4 * 1_000
