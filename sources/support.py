"""Support cases: what customers ask and how they are served, among them those whose payment failed."""

import numpy as np
import polars as pl

from sources.encoding import encode
from sources.numbers import Ints, local_spelling, varied_spelling
from sources.parties import beneficiaries, heads, payers, weighted
from sources.population import Population
from sources.scene import Scene
from sources.staff import BILLING, REASONS

# seconds that half of the customers wait at most; who writes a mail does not sit and wait
_CHANNELS = ("phone", "chat", "social_media", "store", "ivr", "email")
_CHANNEL_SHARES, _WAITS_S = (0.45, 0.2, 0.12, 0.1, 0.08, 0.05), np.array([110, 40, 1_500, 600, 3, 7_200])
_PLAN_FACTORS = {"Prepaid": 1.0, "Postpaid": 1.3, "Business": 1.6, "Youth": 1.1, "Tourist": 2.0}
_FOR_OTHERS_SHARE = 0.05
# of the cases that are scored at all: an unhappy customer's scores and a happy one's, 1 to 5
_SCORED_SHARE, _UNHAPPY, _HAPPY = 0.45, (0.35, 0.25, 0.2, 0.13, 0.07), (0.03, 0.05, 0.12, 0.35, 0.45)


def cases_at(times: pl.Series, scene: Scene, draw: np.random.Generator, first: int) -> pl.DataFrame:
    """One case a local time; `first` is the number in the first `sid`. See `mix.Generate`."""
    count, number = len(times), scene.population.users["number"]
    customer = payers(draw, scene.population, _PLAN_FACTORS, count)
    reason = draw.choice(len(REASONS), size=count, p=np.array([r.weight for r in REASONS]) / 100)
    complaints, complaining = scene.complaints.take(times.cast(pl.Int64).to_numpy())
    customer[complaints] = complaining
    reason[complaints] = [r.name for r in REASONS].index(BILLING)
    frame = pl.DataFrame(
        {
            "asking": number.gather(customer),
            "number": number.gather(beneficiaries(draw, scene.population, customer, _FOR_OTHERS_SHARE)),
            "spelling": draw.random(count),
            "reason": pl.Series([r.name for r in REASONS]).gather(reason),
            "agent_id": _agents(draw, scene.population, reason),
        }
    ).with_columns(
        local_spelling(pl.col("asking")).alias("customer"),
        varied_spelling(pl.col("number"), pl.col("spelling")).alias("phone_number"),
    )
    return encode(
        pl.concat([heads(times, "SU", scene.run_id, first), frame, _service(draw, reason)], how="horizontal"),
        "support",
        *("sid", "customer", "channel", "reason", "wait_time_seconds", "resolution_time_seconds", "agent_id"),
        *("satisfaction_score", "timestamp", "phone_number"),
        *("first_call_resolution", "escalated", "call_back_requested"),
    )


def _agents(draw: np.random.Generator, population: Population, reason: Ints) -> pl.Series:
    """An active agent for each case, nine times in ten of the department that knows about its reason."""
    active = population.agents.filter(pl.col("status") == "active").sort("department", maintain_order=True)
    department = active["department"].to_numpy().astype(str)
    wanted = np.array([r.department for r in REASONS])
    first = np.searchsorted(department, wanted)[reason]
    last = np.searchsorted(department, wanted, side="right")[reason]
    anybody = draw.random(len(reason)) < 0.1
    first, last = np.where(anybody, 0, first), np.where(anybody, active.height, last)
    return active["agent_id"].gather((first + draw.random(len(reason)) * (last - first)).astype(np.int64))


def _service(draw: np.random.Generator, reason: Ints) -> pl.DataFrame:
    """How each case went: long waits and open questions make customers unhappy."""
    count = len(reason)
    channel = draw.choice(len(_CHANNELS), size=count, p=_CHANNEL_SHARES)
    median = _WAITS_S[channel]
    wait = (draw.lognormal(0.0, 0.8, count) * median).astype(np.int64)
    taken = draw.lognormal(0.0, 0.6, count) * np.array([r.median_s for r in REASONS])[reason]
    resolved = draw.random(count) < 0.72
    escalated = ~resolved & (draw.random(count) < 0.3)
    unhappy = ~resolved | (wait > 3 * median)
    chance = draw.random(count)
    score = np.where(unhappy, weighted(np.array(_UNHAPPY), chance), weighted(np.array(_HAPPY), chance)) + 1
    return pl.DataFrame(
        {
            "channel": pl.Series(_CHANNELS).gather(channel),
            "wait_time_seconds": wait,
            "resolution_time_seconds": (taken * np.where(resolved, 1, 4)).astype(np.int64) + 30,
            "satisfaction_score": score,
            "is_scored": draw.random(count) < _SCORED_SHARE,
            "first_call_resolution": resolved,
            "escalated": escalated,
            "call_back_requested": ~resolved & (draw.random(count) < 0.4),
        }
    ).with_columns(pl.when("is_scored").then("satisfaction_score").alias("satisfaction_score"))
