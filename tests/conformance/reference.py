"""What a message must become, read word by word from contracts.md: slow, plain, and sharing no code with the engine.

A difference between this and the engine is a bug in one of the two, or a place where contracts.md must say more.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.conformance.reference_json import Malformed, read_message
from tests.conformance.reference_types import read, read_time, trimmed


@dataclass(frozen=True)
class Field:
    """A line of a contract's table."""

    name: str
    type: str
    required: bool = False
    domain: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None
    group: str = ""
    member: str = ""
    alias: str = ""
    column: str = ""
    unknown: bool = False

    @property
    def ruled(self) -> bool:
        return bool(self.domain) or self.low is not None or self.type in ("phone", "imei", "tac", "currency")

    @property
    def spellings(self) -> list[tuple[str, ...]]:
        nested = [(self.group, self.member or self.name)] if self.group else []
        return [*nested, (self.name,), *([(self.alias,)] if self.alias else [])]


def _side(side: str) -> dict[str, Field]:
    return {
        "phone": Field(f"{side}_phone_number", "phone", True, group=side, member="phone_number"),
        "cell": Field(f"{side}_cell_site", "string", group=side, member="cell_site", unknown=True),
        "imei": Field(f"{side}_imei", "imei", group=side, member="imei", unknown=True),
    }


_FROM, _TO = _side("from"), _side("to")
_STATUSES = ("initiated", "ringing", "in-progress", "completed", "failed", "busy", "no-answer")
CALLS = (
    Field("event_type", "string", True, ("call",)),
    Field("sid", "string", True, column="event_id"),
    Field("timestamp", "time", True, column="event_time"),
    Field("status", "string", True, _STATUSES),
    _FROM["phone"], _TO["phone"], _FROM["cell"], _TO["cell"], _FROM["imei"], _TO["imei"],
    Field("call_duration_seconds", "int", True, low=0, high=86400),
    Field("amount", "money", True, low=0, group="billing_info"),
    Field("currency", "currency", True, group="billing_info"),
    Field("call_type", "string", True, ("Local", "International")),
    Field("mos_score", "double", group="qos_metrics"),
    Field("jitter_ms", "double", group="qos_metrics"),
    Field("packet_loss_percent", "double", group="qos_metrics"),
    Field("codec", "string", group="qos_metrics"),
    Field("behavior_profile", "string"),
    Field("fraud_indicator", "string"),
    Field("risk_score", "int"),
    Field("seasonal_multiplier", "double"),
    Field("phone_number", "string"),
    Field("customer", "string"),
)  # fmt: skip
_EFFECTIVE = Field("effective_from", "time")
USERS = (
    Field("phone_number", "phone", True, alias="msisdn"),
    *(Field(name, "string") for name in ("user_id", "name", "email", "address", "city")),
    Field("plan_type", "string", alias="customer_type"),
    *(Field(name, "string") for name in ("gender", "age_group", "status")),
    Field("activation_date", "date"),
    _EFFECTIVE,
)
DEVICES = (
    Field("tac", "tac", True),
    Field("brand", "string"),
    Field("model", "string"),
    Field("os_version", "string", alias="os"),
    Field("is_smartphone", "bool"),
    _EFFECTIVE,
)
CELL_SITES = (
    Field("cell_id", "string", True),
    *(Field(name, "string") for name in ("site_name", "city", "region")),
    Field("latitude", "double", low=-90, high=90),
    Field("longitude", "double", low=-180, high=180),
    _EFFECTIVE,
)
FIELDS = {"calls": CALLS, "users": USERS, "devices": DEVICES, "cell_sites": CELL_SITES}


@dataclass
class Row:
    """What silver must hold of a message. `extra` is the object itself, None if there is none."""

    columns: dict[str, Any]
    codes: list[str]
    warnings: list[str]
    extra: dict[str, Any] | None = None

    @property
    def reason(self) -> str | None:
        return ", ".join(self.codes) or None


@dataclass(frozen=True)
class Surroundings:
    """What an answer depends on besides the message."""

    kafka_time: datetime
    zone: ZoneInfo
    cells: frozenset[str] = frozenset()
    tacs: frozenset[str] = frozenset()


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not trimmed(value))


