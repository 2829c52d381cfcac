"""What an account says: of one source, and of all."""

from dataclasses import dataclass, field
from typing import Any

COMPLETE, NOT_BALANCED, IN_FLIGHT = 0, 1, 3


@dataclass
class SourceAccount:
    """What became of one source's messages. `gold` and `clickhouse` are None for reference data.

    Attributes:
        acknowledged: lost events that an operator has taken notice of (`lakehouse topics --acknowledge`).
        notices: what a person should know, though it balances.
    """

    produced: int = 0
    bronze: int | None = None
    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0
    in_flight: int = 0
    lost: int = 0
    acknowledged: int = 0
    gold: int | None = None
    clickhouse: int | None = None
    amount: dict[str, dict[str, str]] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    lost_ranges: list[str] = field(default_factory=list)
    bronze_expected: int = 0
    bronze_waits: bool = False
    offset_sum: int = 0
    accepted_offset_sum: int = 0
    problems: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    @property
    def balanced(self) -> bool:
        """Whether every message is accounted for at every layer."""
        return not self.problems

    @property
    def complete(self) -> bool:
        """Whether nothing is on its way any more."""
        return self.in_flight == 0 and not self.bronze_waits

    def as_json(self) -> dict[str, Any]:
        """The form that scripts read."""
        names = (
            "produced",
            "bronze",
            "accepted",
            "rejected",
            "duplicates",
            "in_flight",
            "lost",
            "acknowledged",
            "gold",
            "clickhouse",
        )
        found = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return {
            **found,
            "amount": self.amount,
            "reasons": self.reasons,
            "balanced": self.balanced,
            "complete": self.complete,
            "lost_ranges": self.lost_ranges,
            "problems": self.problems,
            "notices": self.notices,
        }


@dataclass
class Account:
    """The account of all sources at one build.

    Attributes:
        under_way: what of gold or its copies is still being made; None if nothing is.
    """

    build_id: int
    sources: dict[str, SourceAccount]
    references: dict[str, SourceAccount]
    problems: list[str] = field(default_factory=list)
    under_way: str | None = None

    @property
    def balanced(self) -> bool:
        """Whether all of it balances."""
        return not self.problems and all(a.balanced for a in self._all())

    @property
    def complete(self) -> bool:
        """Whether nothing is in flight anywhere."""
        return self.under_way is None and all(a.complete for a in self._all())

    @property
    def exit_code(self) -> int:
        """0 complete and balanced, 1 not balanced or events lost of which nobody took notice, 3 with something on its way."""
        if not self.balanced or any(a.lost > a.acknowledged for a in self._all()):
            return NOT_BALANCED
        return COMPLETE if self.complete else IN_FLIGHT

    def _all(self) -> list[SourceAccount]:
        return [*self.sources.values(), *self.references.values()]

    def as_json(self) -> dict[str, Any]:
        """The form that scripts read."""
        return {
            "balanced": self.balanced,
            "complete": self.complete,
            "build_id": self.build_id,
            "problems": self.problems,
            "under_way": self.under_way,
            "sources": {name: a.as_json() for name, a in self.sources.items()},
            "references": {name: a.as_json() for name, a in self.references.items()},
        }
