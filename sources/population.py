"""The people, handsets and cells of one made-up operator, shared by the reference data and by every event source."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from sources.handsets import HANDSETS
from sources.names import FAMILY_NAMES, FEMALE_NAMES, MALE_NAMES, STREETS
from sources.numbers import Ints, foreign_number, mobile_numbers, with_luhn_digit
from sources.places import CITIES
from sources.staff import build_agents

PLANS = ("Prepaid", "Postpaid", "Business", "Youth", "Tourist")
PROFILES = ("regular", "business", "heavy", "student", "tourist")
# how much more than a regular user each profile calls, in the order of PROFILES
_PROFILE_FACTORS = np.array([1.0, 2.2, 4.0, 1.3, 0.8])
# the plan that goes with each profile, in the order of PROFILES; regular and heavy users have one of the first two
_PROFILE_PLANS = np.array([0, 2, 1, 3, 4])
# few distinct numbers outside the network: each of them is a customer that gold has to infer
_OFF_NET_NUMBERS, _FOREIGN_NUMBERS = 4_000, 800


@dataclass(frozen=True)
class Population:
    """What exists before the first event.

    Attributes:
        users: one row a subscriber, contract attributes and `number` (without the leading zero), `imei`, `profile`,
            `weight` (share of all calls), `home_cell` and `work_cell` (row numbers of `cells`).
        devices: one row a type allocation code.
        cells: one row a cell site, sorted by city.
        agents: one row an agent of the support, in the state of today.
        off_net: numbers of other Egyptian operators that users call, such as 01212345678.
        foreign: numbers abroad, with `+` or `00` in front.
        seed: what it was drawn with.
    """

    users: pl.DataFrame
    devices: pl.DataFrame
    cells: pl.DataFrame
    agents: pl.DataFrame
    off_net: pl.Series
    foreign: pl.Series
    seed: int


def build_population(seed: int = 1, users: int = 20_000, devices: int = 300, cells: int = 500) -> Population:
    """Draw a population; the same arguments give the same one."""
    draw = np.random.default_rng([seed, 0])
    device_frame = _devices(draw, devices)
    cell_city, cell_frame = _cells(draw, cells)
    # drawn together, so that nobody outside has a subscriber's number
    numbers = mobile_numbers(draw, users + _OFF_NET_NUMBERS)
    return Population(
        users=_users(draw, numbers[:users], device_frame, cell_city),
        devices=device_frame,
        cells=cell_frame,
        agents=build_agents(seed),
        off_net="0" + pl.Series(numbers[users:]).cast(pl.String),
        foreign=pl.Series([foreign_number(draw) for _ in range(_FOREIGN_NUMBERS)]),
        seed=seed,
    )


def _pick(values: list[str] | tuple[str, ...], rows: Ints) -> pl.Series:
    return pl.Series(values, dtype=pl.String).gather(rows)


def _shares(weights: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(weights, dtype=np.float64)
    return np.asarray(values / values.sum())


def _devices(draw: np.random.Generator, count: int) -> pl.DataFrame:
    """Type allocation codes; 35 and 86 are the numbers of the reporting bodies that most handsets have."""
    handset = draw.choice(len(HANDSETS), size=count, p=_shares([h.weight for h in HANDSETS]))
    serial = draw.choice(1_000_000, size=count, replace=False)
    tac = np.where(draw.random(count) < 0.6, 35, 86) * 1_000_000 + serial
    chosen = [HANDSETS[row] for row in handset]
    model, system = draw.random(count), draw.random(count)
    return pl.DataFrame(
        {
            "tac": pl.Series(tac).cast(pl.String),
            "brand": [h.brand for h in chosen],
            "model": [h.models[int(at * len(h.models))] for h, at in zip(chosen, model, strict=True)],
            "os_version": [h.systems[int(at * len(h.systems))] for h, at in zip(chosen, system, strict=True)],
            "is_smartphone": [h.is_smartphone for h in chosen],
        }
    )


def _cells(draw: np.random.Generator, count: int) -> tuple[Ints, pl.DataFrame]:
    """Cell sites scattered some kilometres around the centres of their cities, and the row of each one's city."""
    city = np.sort(draw.choice(len(CITIES), size=count, p=_shares([c.weight for c in CITIES]))).astype(np.int64)
    places = [CITIES[row] for row in city]
    within = np.arange(count) - np.searchsorted(city, city)
    # 0.03 degrees are about 3 km: most sites of a city, and none in the sea of the next one
    latitude = np.array([p.latitude for p in places]) + draw.normal(0, 0.03, count)
    longitude = np.array([p.longitude for p in places]) + draw.normal(0, 0.03, count)
    frame = pl.DataFrame(
        {
            "cell_id": [f"CELL{row:05d}" for row in range(1, count + 1)],
            "site_name": [f"{p.name} {number + 1}" for p, number in zip(places, within, strict=True)],
            "city": [p.name for p in places],
            "region": [p.region for p in places],
            "latitude": latitude.round(6),
            "longitude": longitude.round(6),
        }
    )
    return city, frame