def _pick(message: dict[str, Any], field: Field) -> tuple[tuple[str, ...], Any]:
    """The first spelling that is neither null nor blank; (), None if there is none."""
    for path in field.spellings:
        inside = message if len(path) == 1 else message.get(path[0])
        if isinstance(inside, dict) and not _blank(inside.get(path[-1])):
            return path, inside[path[-1]]
    return (), None


def _beyond(field: Field, value: Any, around: Surroundings) -> bool:
    if value is None:
        return False
    if field.name == "timestamp":
        return bool(value < datetime(2020, 1, 1, tzinfo=UTC) or value > around.kafka_time + timedelta(hours=24))
    if field.name == "effective_from":
        return not datetime(1900, 1, 2, tzinfo=UTC) <= value < datetime(2101, 1, 1, tzinfo=UTC)
    return (field.low is not None and value < field.low) or (field.high is not None and value > field.high)


def _judge_field(field: Field, value: Any, around: Surroundings, row: Row) -> bool:
    """Read one field into the row; whether `extra` must keep its value."""
    column = field.column or field.name
    if value is None:
        row.columns[column] = None
        if field.required:
            row.codes.append(f"missing:{field.name}")
        return False
    if field.name == "effective_from" and isinstance(value, str):
        alone = re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", trimmed(value))
        result = read_time(f"{trimmed(value)} 00:00:00" if alone else value, around.zone)
    else:
        result = read(field.type, value, around.zone)
    row.columns[column] = result.value
    words = list(result.warnings)
    hard = field.required or field.ruled or field.name == "effective_from"
    if result.code and not hard:
        words.append("type")
    elif result.code:
        row.codes.append(f"{result.code}:{field.name}")
    elif field.domain and result.value not in field.domain:
        row.codes.append(f"domain:{field.name}")
    elif _beyond(field, result.value, around):
        row.codes.append(f"range:{field.name}")
    if field.unknown and not result.code:
        known = result.value[:8] in around.tacs if field.type == "imei" else result.value in around.cells
        words += [] if known else ["unknown"]
    row.warnings += [f"{word}:{field.name}" for word in words]
    if field.name == "timestamp" and result.kept and isinstance(value, str):
        row.columns["timestamp_raw"] = trimmed(value)
        return False
    return result.kept


def _extra(message: dict[str, Any], fields: tuple[Field, ...], kept: list[tuple[str, ...]]) -> dict[str, Any] | None:
    named = {path for field in fields for path in field.spellings}
    groups = {path[0] for path in named if len(path) == 2}
    left: dict[str, Any] = {}
    for name, value in message.items():
        if name in groups and isinstance(value, dict):
            inner = {k: v for k, v in value.items() if (name, k) not in named or (name, k) in kept}
            if inner:
                left[name] = inner
        elif (name,) not in named or (name,) in kept:
            left[name] = value
    return left or None


def judge(source: str, message: bytes | None, around: Surroundings, key: bytes | None = None) -> Row:
    """The row of one message; duplicates are not this function's business."""
    fields = FIELDS[source]
    row = Row({field.column or field.name: None for field in fields}, [], [])
    if source == "calls":
        row.columns["timestamp_raw"] = None
    deleted = source != "calls" and message is None
    try:
        found = _key_alone(fields[0], key) if deleted else read_message(message)
    except Malformed:
        row.codes.append("malformed:json")
        if source != "calls":
            row.columns["is_deleted"] = None
        return row
    kept = []
    for field in fields:
        path, value = _pick(found, field)
        if _judge_field(field, value, around, row):
            kept.append(path)
        if field.name == "effective_from" and value is None:
            row.columns["effective_from"] = around.kafka_time
    if source != "calls":
        row.columns["is_deleted"] = deleted
    row.extra = _extra(found, fields, kept)
    for side in ("from", "to") if source == "calls" else ():
        imei = row.columns[f"{side}_imei"]
        row.columns[f"{side}_tac"] = imei[:8] if imei and re.fullmatch("[0-9]{15}", imei) else None
    return row


def _key_alone(field: Field, key: bytes | None) -> dict[str, Any]:
    """A deletion as a message that holds only the key."""
    try:
        return {} if key is None else {field.name: key.decode("utf-8")}
    except UnicodeDecodeError:
        raise Malformed("no UTF-8") from None
