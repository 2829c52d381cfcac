"""Reference records as messages: users, devices and cell sites of a population, each the whole state of its key."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from sources.numbers import local_spelling
from sources.population import PLANS, Population

KINDS = ("users", "devices", "cell_sites")
# one subscriber in 200 is not in the customer system yet, one in 50 changed plan: gold must cope with both
_UNRECORDED_SHARE = 0.005
_CHANGED_SHARE = 0.02


def reference_messages(population: Population) -> dict[str, pl.DataFrame]:
    """The records of each kind as a frame of `key` (text) and `value` (JSON as bytes), in the order to publish them."""
    return {kind: _FRAMES[kind](population) for kind in KINDS}


def _encode(frame: pl.DataFrame, key: str) -> pl.DataFrame:
    return frame.select(
        pl.col(key).alias("key"),
        pl.struct(pl.all()).struct.json_encode().cast(pl.Binary).alias("value"),
    )


def _users(population: Population) -> pl.DataFrame:
    """Users in two states where the plan changed, so that the dimension has histories from the first day."""
    draw = np.random.default_rng([population.seed, 1])
    users = population.users.select(
        local_spelling(pl.col("number")).alias("phone_number"),
        *("user_id", "name", "email", "address", "city", "plan_type", "gender", "age_group", "status"),
        "activation_date",
    )
    chance = draw.random(users.height)
    recorded = users.filter(pl.Series(chance >= _UNRECORDED_SHARE))
    changed = users.filter(pl.Series(chance >= 1 - _CHANGED_SHARE))
    # dates of the records' own, not of the clock: publishing the same population again changes nothing
    since = [date(2025, 1, 1) + timedelta(days=int(day)) for day in draw.integers(0, 500, changed.height)]
    moment = pl.Series("effective_from", since).dt.strftime("%Y-%m-%dT09:00:00Z")
    start = pl.lit("2024-01-01T09:00:00Z").alias("effective_from")
    other = pl.col("plan_type").replace_strict(PLANS, PLANS[1:] + PLANS[:1])
    before = changed.with_columns(other.alias("plan_type"), start)
    return pl.concat(
        [
            _encode(before, "phone_number"),
            _encode(changed.with_columns(moment), "phone_number"),
            _encode(recorded.join(changed, on="phone_number", how="anti", maintain_order="left"), "phone_number"),
        ]
    )


def _devices(population: Population) -> pl.DataFrame:
    return _encode(population.devices, "tac")


def _cell_sites(population: Population) -> pl.DataFrame:
    return _encode(population.cells, "cell_id")


_FRAMES = {"users": _users, "devices": _devices, "cell_sites": _cell_sites}
