"""Calls: who calls whom, from where, for how long and for how much."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sources.encoding import billing, encode, group, side
from sources.numbers import Ints, local_spelling, varied_spelling
from sources.parties import active_users, cells, contacts, heads, imeis
from sources.population import Population
from sources.rhythm import seasonal_multiplier
from sources.scene import Scene

_STATUSES = ("completed", "no-answer", "busy", "failed", "in-progress", "ringing", "initiated")
_STATUS_SHARES = (0.74, 0.12, 0.07, 0.04, 0.015, 0.008, 0.007)
# piastres a started minute, Egyptian prices of the 2020s
_LOCAL_RATES, _FOREIGN_RATES = (14, 19, 25), (350, 550, 720)
_CODECS = ("AMR-WB", "EVS", "AMR-NB", "Opus")
_BEHAVIOR = {
    "regular": "normal",
    "business": "business",
    "heavy": "heavy_user",
    "student": "night_owl",
    "tourist": "tourist",
}


def calls_at(times: pl.Series, scene: Scene, draw: np.random.Generator, first: int) -> pl.DataFrame:
    """One call a local time; `first` is the number in the first `sid`. See `mix.Generate`."""
    population = scene.population
    caller = active_users(draw, population, times)
    events = pl.concat(
        [
            heads(times, "CA", scene.run_id, first),
            _parties(draw, population, caller, times),
            _talk(draw, len(times)),
            _behaviour(draw, population, caller, times),
        ],
        how="horizontal",
    )
    return _encode(_priced(draw, events))


def _callees(draw: np.random.Generator, population: Population, caller: Ints) -> tuple[Ints, pl.Series]:
    """The called user's row, -1 outside the network, and the number as it was dialled."""
    count = len(caller)
    inside = contacts(draw, population, caller, circle_share=0.75)
    chance = draw.random(count)
    is_off_net, is_foreign = (chance >= 0.88) & (chance < 0.96), chance >= 0.96
    frame = pl.DataFrame(
        {
            "inside": population.users["number"].gather(inside),
            "spelling": draw.random(count),
            "off_net": population.off_net.gather(draw.integers(0, len(population.off_net), count)),
            "foreign": population.foreign.gather(draw.integers(0, len(population.foreign), count)),
            "is_off_net": is_off_net,
            "is_foreign": is_foreign,
        }
    )
    dialled = frame.select(
        pl.when("is_foreign")
        .then("foreign")
        .when("is_off_net")
        .then("off_net")
        .otherwise(varied_spelling(pl.col("inside"), pl.col("spelling")))
    ).to_series()
    return np.where(is_off_net | is_foreign, -1, inside), dialled


def _parties(draw: np.random.Generator, population: Population, caller: Ints, times: pl.Series) -> pl.DataFrame:
    """Both ends of each call; of the far end outside the network neither cell nor handset is known."""
    callee, dialled = _callees(draw, population, caller)
    known = callee >= 0
    frame = pl.DataFrame(
        {
            "number": population.users["number"].gather(caller),
            "spelling": draw.random(len(caller)),
            "from_cell_site": cells(draw, population, caller, times),
            "from_imei": imeis(population, caller),
            "to_phone_number": dialled,
            "to_cell_site": cells(draw, population, np.where(known, callee, 0), times),
            "to_imei": imeis(population, np.where(known, callee, 0)),
            "is_known": known,
        }
    )
    foreign = pl.col("to_phone_number").str.contains(r"^(\+|00)(?:[13-9]|2[1-9])")
    return frame.select(
        local_spelling(pl.col("number")).alias("customer"),
        varied_spelling(pl.col("number"), pl.col("spelling")).alias("from_phone_number"),
        "from_cell_site",
        "from_imei",
        "to_phone_number",
        pl.when("is_known").then("to_cell_site").alias("to_cell_site"),
        pl.when("is_known").then("to_imei").alias("to_imei"),
        pl.when(foreign).then(pl.lit("International")).otherwise(pl.lit("Local")).alias("call_type"),
    )


