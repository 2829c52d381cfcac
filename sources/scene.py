"""What the events of one run share: the people, and what earlier events left behind for later ones."""

from dataclasses import dataclass, field

import numpy as np

from sources.numbers import Ints
from sources.population import Population

_MINUTE_US, _HOUR_US = 60_000_000, 3_600_000_000
# two in five whose payment failed ask why; half of them within 25 minutes
_ASKING_SHARE, _DELAY_MEDIAN_US = 0.4, 25 * _MINUTE_US
# a failure that nobody asked about within this time is forgotten
PATIENCE_US = 6 * _HOUR_US


def _none() -> Ints:
    return np.zeros(0, dtype=np.int64)


@dataclass
class Complaints:
    """Customers whose payment failed and who are about to ask the support why.

    Attributes:
        users: their rows in the population's users.
        failed: when the payment failed, µs of local time.
        due: when they ask, the earliest first.
    """

    users: Ints = field(default_factory=_none)
    failed: Ints = field(default_factory=_none)
    due: Ints = field(default_factory=_none)

    def expect(self, users: Ints, failed: Ints, draw: np.random.Generator) -> None:
        """Some of the users whose payment failed at these times will ask."""
        if not len(users):
            return
        asking = draw.random(len(users)) < _ASKING_SHARE
        delay = draw.lognormal(np.log(_DELAY_MEDIAN_US), 0.9, len(users)).clip(_MINUTE_US, PATIENCE_US / 2)
        due = (failed + delay.astype(np.int64))[asking]
        # without support cases nobody takes the old ones: they are forgotten here
        kept = self.failed > failed.min() - PATIENCE_US
        due = np.concatenate([self.due[kept], due])
        users = np.concatenate([self.users[kept], users[asking]])
        failed = np.concatenate([self.failed[kept], failed[asking]])
        order = np.argsort(due, kind="stable")
        self.users, self.failed, self.due = users[order], failed[order], due[order]

    def take(self, times: Ints) -> tuple[Ints, Ints]:
        """Give each complaint that is due the next free one of the support cases at these times (µs, sorted).

        Returns:
            The rows of the cases, and their users.
        """
        rank = np.arange(len(self.due))
        # each its own case: the first at or after its time that is not an earlier complaint's
        case = np.maximum.accumulate(np.searchsorted(times, self.due) - rank) + rank if len(rank) else rank
        reached = case < len(times)
        waited = times[case[reached]] - self.failed[reached]
        kept = (waited > 0) & (waited <= PATIENCE_US)
        taken = case[reached][kept], self.users[reached][kept]
        self.users, self.failed, self.due = self.users[~reached], self.failed[~reached], self.due[~reached]
        return taken


@dataclass
class Scene:
    """The stage of one run.

    Attributes:
        run_id: part of each event's id, so that runs never share one.
        balances: piastres that each user has left, by the row in `population.users`.
    """

    population: Population
    run_id: str
    balances: Ints = field(init=False)
    complaints: Complaints = field(default_factory=Complaints)

    def __post_init__(self) -> None:
        draw = np.random.default_rng([self.population.seed, 3])
        self.balances = draw.exponential(800, self.population.users.height).astype(np.int64)