def _users(draw: np.random.Generator, number: Ints, devices: pl.DataFrame, cell_city: Ints) -> pl.DataFrame:
    count = len(number)
    home = draw.integers(0, len(cell_city), count)
    # people work in their own city: a row between the first and the last cell of it
    first = np.searchsorted(cell_city, cell_city[home])
    last = np.searchsorted(cell_city, cell_city[home], side="right")
    work = (first + draw.random(count) * (last - first)).astype(np.int64)
    profile = draw.choice(len(PROFILES), size=count, p=(0.70, 0.12, 0.04, 0.12, 0.02))
    plan = np.where(np.isin(profile, (0, 2)), (draw.random(count) < 0.25).astype(np.int64), _PROFILE_PLANS[profile])
    # few handsets are very common: a Zipf-like share a device
    device = draw.choice(devices.height, size=count, p=_shares(1.0 / np.arange(1, devices.height + 1) ** 0.7))
    tac = devices["tac"].cast(pl.Int64).to_numpy()[device]
    imei = with_luhn_digit(tac * 1_000_000 + draw.integers(0, 1_000_000, count))
    # sigma 1.1: the busiest tenth of the users makes about half of the calls
    weight = draw.lognormal(0.0, 1.1, count) * _PROFILE_FACTORS[profile]
    return _persons(draw, number, cell_city[home]).with_columns(
        _pick(PLANS, plan).alias("plan_type"),
        _pick(PROFILES, profile).alias("profile"),
        pl.Series("imei", imei),
        pl.Series("weight", weight),
        pl.Series("home_cell", home),
        pl.Series("work_cell", work),
    )


def _persons(draw: np.random.Generator, number: Ints, city: Ints) -> pl.DataFrame:
    """Names, addresses and dates; two of three records are written in Arabic."""
    count = len(number)
    arabic = pl.Series(draw.random(count) < 0.66)
    female = draw.random(count) < 0.48
    given = draw.integers(0, len(MALE_NAMES), count) + np.where(female, len(MALE_NAMES), 0)
    family, street = draw.integers(0, len(FAMILY_NAMES), count), draw.integers(0, len(STREETS), count)
    house = pl.Series(draw.integers(1, 180, count)).cast(pl.String)
    both = MALE_NAMES + FEMALE_NAMES

    def written(pairs: tuple[tuple[str, str], ...], rows: Ints) -> pl.Series:
        latin, native = _pick([p[0] for p in pairs], rows), _pick([p[1] for p in pairs], rows)
        return native.zip_with(arabic, latin)

    user = pl.Series(np.arange(1, count + 1)).cast(pl.String).str.zfill(7)
    mailbox = _pick([p[0].lower() for p in both], given) + "." + user
    activated = np.datetime64("2015-01-01") + draw.integers(0, 4000, count)
    towns = tuple((c.name, c.arabic_name) for c in CITIES)
    return pl.DataFrame(
        {
            "number": number,
            "user_id": "U" + user,
            "name": written(both, given) + " " + written(FAMILY_NAMES, family),
            "email": mailbox + "@example.com",
            "address": house + " " + written(STREETS, street) + ", " + written(towns, city),
            "city": _pick([c.name for c in CITIES], city),
            "gender": pl.Series(np.where(female, "Female", "Male")),
            "age_group": _pick(("18-24", "25-34", "35-44", "45-54", "55+"), draw.integers(0, 5, count)),
            "status": _pick(("active", "suspended"), (draw.random(count) < 0.02).astype(np.int64)),
            "activation_date": pl.Series(activated.astype("datetime64[ms]")).dt.strftime("%Y-%m-%d"),
        }
    )
