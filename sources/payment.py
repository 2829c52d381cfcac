"""Payments: bills, subscriptions and fees; some fail, and their customers ask the support."""

import numpy as np
import polars as pl

from sources.encoding import billing, encode, money
from sources.numbers import Ints, local_spelling, varied_spelling
from sources.parties import beneficiaries, heads, payers, weighted
from sources.population import PLANS
from sources.rhythm import seasonal_multiplier
from sources.scene import Scene

_STATUSES, _STATUS_SHARES = ("success", "failed", "pending", "refunded"), (0.89, 0.07, 0.03, 0.01)
_METHODS = ("Fawry", "Credit Card", "Vodafone Cash", "InstaPay", "Meeza Card", "Orange Cash", "Bank Transfer", "Cash")
_METHOD_SHARES = (0.26, 0.24, 0.18, 0.12, 0.07, 0.05, 0.04, 0.04)
BILL = "Bill Payment"
_TYPES = (BILL, "Subscription", "Plan Upgrade", "Service Fee", "Late Fee")
# shares of the types for each plan, in the order of population.PLANS; who pays in advance gets no bill
_TYPE_SHARES = np.array(
    [
        [0.0, 0.72, 0.14, 0.14, 0.0],
        [0.72, 0.10, 0.05, 0.07, 0.06],
        [0.80, 0.06, 0.04, 0.06, 0.04],
        [0.0, 0.80, 0.12, 0.08, 0.0],
        [0.0, 0.85, 0.05, 0.10, 0.0],
    ]
)
# whole pounds of what is no bill, four prices a type
_PRICES = np.array([[0] * 4, [45, 65, 90, 130], [50, 100, 150, 250], [5, 10, 20, 30], [15, 25, 40, 60]])
_PLAN_FACTORS = {"Prepaid": 0.6, "Postpaid": 3.0, "Business": 3.0, "Youth": 0.8, "Tourist": 0.5}
_FOR_OTHERS_SHARE, _DOLLAR_SHARE, _POUNDS_A_DOLLAR = 0.08, 0.005, 50


def payments_at(times: pl.Series, scene: Scene, draw: np.random.Generator, first: int) -> pl.DataFrame:
    """One payment a local time; `first` is the number in the first `sid`. See `mix.Generate`."""
    count, number = len(times), scene.population.users["number"]
    payer = payers(draw, scene.population, _PLAN_FACTORS, count)
    status = draw.choice(len(_STATUSES), size=count, p=_STATUS_SHARES)
    failed = status == _STATUSES.index("failed")
    scene.complaints.expect(payer[failed], times.cast(pl.Int64).to_numpy()[failed], draw)
    kind = _kinds(draw, scene, payer)
    dollars = draw.random(count) < _DOLLAR_SHARE
    frame = pl.DataFrame(
        {
            "payer": number.gather(payer),
            "number": number.gather(beneficiaries(draw, scene.population, payer, _FOR_OTHERS_SHARE)),
            "spelling": draw.random(count),
            "status": pl.Series(_STATUSES).gather(status),
            "payment_type": pl.Series(_TYPES).gather(kind),
            "payment_method": pl.Series(_METHODS).gather(draw.choice(len(_METHODS), size=count, p=_METHOD_SHARES)),
            "amount": _amounts(draw, scene, payer, kind) // np.where(dollars, _POUNDS_A_DOLLAR, 1),
            "currency": pl.Series(("EGP", "USD")).gather(dollars.astype(np.int64)),
            "seasonal_multiplier": seasonal_multiplier(times),
        }
    ).with_columns(
        local_spelling(pl.col("payer")).alias("customer"),
        varied_spelling(pl.col("number"), pl.col("spelling")).alias("phone_number"),
        pl.concat_str(pl.lit(f"PAY{scene.run_id}-"), pl.int_range(first, first + pl.len())).alias("transaction_id"),
        pl.when(pl.col("payment_type") == BILL)
        .then(pl.concat_str(pl.lit(f"INV{scene.run_id}-"), pl.int_range(first, first + pl.len())))
        .alias("invoice_number"),
    )
    return encode(
        pl.concat([heads(times, "PA", scene.run_id, first), frame], how="horizontal"),
        "payment",
        *("sid", "customer", "payment_type", money("amount", "payment_amount"), "payment_method", "status"),
        *("timestamp", "phone_number", "transaction_id", "invoice_number", "seasonal_multiplier"),
        billing(),
    )


def _kinds(draw: np.random.Generator, scene: Scene, payer: Ints) -> Ints:
    """A row of `_TYPES` for each payer, by the payer's plan."""
    plan = scene.population.users["plan_type"].gather(payer).to_numpy()
    chance = draw.random(len(payer))
    kind = np.zeros(len(payer), dtype=np.int64)
    for row, name in enumerate(PLANS):
        rows = np.flatnonzero(plan == name)
        kind[rows] = weighted(_TYPE_SHARES[row], chance[rows])
    return kind


def _amounts(draw: np.random.Generator, scene: Scene, payer: Ints, kind: Ints) -> Ints:
    """Piastres: bills of some hundred pounds, of companies more; all else at list price."""
    count = len(payer)
    is_business = (scene.population.users["plan_type"].gather(payer) == "Business").to_numpy()
    bill = draw.lognormal(np.where(is_business, 6.6, 5.6), 0.5, count).clip(30, 20_000) * 100
    listed = _PRICES[kind, draw.integers(0, _PRICES.shape[1], count)] * 100
    return np.where(kind == 0, bill.astype(np.int64), listed)
