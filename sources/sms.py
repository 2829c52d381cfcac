"""Text messages: who writes what to whom, and how the network carried it.

The contract wants cell and handset of both ends, so both are in the network.
"""

import numpy as np
import polars as pl

from sources.encoding import billing, encode, group, side
from sources.numbers import Ints, local_spelling, varied_spelling
from sources.parties import active_users, cells, contacts, heads, imeis
from sources.population import Population
from sources.rhythm import seasonal_multiplier
from sources.scene import Scene

_STATUSES, _STATUS_SHARES = ("delivered", "sent", "failed", "sending", "queued"), (0.90, 0.05, 0.03, 0.012, 0.008)
# before and behind a number that is drawn; without the second part the text stands alone
_TEXTS: tuple[tuple[str, str | None], ...] = (
    ("أنا في الطريق، هوصل بعد ", " دقيقة"), ("صباح الخير، هنتقابل الساعة ", "؟"), ("كود التأكيد بتاعك هو ", ""),
    ("تم تحويل ", " جنيه على محفظتك"), ("ممكن تكلمني لما تفضى؟", None), ("كل سنة وانت طيب 🎉", None),
    ("وصلت الحمد لله", None), ("متنساش تجيب عيش ولبن وانت جاي", None), ("الاجتماع اتأجل لبكرة", None),
    ("شكراً جداً ❤️", None), ("انت فين؟", None), ("تمام، اتفقنا", None), ("رصيدك الحالي ", " جنيه"),
    ("I'm on my way, ", " minutes"), ("Your code is ", ". Don't share it."), ("Call me back when you can", None),
    ("Meeting moved to ", ":30, same room"), ("Thanks!", None), ("Are you at home?", None), ("Ok, see you then", None),
    ("Can you send me the location?", None), ("The line said \"busy\", will try later", None),
    ("Happy birthday! Wishing you all the best for the new year, see you at the party on Friday", None),
    ("El mawdoo3 etsalla7, kollo tamam", None),
)  # fmt: skip
# piastres a part; 70 characters with Arabic in them fit a part, 160 without (3GPP TS 23.038)
_RATES, _ARABIC_PART, _LATIN_PART = (20, 25, 30), 70, 160
# these plans have their text messages for free
_FREE_PLANS = ("Postpaid", "Business")
_CONGESTION = ("low", "medium", "high")


def sms_at(times: pl.Series, scene: Scene, draw: np.random.Generator, first: int) -> pl.DataFrame:
    """One text message a local time; `first` is the number in the first `sid`. See `mix.Generate`."""
    population = scene.population
    sender = active_users(draw, population, times)
    events = pl.concat(
        [
            heads(times, "SM", scene.run_id, first),
            _parties(draw, population, sender, times),
            _content(draw, population, sender),
            _network(draw, times),
        ],
        how="horizontal",
    )
    return encode(
        events,
        "sms",
        *("sid", side("from"), side("to"), "body", "status", "timestamp", "registration_date"),
        pl.col("customer").alias("phone_number"),
        "customer",
        billing(),
        group("network_metrics", *_NETWORK),
        "seasonal_multiplier",
    )


def _parties(draw: np.random.Generator, population: Population, sender: Ints, times: pl.Series) -> pl.DataFrame:
    receiver = contacts(draw, population, sender, circle_share=0.8)
    number, count = population.users["number"], len(sender)
    frame = pl.DataFrame(
        {
            "from": number.gather(sender),
            "to": number.gather(receiver),
            "from_spelling": draw.random(count),
            "to_spelling": draw.random(count),
            "from_cell_site": cells(draw, population, sender, times),
            "from_imei": imeis(population, sender),
            "to_cell_site": cells(draw, population, receiver, times),
            "to_imei": imeis(population, receiver),
            "registration_date": population.users["activation_date"].gather(sender),
        }
    )
    return frame.select(
        local_spelling(pl.col("from")).alias("customer"),
        varied_spelling(pl.col("from"), pl.col("from_spelling")).alias("from_phone_number"),
        varied_spelling(pl.col("to"), pl.col("to_spelling")).alias("to_phone_number"),
        *("from_cell_site", "from_imei", "to_cell_site", "to_imei", "registration_date"),
    )


def _content(draw: np.random.Generator, population: Population, sender: Ints) -> pl.DataFrame:
    """Text, status and price: a part's rate for each part, nothing if it failed or the plan includes it."""
    count = len(sender)
    text = draw.integers(0, len(_TEXTS), count)
    frame = pl.DataFrame(
        {
            "before": pl.Series([before for before, _ in _TEXTS]).gather(text),
            "number": draw.integers(3, 60, count),
            "behind": pl.Series([behind for _, behind in _TEXTS]).gather(text),
            "status": pl.Series(_STATUSES).gather(draw.choice(len(_STATUSES), size=count, p=_STATUS_SHARES)),
            "rate": pl.Series(_RATES).gather(draw.integers(0, len(_RATES), count)),
            "is_free": population.users["plan_type"].gather(sender).is_in(_FREE_PLANS),
        }
    )
    part = pl.when(pl.col("body").str.contains(r"\p{Arabic}")).then(_ARABIC_PART).otherwise(_LATIN_PART)
    parts = (pl.col("body").str.len_chars() + part - 1) // part
    is_charged = (pl.col("status") != "failed") & ~pl.col("is_free")
    # a text that takes no number has a null behind it, which makes the whole of it null
    numbered = pl.concat_str("before", "number", "behind")
    return frame.with_columns(pl.coalesce(numbered, "before").alias("body")).select(
        "body",
        "status",
        pl.when(is_charged).then(parts * pl.col("rate")).otherwise(0).cast(pl.Int64).alias("amount"),
        pl.lit("EGP").alias("currency"),
    )


_NETWORK = (
    *("signal_strength_dbm", "latency_ms", "jitter_ms", "packet_loss_percent", "mos_score", "throughput_mbps"),
    *("cell_congestion", "handover_success"),
)


def _network(draw: np.random.Generator, times: pl.Series) -> pl.DataFrame:
    """What the network measured, and the day's factor: cells are busier in the evening, and a busy cell is slower."""
    count = len(times)
    evening = ((times.dt.hour() >= 18) & (times.dt.hour() < 23)).to_numpy()
    load = (draw.beta(2, 4, count) + np.where(evening, 0.2, 0.0)).clip(0, 1)
    loss = (draw.gamma(0.8, 0.4, count) * (0.5 + load)).clip(0, 20)
    jitter = draw.gamma(2.0, 3.0, count) * (0.5 + load)
    return pl.DataFrame(
        {
            "signal_strength_dbm": draw.normal(-85, 12, count).clip(-120, -50).astype(np.int64),
            "latency_ms": (draw.lognormal(4.6, 0.5, count) * (0.7 + load)).astype(np.int64) + 10,
            "jitter_ms": jitter.round(2),
            "packet_loss_percent": loss.round(3),
            "mos_score": (4.4 - 0.12 * loss - 0.02 * jitter).clip(1, 5).round(2),
            "throughput_mbps": (draw.gamma(3.0, 12.0, count) * (1.2 - load)).round(2),
            "cell_congestion": pl.Series(_CONGESTION).gather(np.digitize(load, (0.4, 0.7))),
            "handover_success": draw.random(count) < 0.985,
            "seasonal_multiplier": seasonal_multiplier(times),
        }
    )
