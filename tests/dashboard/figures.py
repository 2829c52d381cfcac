"""What the dashboard must show, worked out anew: in Polars, from gold's and silver's Iceberg tables and the figures' meanings.

Nothing here reads the dashboard's files or ClickHouse. A frame is the rows of one cube; a figure is an expression over a group.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

# Up to which ranges reach; reckoned when tests are collected, since the hour may be over before the last event has come.
HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
Ask = Callable[[str], list[dict[str, Any]]]
ANSWERED, UNREACHED = ["completed", "in-progress"], ["busy", "no-answer"]
status, seconds = pl.col("status"), pl.col("call_duration_seconds")


def ratio(part: pl.Expr, whole: pl.Expr, scale: float) -> pl.Expr:
    """A sum over a sum; null where there is nothing to divide by."""
    return pl.when(whole.sum() != 0).then(part.sum().cast(pl.Float64) * scale / whole.sum())


def percent(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """How many of a hundred of those."""
    return ratio(part, whole, 100.0)


def share(part: pl.Expr) -> pl.Expr:
    """How many of a hundred rows."""
    return pl.when(pl.len() > 0).then(part.sum() * 100.0 / pl.len())


def mean(column: str, scale: float = 1.0) -> pl.Expr:
    """Over the rows that tell it."""
    return ratio(pl.col(column), pl.col(column).is_not_null(), scale)


def different(column: str, where: pl.Expr | None = None) -> pl.Expr:
    """How many values, unknown ones aside."""
    known = pl.col(column) if where is None else pl.col(column).filter(where)
    return known.drop_nulls().n_unique()


def money(column: str, where: pl.Expr | None = None) -> pl.Expr:
    """Amounts in the one currency."""
    right = pl.col("right_money") if where is None else pl.col("right_money") & where
    return pl.col(column).filter(right).sum()


def figures() -> dict[str, pl.Expr]:
    """Each figure's name and its value over a group of rows."""
    connected = status.is_in(ANSWERED) | ((status == "failed") & (seconds > 0))
    active = different("customer", pl.col("in_window"))
    revenue = money("charged", pl.col("in_range"))
    minutes = pl.col("seconds").filter(pl.col("in_range")).sum() / 60
    per_active = {"arpu": revenue.cast(pl.Float64), "mou": minutes}
    calls = {
        "asr": share(status.is_in(ANSWERED)),
        "ner": share(status.is_in(ANSWERED + UNREACHED)),
        "acd": ratio(seconds.filter(status == "completed"), status == "completed", 1.0),
        "drop_rate": percent((status == "failed") & (seconds > 0), connected),
        "failed_share": share(status == "failed"),
        "traffic": seconds.sum() / 3600,
        "callers": different("customer"),
        "call_revenue": money("amount"),
        "mos": mean("mos_score"),
        "call_jitter": mean("jitter_ms"),
        "packet_loss": mean("packet_loss_percent"),
    }
    messages = {
        "delivery_rate": share(status == "delivered"),
        "sms_failed": share(status == "failed"),
        "sms_latency": mean("latency_ms"),
        "sms_jitter": mean("jitter_ms"),
        "signal": mean("signal_strength_dbm"),
        "sms_revenue": money("amount"),
    }
    paid = {
        "payment_amount": money("payment_amount", status == "success"),
        "payment_failure": percent(status == "failed", status.is_in(["success", "failed", "refunded"])),
        "recharge_amount": money("recharge_amount", status == "success"),
        "recharge_conversion": percent(status == "success", status.is_in(["success", "failed"])),
    }
    support = {
        "fcr": mean("first_call_resolution", 100.0),
        "repeat_rate": share(pl.col("again")),
        "wait": ratio(pl.col("wait_time_seconds"), pl.col("row"), 1 / 60),
        "resolution": ratio(pl.col("resolution_time_seconds"), pl.col("row"), 1 / 60),
        "satisfaction": mean("satisfaction_score"),
        "escalation": mean("escalated", 100.0),
    }
    use = {name: pl.when(active > 0).then(part / active) for name, part in per_active.items()}
    rows = ("calls", "messages", "payments", "recharges", "cases", "events", "rejected")
    counted = {name: pl.len() for name in rows}
    duplicates = pl.col("codes").list.contains("duplicate:sid").sum()
    return {
        **calls, **messages, **paid, **support, **use, **counted,
        "usage_revenue": revenue, "active": active, "duplicates": duplicates,
    }  # fmt: skip


