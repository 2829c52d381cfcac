"""What was put in, in the words of the audit."""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import polars as pl

from sources.defects import DUPLICATES


@dataclass
class Expectation:
    """What the line must make of the messages of one source.

    Attributes:
        rejected: rows that silver marks as rejected, duplicates included, as the audit counts them.
        duplicates: of the rejected, the copies.
        reasons: rows by code; a row with two codes counts under both.
        warnings: rows by warning; exact once the reference data was loaded before the events.
        amount: sum over accepted messages by currency.
        defects: messages by what was done to them.
    """

    produced: int = 0
    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    amount: dict[str, Decimal] = field(default_factory=dict)
    defects: Counter[str] = field(default_factory=Counter)

    def add(self, messages: pl.DataFrame) -> None:
        """Count a frame with `codes`, `warnings`, `defect` and, where there is money, `amount` (hundredths) and `currency`."""
        accepted = messages.filter(pl.col("codes").is_null())
        self.produced += messages.height
        self.accepted += accepted.height
        self.rejected += messages.height - accepted.height
        self.duplicates += int((messages["defect"] == DUPLICATES).sum())
        self.reasons += _tally(messages["codes"].str.split(", "))
        self.warnings += _tally(messages["warnings"].str.split(", "))
        self.defects += _tally(messages["defect"].str.split(", "))
        if "amount" not in messages.columns:
            return
        for currency, hundredths in accepted.group_by("currency").agg(pl.col("amount").sum()).rows():
            self.amount[currency] = self.amount.get(currency, Decimal(0)) + Decimal(hundredths).scaleb(-2)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and texts, most frequent first."""
        return {
            "produced": self.produced,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "duplicates": self.duplicates,
            "reasons": dict(self.reasons.most_common()),
            "warnings": dict(self.warnings.most_common()),
            "amount": {currency: f"{self.amount[currency]:.4f}" for currency in sorted(self.amount)},
            "defects": dict(self.defects.most_common()),
        }


def _tally(lists: pl.Series) -> Counter[str]:
    counts = lists.drop_nulls().explode().alias("value").value_counts(sort=True)
    return Counter(dict(counts.rows()))
