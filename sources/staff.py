"""The operator's support agents and what they are asked about."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from sources.names import FAMILY_NAMES, FEMALE_NAMES, MALE_NAMES
from sources.numbers import Ints


@dataclass(frozen=True)
class Reason:
    """Why customers ask; `weight` is its share in percent, `median_s` how long half of its cases take at most."""

    name: str
    weight: int
    department: str
    median_s: int


BILLING = "billing"
REASONS = (
    Reason(BILLING, 25, "Billing", 420),
    Reason("network", 22, "Technical Support", 900),
    Reason("internet", 18, "Technical Support", 780),
    Reason("plan_change", 11, "Sales", 360),
    Reason("sim_card", 9, "Customer Care", 500),
    Reason("roaming", 5, "Customer Care", 420),
    Reason("complaint", 6, "Customer Care", 1_100),
    Reason("cancellation", 4, "Retention", 800),
)
DEPARTMENTS = tuple(dict.fromkeys(reason.department for reason in REASONS))
_DEPARTMENT_SHARES = (0.28, 0.36, 0.12, 0.16, 0.08)
# call centres are in few places
_CITIES = ("Cairo", "6th of October", "Alexandria", "Mansoura")


def build_agents(seed: int, count: int = 120) -> pl.DataFrame:
    """The agents' records in the state of today: every department has some who are active, and few who are not."""
    draw = np.random.default_rng([seed, 2])
    edges = np.round(np.cumsum(_DEPARTMENT_SHARES) * count).astype(np.int64)
    department = np.searchsorted(edges, np.arange(count), side="right").clip(0, len(DEPARTMENTS) - 1)
    # the ids are dealt out at random, so that they tell nothing about the department
    department = department[draw.permutation(count)]
    agent = pl.Series(np.arange(1001, 1001 + count)).cast(pl.String)
    names = MALE_NAMES + FEMALE_NAMES
    given, family = draw.integers(0, len(names), count), draw.integers(0, len(FAMILY_NAMES), count)
    given_name = pl.Series([latin for latin, _ in names]).gather(given)
    return pl.DataFrame(
        {
            "agent_id": "AG" + agent,
            "name": given_name + " " + pl.Series([latin for latin, _ in FAMILY_NAMES]).gather(family),
            "department": pl.Series(DEPARTMENTS).gather(department),
            "email": given_name.str.to_lowercase() + "." + agent + "@support.example.com",
            "city": pl.Series(_CITIES).gather(draw.choice(len(_CITIES), size=count, p=(0.5, 0.25, 0.15, 0.1))),
            "status": pl.Series(("active", "on_leave", "left")).gather(_states(department)),
        }
    )


def _states(department: Ints) -> Ints:
    """0 active, 1 on leave, 2 left: of every department the 8th and the 16th of each 16, so that none is without agents."""
    place = np.zeros(len(department), dtype=np.int64)
    for row in range(len(DEPARTMENTS)):
        members = np.flatnonzero(department == row)
        place[members] = np.arange(len(members)) % 16
    return np.select([place == 7, place == 15], [1, 2], 0)
