"""Calls: who calls whom, from where, for how long and for how much."""

from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sources.numbers import Ints, local_spelling, varied_spelling
from sources.population import Population
from sources.rhythm import DEFAULT_ZONE, WEEKDAY_FACTORS, event_times

NAME = "calls"
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


def calls(
    population: Population,
    count: int,
    seed: int,
    run_id: str,
    end: datetime,
    days: int = 3,
    zone: str = DEFAULT_ZONE,
) -> pl.DataFrame:
    """Clean calls as messages, in order of time, over the days before `end`; the same arguments give the same bytes.

    Every one of them keeps every rule of the contract, and carries no warning once the population's reference data
    was loaded.

    Args:
        run_id: part of each `sid`, so that runs never share one.
        zone: the time zone that the local times are written in.

    Returns:
        Columns `key` (text), `value` (JSON as bytes), `amount` (hundredths) and `currency`.
    """
    draw = np.random.default_rng([population.seed, seed, *run_id.encode()])
    return calls_at(event_times(draw, count, end, days, zone), population, draw, run_id)


def calls_at(
    times: pl.Series, population: Population, draw: np.random.Generator, run_id: str, first: int = 1
) -> pl.DataFrame:
    """One call a local time; see `calls`. `first` is the number in the first `sid`."""
    caller = _callers(draw, population, times)
    events = pl.concat(
        [
            _heads(times, run_id, first),
            _parties(draw, population, caller, times),
            _talk(draw, len(times)),
            _behaviour(draw, population, caller, times),
        ],
        how="horizontal",
    )
    return _encode(_priced(draw, events))


def _callers(draw: np.random.Generator, population: Population, times: pl.Series) -> Ints:
    """A user a call: busier users more often, business users mostly in working hours."""
    weight = population.users["weight"].to_numpy()
    is_business = (population.users["profile"] == "business").to_numpy()
    at_work = np.cumsum(np.where(is_business, weight * 1.6, weight))
    at_rest = np.cumsum(np.where(is_business, weight * 0.3, weight))
    working = ((times.dt.hour() >= 8) & (times.dt.hour() < 18) & (times.dt.weekday() != 5)).to_numpy()
    chance = draw.random(len(times))
    by_day, by_night = np.searchsorted(at_work, chance * at_work[-1]), np.searchsorted(at_rest, chance * at_rest[-1])
    # rounding may put a chance of nearly 1 behind the last user
    chosen: Ints = np.where(working, by_day, by_night).clip(0, len(weight) - 1)
    return chosen


def _callees(draw: np.random.Generator, population: Population, caller: Ints) -> tuple[Ints, pl.Series]:
    """The called user's row, -1 outside the network, and the number as it was dialled.

    Two of three calls stay in a small circle that belongs to the caller, the nearest contact getting most of them.
    """
    count, users = len(caller), population.users.height
    circle = (caller * 7919 + draw.zipf(1.8, count).clip(1, 25) * 104_729) % users
    chance = draw.random(count)
    inside = np.where(chance < 0.66, circle, draw.integers(0, users, count))
    inside = np.where(inside == caller, (inside + 1) % users, inside)
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


def _cells(draw: np.random.Generator, population: Population, user: Ints, times: pl.Series) -> Ints:
    """The cell that serves each user: work by day, home else, now and then anywhere in the country."""
    working = ((times.dt.hour() >= 8) & (times.dt.hour() < 17) & (times.dt.weekday() != 5)).to_numpy()
    usual = np.where(
        working & (draw.random(len(user)) < 0.8),
        population.users["work_cell"].to_numpy()[user],
        population.users["home_cell"].to_numpy()[user],
    )
    away = draw.random(len(user)) < 0.07
    return np.where(away, draw.integers(0, population.cells.height, len(user)), usual)


def _heads(times: pl.Series, run_id: str, first: int) -> pl.DataFrame:
    return pl.DataFrame({"timestamp": times.dt.strftime("%Y-%m-%d %H:%M:%S")}).select(
        pl.concat_str(pl.lit(f"CA{run_id}-"), pl.int_range(first, first + pl.len())).alias("sid"), "timestamp"
    )


def _parties(draw: np.random.Generator, population: Population, caller: Ints, times: pl.Series) -> pl.DataFrame:
    """Both ends of each call; of the far end outside the network neither cell nor handset is known."""
    callee, dialled = _callees(draw, population, caller)
    known = callee >= 0
    number = population.users["number"].gather(caller)
    imei, cell = population.users["imei"].cast(pl.String), population.cells["cell_id"]
    frame = pl.DataFrame(
        {
            "number": number,
            "spelling": draw.random(len(caller)),
            "from_cell_site": cell.gather(_cells(draw, population, caller, times)),
            "from_imei": imei.gather(caller),
            "to_phone_number": dialled,
            "to_cell_site": cell.gather(_cells(draw, population, np.where(known, callee, 0), times)),
            "to_imei": imei.gather(np.where(known, callee, 0)),
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
            "behavior_profile": population.users["profile"].replace_strict(_BEHAVIOR).gather(caller),
            "fraud_indicator": kinds.gather(kind),
            "risk_score": risk.astype(np.int64),
            "seasonal_multiplier": WEEKDAY_FACTORS[times.dt.weekday().to_numpy() - 1],
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
    """The nested JSON form that the source system sends."""

    def side(name: str) -> pl.Expr:
        fields = ("phone_number", "cell_site", "imei")
        return pl.struct(pl.col(f"{name}_{field}").alias(field) for field in fields).alias(name)

    message = pl.struct(
        pl.lit("call").alias("event_type"),
        "sid",
        side("from"),
        side("to"),
        *("call_duration_seconds", "status", "timestamp", "call_type"),
        pl.col("customer").alias("phone_number"),
        "customer",
        pl.struct((pl.col("amount") / 100).round(2).alias("amount"), "currency").alias("billing_info"),
        pl.struct("mos_score", "jitter_ms", "packet_loss_percent", "codec").alias("qos_metrics"),
        *("behavior_profile", "fraud_indicator", "risk_score", "seasonal_multiplier"),
    )
    return events.select(
        pl.col("customer").alias("key"),
        message.struct.json_encode().cast(pl.Binary).alias("value"),
        "amount",
        "currency",
    )