def _talk(draw: np.random.Generator, count: int) -> pl.DataFrame:
    """Status, duration and quality; a call that nobody took lasts 0 seconds and has no quality."""
    status = draw.choice(len(_STATUSES), size=count, p=_STATUS_SHARES)
    # median 70 s and a long tail, as mobile voice calls have
    duration = np.where(status == 0, draw.lognormal(4.25, 1.1, count).clip(1, 14_400), 0).astype(np.int64)
    loss = draw.gamma(0.8, 0.5, count).clip(0, 20)
    jitter = draw.gamma(2.0, 4.0, count)
    mos: NDArray[np.float64] = (4.4 - 0.12 * loss - 0.02 * jitter + draw.normal(0, 0.1, count)).clip(1, 5)
    talked = pl.col("call_duration_seconds") > 0
    return pl.DataFrame(
        {
            "status": pl.Series(_STATUSES).gather(status),
            "call_duration_seconds": duration,
            "mos_score": mos.round(2),
            "jitter_ms": jitter.round(2),
            "packet_loss_percent": loss.round(3),
            "codec": pl.Series(_CODECS).gather(draw.choice(len(_CODECS), size=count, p=(0.55, 0.25, 0.17, 0.03))),
        }
    ).with_columns(
        pl.when(talked).then(pl.col(name)).alias(name) for name in ("mos_score", "jitter_ms", "packet_loss_percent")
    )


def _behaviour(draw: np.random.Generator, population: Population, caller: Ints, times: pl.Series) -> pl.DataFrame:
    """What the operator's scoring says of the caller; one call in a hundred looks like fraud."""
    suspicious = draw.random(len(caller)) < 0.01
    risk = np.where(suspicious, draw.integers(60, 100, len(caller)), draw.gamma(1.5, 6.0, len(caller)).clip(0, 59))
    kinds = pl.Series(("none", "sim_box", "wangiri", "premium_rate"))
    kind = np.where(suspicious, draw.integers(1, len(kinds), len(caller)), 0)
    return pl.DataFrame(
        {
            "behavior_profile": population.users["profile"].gather(caller).replace_strict(_BEHAVIOR),
            "fraud_indicator": kinds.gather(kind),
            "risk_score": risk.astype(np.int64),
            "seasonal_multiplier": seasonal_multiplier(times),
        }
    )


def _priced(draw: np.random.Generator, events: pl.DataFrame) -> pl.DataFrame:
    """Add `amount` in piastres or cents (started minutes at the caller's rate) and the currency, seldom US dollars."""
    count = events.height
    choice = draw.integers(0, 3, count)
    foreign = pl.col("call_type") == "International"
    dollars = foreign & (pl.Series(draw.random(count)) < 0.15)
    minutes = (pl.col("call_duration_seconds") + 59) // 60
    local_rate, foreign_rate = (pl.Series(np.array(rates)[choice]) for rates in (_LOCAL_RATES, _FOREIGN_RATES))
    # a dollar is about fifty pounds
    rate = pl.when(dollars).then(foreign_rate // 50).when(foreign).then(foreign_rate).otherwise(local_rate)
    return events.with_columns(
        (minutes * rate).alias("amount"),
        pl.when(dollars).then(pl.lit("USD")).otherwise(pl.lit("EGP")).alias("currency"),
    )


def _encode(events: pl.DataFrame) -> pl.DataFrame:
    return encode(
        events,
        "call",
        "sid",
        side("from"),
        side("to"),
        *("call_duration_seconds", "status", "timestamp", "call_type"),
        pl.col("customer").alias("phone_number"),
        "customer",
        billing(),
        group("qos_metrics", "mos_score", "jitter_ms", "packet_loss_percent", "codec"),
        *("behavior_profile", "fraud_indicator", "risk_score", "seasonal_multiplier"),
    )
