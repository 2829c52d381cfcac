"""Who takes part in an event and from where: choices that several sources share."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sources.numbers import Ints
from sources.population import Population


def heads(times: pl.Series, prefix: str, run_id: str, first: int) -> pl.DataFrame:
    """The columns `sid` and `timestamp` (local time as text); `first` is the number in the first `sid`."""
    return pl.DataFrame({"timestamp": times.dt.strftime("%Y-%m-%d %H:%M:%S")}).select(
        pl.concat_str(pl.lit(f"{prefix}{run_id}-"), pl.int_range(first, first + pl.len())).alias("sid"), "timestamp"
    )


def weighted(weights: NDArray[np.float64], chance: NDArray[np.float64]) -> Ints:
    """A row of `weights` for each chance in [0, 1), heavier rows more often."""
    edges = np.cumsum(weights)
    # rounding may put a chance of nearly 1 behind the last row
    return np.asarray(np.searchsorted(edges, chance * edges[-1], side="right").clip(0, len(weights) - 1))


def active_users(draw: np.random.Generator, population: Population, times: pl.Series) -> Ints:
    """A user an event: busier users more often, business users mostly in working hours."""
    weight = population.users["weight"].to_numpy()
    is_business = (population.users["profile"] == "business").to_numpy()
    working = ((times.dt.hour() >= 8) & (times.dt.hour() < 18) & (times.dt.weekday() != 5)).to_numpy()
    chance = draw.random(len(times))
    at_work = weighted(np.where(is_business, weight * 1.6, weight), chance)
    at_rest = weighted(np.where(is_business, weight * 0.3, weight), chance)
    return np.where(working, at_work, at_rest)


def contacts(draw: np.random.Generator, population: Population, user: Ints, circle_share: float) -> Ints:
    """Somebody else in the network for each user.

    That share of the choices falls on a small circle that belongs to the user, its nearest contact getting most.
    """
    count, users = len(user), population.users.height
    circle = (user * 7919 + draw.zipf(1.8, count).clip(1, 25) * 104_729) % users
    other = np.where(draw.random(count) < circle_share, circle, draw.integers(0, users, count))
    return np.where(other == user, (other + 1) % users, other)


def cells(draw: np.random.Generator, population: Population, user: Ints, times: pl.Series) -> pl.Series:
    """The id of the cell that serves each user: work by day, home else, now and then anywhere in the country."""
    working = ((times.dt.hour() >= 8) & (times.dt.hour() < 17) & (times.dt.weekday() != 5)).to_numpy()
    usual = np.where(
        working & (draw.random(len(user)) < 0.8),
        population.users["work_cell"].to_numpy()[user],
        population.users["home_cell"].to_numpy()[user],
    )
    away = draw.random(len(user)) < 0.07
    row = np.where(away, draw.integers(0, population.cells.height, len(user)), usual)
    return population.cells["cell_id"].gather(row)


def imeis(population: Population, user: Ints) -> pl.Series:
    """The IMEI of each user's handset, as text."""
    return population.users["imei"].gather(user).cast(pl.String)


def payers(draw: np.random.Generator, population: Population, factors: dict[str, float], count: int) -> Ints:
    """Users by plan, heavy users somewhat more often.

    Args:
        factors: how much more often a user of each plan is chosen.
    """
    plan = population.users["plan_type"].replace_strict(factors, return_dtype=pl.Float64).to_numpy()
    # who talks ten times as much does not pay ten times as often
    return weighted(plan * population.users["weight"].to_numpy() ** 0.5, draw.random(count))


def beneficiaries(draw: np.random.Generator, population: Population, payer: Ints, share: float) -> Ints:
    """Whose number it is for: the payer's own, or in that share of the cases somebody of the payer's circle."""
    others = contacts(draw, population, payer, circle_share=1.0)
    return np.where(draw.random(len(payer)) < share, others, payer)