FIGURES = figures()
# Dimensions under another name than their column.
COLUMNS = {
    "cell": "cell_id", "plan": "plan_type", "method": "payment_method", "agent": "agent_id", "subscriber": "phone",
    "score": "satisfaction_score", "reason_code": "codes", "field": "codes", "rule": "codes",
}  # fmt: skip
PARTS = {"reason_code": slice(None), "rule": slice(0, 1), "field": slice(1, 2)}


@dataclass(frozen=True)
class Look:
    """What is looked at: a half-open range, filters by dimension, the window in days, the bucket, the currency, the zone."""

    start: datetime
    end: datetime
    bucket: str
    filters: Mapping[str, str]
    window: int
    money: str
    zone: str


class Frames:
    """The rows of each cube."""

    def __init__(self, trino: Ask) -> None:
        def table(name: str) -> pl.DataFrame:
            return pl.DataFrame(trino(f"select * from iceberg.{name}"), infer_schema_length=None)

        facts = {name: table(f"gold.fact_{name}") for name in ("calls", "sms", "payment", "recharge", "support")}
        self.most_frequent = str(
            facts["calls"].group_by("currency").len().sort(["len", "currency"], descending=[True, False])[0, 0]
        )
        user = table("gold.dim_user").select("user_sk", "plan_type", home_city="city", customer="phone_number")
        cell = table("gold.dim_cell_site").select("cell_sk", "cell_id", "city", "region", "latitude", "longitude")
        device = table("gold.dim_device").select("device_sk", "brand")
        agent = table("gold.dim_agent").select("agent_sk", "department")
        sent = {"from_user_sk": "user_sk", "from_phone_number": "phone"}
        whose = {
            name: fact.rename(sent if name in ("calls", "sms") else {"phone_number": "phone"})
            for name, fact in facts.items()
        }
        whose["support"] = (
            whose["support"]
            .sort("phone", "event_time", "transaction_sk")
            .with_columns(after=pl.col("event_time").shift(-1).over("phone"))
            .with_columns(again=(pl.col("after") <= pl.col("event_time") + timedelta(days=7)).fill_null(value=False))
            .join(agent, on="agent_sk", how="left")
        )
        self._cubes = {name: fact.join(user, on="user_sk", how="left") for name, fact in whose.items()}
        for name in ("calls", "sms"):
            at = self._cubes[name].join(cell, left_on="from_cell_sk", right_on="cell_sk", how="left")
            self._cubes[name] = at.join(device, left_on="from_device_sk", right_on="device_sk", how="left")
        for name in ("payment", "recharge", "support"):
            self._cubes[name] = self._cubes[name].rename({"home_city": "city"})
        self._cubes["activity"] = self._together(whose, user)
        self._cubes["usage"] = self._cubes["activity"]
        self._cubes["rejected"] = self._rejected(trino)

    @staticmethod
    def _together(facts: Mapping[str, pl.DataFrame], user: pl.DataFrame) -> pl.DataFrame:
        none = pl.lit(None)
        parts = []
        for name, fact in facts.items():
            used = name in ("calls", "sms")
            parts.append(
                fact.select(
                    "event_time", "user_sk", "phone",
                    kind=pl.lit("call" if name == "calls" else name),
                    status="status" if name != "support" else pl.lit(""),
                    currency="currency" if name != "support" else pl.lit(""),
                    charged=pl.col("amount") if used else none.cast(fact_type(facts)),
                    seconds="call_duration_seconds" if name == "calls" else pl.lit(0, pl.Int64),
                )
            )  # fmt: skip
        return (
            pl.concat(parts, how="vertical_relaxed").join(user, on="user_sk", how="left").rename({"home_city": "city"})
        )

    @staticmethod
    def _rejected(trino: Ask) -> pl.DataFrame:
        sources = ("calls", "sms", "payment", "recharge", "support", "users", "devices", "cell_sites", "agents")
        columns = "rejection_reason, kafka_timestamp"
        rows = " union all ".join(
            f"select '{s}' as source, {columns} from iceberg.silver.{s} where is_rejected" for s in sources
        )
        frame = pl.DataFrame(trino(rows), infer_schema_length=None)
        return frame.select(
            "source", event_time="kafka_timestamp", codes=pl.col("rejection_reason").str.split(", "), phone=pl.lit(None)
        )

    def rows(self, cube: str, look: Look) -> pl.DataFrame:
        """The rows that are looked at."""
        back = timedelta(days=look.window) if cube == "usage" else timedelta(0)
        time = pl.col("event_time")
        since = min(look.start, look.end - back) if back else look.start
        frame = self._cubes[cube].filter((time >= since) & (time < look.end))
        for dimension, value in look.filters.items():
            if self.knows(cube, dimension):
                frame = self._chosen(cube, frame, dimension, value)
        extra = {
            "in_range": time >= look.start,
            "in_window": time >= look.end - timedelta(days=look.window),
            "wall": time.dt.convert_time_zone(look.zone).dt.truncate(look.bucket).dt.strftime("%Y-%m-%d %H:%M:%S"),
            "hour": time.dt.convert_time_zone(look.zone).dt.hour(),
            "weekday": time.dt.convert_time_zone(look.zone).dt.weekday(),
            "row": pl.lit(value=True),
        }
        if "currency" in frame.columns:
            extra["right_money"] = pl.col("currency") == look.money
        return frame.with_columns(**extra)

    def knows(self, cube: str, dimension: str) -> bool:
        """Whether the cube has the dimension."""
        if cube == "usage" and dimension in ("status", "kind", "currency"):
            return False
        return COLUMNS.get(dimension, dimension) in self._cubes[cube].columns

    @staticmethod
    def _chosen(cube: str, frame: pl.DataFrame, dimension: str, value: str) -> pl.DataFrame:
        if dimension in PARTS:
            keep = [value in {part_of(code, dimension) for code in codes} for codes in frame["codes"]]
            return frame.filter(pl.Series(keep, dtype=pl.Boolean))
        return frame.filter(text_of(COLUMNS.get(dimension, dimension)) == value)

    def expected(self, cube: str, look: Look, by: list[str], kpis: list[str]) -> dict[tuple[str, ...], dict[str, Any]]:
        """Each group's figures, by the group's values as text (of `time` the bucket's start in the zone)."""
        frame = self.rows(cube, look)
        values = {kpi: FIGURES[kpi] for kpi in kpis}
        if not by:
            return {(): frame.select(**values).row(0, named=True)}
        for name in by:
            if name in PARTS:
                codes = [sorted({part_of(code, name) for code in codes}) for codes in frame["codes"]]
                frame = frame.with_columns(pl.Series(f"g_{name}", codes, dtype=pl.List(pl.String))).explode(f"g_{name}")
            else:
                column = "wall" if name == "time" else COLUMNS.get(name, name)
                frame = frame.with_columns(text_of(column).alias(f"g_{name}"))
        groups = [f"g_{name}" for name in by]
        found = frame.group_by(groups).agg(**values)
        return {tuple(row[g] for g in groups): {kpi: row[kpi] for kpi in kpis} for row in found.iter_rows(named=True)}


def fact_type(facts: Mapping[str, pl.DataFrame]) -> pl.DataType:
    """The type of amounts."""
    return facts["calls"].schema["amount"]


def text_of(column: str) -> pl.Expr:
    """Values as text; unknown is the empty text."""
    return pl.col(column).cast(pl.String).fill_null("")


def part_of(code: str, dimension: str) -> str:
    """The rule, the field or all of a code such as `range:amount`."""
    return ":".join(code.split(":")[PARTS[dimension]])
