"""The generated population, its reference data and its good events."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from sources.generate import _Schedule
from sources.mix import EVENT_SOURCES
from sources.numbers import with_luhn_digit
from sources.population import Population, build_population
from sources.reference import reference_messages
from sources.rhythm import event_times, last_clock_change
from sources.scene import Scene

END = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def calls(population: Population, count: int, seed: int, run_id: str, end: datetime) -> pl.DataFrame:
    draw = np.random.default_rng([population.seed, seed, *run_id.encode()])
    times = event_times(draw, count, end, 3, "Africa/Cairo")
    return EVENT_SOURCES["calls"].events_at(times, Scene(population, run_id), draw, 1)


@pytest.fixture(scope="module")
def population() -> Population:
    return build_population(seed=1, users=500, devices=50, cells=60)


@pytest.fixture(scope="module")
def events(population: Population) -> pl.DataFrame:
    messages = calls(population, 3_000, seed=1, run_id="r1", end=END)
    return messages.with_columns(pl.Series("event", [v.decode() for v in messages["value"]]).str.json_decode())


def test_times_end_where_they_should_and_copies_leave_no_hole_there() -> None:
    """Copies take no times of their own: those left over are the first ones."""
    end = datetime(2026, 11, 24, 12, 0, 0, 999_999, tzinfo=UTC)
    times = event_times(np.random.default_rng(1), 10_000, end, 3, "UTC")
    assert times.max() < end.replace(tzinfo=None)  # type: ignore[operator]
    schedule = _Schedule(times, 200)
    handed = pl.concat([schedule(n) for n in (4_000, 5_800)])
    assert handed.equals(times.tail(9_800))
    assert len(schedule(200)) == 200, "where copies could not be made"


def _has_luhn_digit(imei: str) -> bool:
    digits = [int(digit) for digit in reversed(imei)]
    return sum(d if at % 2 == 0 else sum(divmod(d * 2, 10)) for at, d in enumerate(digits)) % 10 == 0


def test_the_luhn_digit_is_that_of_the_standard_example() -> None:
    # the IMEI that 3GPP and most handbooks use: 49015420323751 has the check digit 8
    assert with_luhn_digit(pl.Series([49015420323751]).to_numpy()).tolist() == [490154203237518]


def test_imeis_have_a_right_luhn_digit_and_the_tac_of_a_device(population: Population, events: pl.DataFrame) -> None:
    tacs = set(population.devices["tac"])
    imeis = events["event"].struct.field("from").struct.field("imei").to_list()
    assert all(len(imei) == 15 and _has_luhn_digit(imei) and imei[:8] in tacs for imei in imeis)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(population: Population) -> None:
    first, again, other = (calls(population, 200, seed, "r1", END)["value"].to_list() for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert build_population(1, 50, 10, 10).users.equals(build_population(1, 50, 10, 10).users)


def test_another_run_shares_no_event_id(population: Population) -> None:
    sids = [
        {v.split(b'"sid":"')[1].split(b'"')[0] for v in calls(population, 300, 1, run, END)["value"]}
        for run in ("r1", "r2")
    ]
    assert len(sids[0]) == len(sids[1]) == 300
    assert not sids[0] & sids[1]


def test_the_key_is_the_callers_number_in_its_local_spelling(events: pl.DataFrame) -> None:
    assert events["key"].equals(events["event"].struct.field("customer").alias("key"))
    assert events["key"].str.contains(r"^01[0125][0-9]{8}$").all()


def test_callers_are_written_in_several_spellings(events: pl.DataFrame) -> None:
    callers = events["event"].struct.field("from").struct.field("phone_number")
    assert callers.str.contains(r"^01").mean() > 0.6
    for beginning in (r"^\+20", r"^0020", r"^20", r"^01\d \d{4} \d{4}$", r"^\("):
        assert callers.str.contains(beginning).any(), beginning


def test_only_taken_calls_last_and_cost(events: pl.DataFrame) -> None:
    event = events["event"].struct.unnest()
    talked = event["call_duration_seconds"] > 0
    assert (talked == (event["status"] == "completed")).all()
    assert ((events["amount"] > 0) == talked).all()
    assert (event["billing_info"].struct.field("amount") * 100 - events["amount"]).abs().max() < 1e-6


def test_calls_lie_within_the_days_before_the_end_in_order(events: pl.DataFrame) -> None:
    times = events["event"].struct.field("timestamp")
    assert times.is_sorted()
    assert times[0] >= "2026-11-21 14:00:00"
    assert times[-1] < "2026-11-24 14:00:00"


@pytest.mark.parametrize("end", [datetime(2026, 4, 25, tzinfo=UTC), datetime(2026, 10, 30, tzinfo=UTC)])
def test_no_time_falls_into_an_hour_that_the_clock_skips_or_repeats(population: Population, end: datetime) -> None:
    values = pl.Series([v.decode() for v in calls(population, 5_000, 1, "r1", end)["value"]])
    times = values.str.extract(r'"timestamp":"([^"]+)"').str.to_datetime("%Y-%m-%d %H:%M:%S")
    assert times.dt.replace_time_zone("Africa/Cairo", ambiguous="null", non_existent="null").null_count() == 0


def test_clock_changes_are_found_where_there_are_any() -> None:
    assert last_clock_change("Africa/Cairo", END) == ("2026-04-24 00:30:00", "2026-10-29 23:30:00")
    assert last_clock_change("UTC", END) == (None, None)


def test_reference_records_carry_their_key_and_few_users_are_missing(population: Population) -> None:
    frames = reference_messages(population)
    users = frames["users"]
    assert 0.97 * 500 <= users["key"].n_unique() <= 500
    assert users.height > users["key"].n_unique(), "some users have two states"
    assert users["value"][0].startswith(b'{"phone_number":"' + users["key"][0].encode())
    assert frames["devices"].height == frames["devices"]["key"].n_unique() == 50
    assert frames["cell_sites"].height == 60
    agents = frames["agents"]
    assert agents["key"].n_unique() == 120 < agents.height < 150, "a few agents changed their department"


def test_some_names_are_arabic(population: Population) -> None:
    assert 0.5 < population.users["name"].str.contains(r"\p{Arabic}").mean() < 0.8
