"""Reference records as messages, each the whole state of its key: users, devices, cell sites and agents of a population."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from sources.numbers import local_spelling
from sources.population import PLANS, Population
from sources.staff import DEPARTMENTS

KINDS = ("users", "devices", "cell_sites", "agents")
# one subscriber in 200 is not in the customer system yet, one in 50 changed plan: gold must cope with both
_UNRECORDED_SHARE = 0.005
_CHANGED_SHARE = 0.02
_CHANGED_AGENTS_SHARE = 0.06


def reference_messages(population: Population) -> dict[str, pl.DataFrame]:
    """The records of each kind as a frame of `key` (text) and `value` (JSON as bytes), in the order to publish them."""
    return {kind: _FRAMES[kind](population) for kind in KINDS}


def _encode(frame: pl.DataFrame, key: str) -> pl.DataFrame:
    return frame.select(
        pl.col(key).alias("key"),
        pl.struct(pl.all()).struct.json_encode().cast(pl.Binary).alias("value"),
    )


def _with_history(
    records: pl.DataFrame, changed: pl.DataFrame, attribute: str, values: tuple[str, ...], draw: np.random.Generator
) -> pl.DataFrame:
    """Messages in which the changed records have two states: another value of the attribute, and the one of today.

    So that the dimension has histories from the first day. A record's key is its first column.
    """
    key = records.columns[0]
    # dates of the records' own, not of the clock: publishing the same population again changes nothing
    since = [date(2025, 1, 1) + timedelta(days=int(day)) for day in draw.integers(0, 500, changed.height)]
    moment = pl.Series("effective_from", since, dtype=pl.Date).dt.strftime("%Y-%m-%dT09:00:00Z")
    start = pl.lit("2024-01-01T09:00:00Z").alias("effective_from")
    before = changed.with_columns(pl.col(attribute).replace_strict(values, values[1:] + values[:1]), start)
    return pl.concat(
        [
            _encode(before, key),
            _encode(changed.with_columns(moment), key),
            _encode(records.join(changed, on=key, how="anti", maintain_order="left"), key),
        ]
    )


def _users(population: Population) -> pl.DataFrame:
    draw = np.random.default_rng([population.seed, 1])
    users = population.users.select(
        local_spelling(pl.col("number")).alias("phone_number"),
        *("user_id", "name", "email", "address", "city", "plan_type", "gender", "age_group", "status"),
        "activation_date",
    )
    chance = draw.random(users.height)
    recorded = users.filter(pl.Series(chance >= _UNRECORDED_SHARE))
    changed = users.filter(pl.Series(chance >= 1 - _CHANGED_SHARE))
    return _with_history(recorded, changed, "plan_type", PLANS, draw)


def _devices(population: Population) -> pl.DataFrame:
    return _encode(population.devices, "tac")


def _cell_sites(population: Population) -> pl.DataFrame:
    return _encode(population.cells, "cell_id")


def _agents(population: Population) -> pl.DataFrame:
    draw = np.random.default_rng([population.seed, 4])
    changed = population.agents.filter(pl.Series(draw.random(population.agents.height) < _CHANGED_AGENTS_SHARE))
    return _with_history(population.agents, changed, "department", DEPARTMENTS, draw)


_FRAMES = {"users": _users, "devices": _devices, "cell_sites": _cell_sites, "agents": _agents}
