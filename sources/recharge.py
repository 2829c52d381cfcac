"""Recharges: prepaid balances that run down and are filled up again."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sources.encoding import billing, encode, money
from sources.numbers import Ints, local_spelling, varied_spelling
from sources.parties import beneficiaries, heads, payers
from sources.rhythm import seasonal_multiplier
from sources.scene import Scene

_STATUSES, _STATUS_SHARES = ("success", "failed", "pending", "processing"), (0.93, 0.04, 0.02, 0.01)
_METHODS = ("Scratch Card", "Fawry", "Vodafone Cash", "Credit Card", "InstaPay", "ATM")
_METHOD_SHARES = (0.32, 0.27, 0.17, 0.12, 0.08, 0.04)
# pounds a card costs; taxes take the rest of it, as in Egypt
_CARDS, _CARD_SHARES, _CREDITED_PERCENT = (10, 15, 20, 25, 50, 100, 200), (0.2, 0.14, 0.16, 0.14, 0.2, 0.12, 0.04), 70
# who fills up: nobody with a contract, but their families' numbers
_PLAN_FACTORS = {"Prepaid": 1.0, "Youth": 1.3, "Tourist": 1.5, "Postpaid": 0.05, "Business": 0.02}
_FOR_OTHERS_SHARE = 0.1
# spent between two recharges, of a mean recharge: more than 1, so that balances stay low without being nothing
_SPENT_OF_MEAN = 1.3


def recharges_at(times: pl.Series, scene: Scene, draw: np.random.Generator, first: int) -> pl.DataFrame:
    """One recharge a local time; `first` is the number in the first `sid`. See `mix.Generate`."""
    count, number = len(times), scene.population.users["number"]
    payer = payers(draw, scene.population, _PLAN_FACTORS, count)
    user = beneficiaries(draw, scene.population, payer, _FOR_OTHERS_SHARE)
    cost = np.array(_CARDS)[draw.choice(len(_CARDS), size=count, p=_CARD_SHARES)] * 100
    credited = cost * _CREDITED_PERCENT // 100
    status = draw.choice(len(_STATUSES), size=count, p=_STATUS_SHARES)
    mean = np.dot(_CARDS, _CARD_SHARES) * _CREDITED_PERCENT
    before, after = _balances(scene, user, np.where(status == 0, credited, 0), draw.exponential(mean, count))
    frame = pl.DataFrame(
        {
            "payer": number.gather(payer),
            "number": number.gather(user),
            "spelling": draw.random(count),
            "status": pl.Series(_STATUSES).gather(status),
            "payment_method": pl.Series(_METHODS).gather(draw.choice(len(_METHODS), size=count, p=_METHOD_SHARES)),
            "recharge_amount": credited,
            "balance_before": before,
            "balance_after": after,
            "amount": cost,
            "seasonal_multiplier": seasonal_multiplier(times),
        }
    ).with_columns(
        local_spelling(pl.col("payer")).alias("customer"),
        varied_spelling(pl.col("number"), pl.col("spelling")).alias("phone_number"),
        pl.lit("EGP").alias("currency"),
        pl.concat_str(pl.lit(f"TXN{scene.run_id}-"), pl.int_range(first, first + pl.len())).alias("transaction_id"),
    )
    return encode(
        pl.concat([heads(times, "RC", scene.run_id, first), frame], how="horizontal"),
        "recharge",
        *("sid", "customer", money("recharge_amount"), money("balance_before"), money("balance_after")),
        *("payment_method", "status", "timestamp", "phone_number", "transaction_id", "seasonal_multiplier"),
        billing(),
    )


def _balances(scene: Scene, user: Ints, paid: Ints, share: NDArray[np.float64]) -> tuple[Ints, Ints]:
    """Each number's balance before and after each recharge, in piastres; the scene keeps the last ones.

    Before a recharge it is what was there after the one before, less what was spent meanwhile, and never below 0: the
    recursion w = max(0, w + x), which running sums and their running minimum solve without a loop (Lindley, 1952).

    Args:
        paid: what is added; 0 where the recharge did not succeed.
        share: what would have been spent since the last recharge, before `_SPENT_OF_MEAN`.
    """
    frame = pl.DataFrame(
        {"user": user, "paid": paid, "spent": (share * _SPENT_OF_MEAN).astype(np.int64), "start": scene.balances[user]}
    )
    frame = frame.with_columns((pl.col("paid").shift(1, fill_value=0).over("user") - pl.col("spent")).alias("change"))
    frame = frame.with_columns(pl.col("change").cum_sum().over("user").alias("sum"))
    frame = frame.with_columns(pl.col("sum").cum_min().over("user").alias("lowest"))
    before = frame.select(pl.col("sum") - pl.min_horizontal(-pl.col("start"), "lowest")).to_series().to_numpy()
    after = before + paid
    # of a number's several recharges the last one is kept
    scene.balances[user] = after
    return before, after
