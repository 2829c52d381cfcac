"""What a message must become, read word by word from contracts.md: slow, plain, and sharing no code with the engine.

A difference between this and the engine is a bug in one of the two, or a place where contracts.md must say more.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.conformance.reference_contracts import EVENTS, FIELDS, Field
from tests.conformance.reference_json import Malformed, read_message, written
from tests.conformance.reference_types import read, read_time, trimmed


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
    """What an answer depends on besides the message: `records` has the reference records by source, in arrival order."""

    kafka_time: datetime
    zone: ZoneInfo
    records: Mapping[str, list[dict[str, Any]]] = attribute(default_factory=dict)

    def named(self, source: str, key: str | None) -> list[dict[str, Any]]:
        """The records that name a key."""
        return [record for record in self.records.get(source, []) if record[FIELDS[source][0].name] == key]

    def say(self, source: str, key: str | None, name: str) -> Any:
        """An attribute of the record that holds when the event arrives, None where there is none."""
        long_ago = datetime(1, 1, 1, tzinfo=UTC)
        since = [(record.get("effective_from", long_ago), record) for record in self.named(source, key)]
        holding = [pair for pair in since if pair[0] <= self.kafka_time]
        # of equal ones the later: max gives the first
        return max(reversed(holding), key=lambda pair: pair[0])[1].get(name) if holding else None


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
    if field.above is not None and value <= field.above:
        return True
    return (field.low is not None and value < field.low) or (field.high is not None and value > field.high)


def _needed(field: Field, row: Row) -> bool:
    if field.required_if is None:
        return field.required
    other, value = field.required_if
    return bool(row.columns[other] == value)


def _judge_field(field: Field, value: Any, around: Surroundings, row: Row) -> bool:
    """Read one field into the row; whether `extra` must keep its value."""
    column = field.column or field.name
    if value is None:
        row.columns[column] = None
        if _needed(field, row):
            row.codes.append(f"missing:{field.name}")
        return False
    if isinstance(value, str) and len(trimmed(value).encode()) > field.longest:
        row.columns[column] = None
        hard = _needed(field, row) or field.ruled or field.name == "effective_from"
        (row.codes if hard else row.warnings).append(f"length:{field.name}")
        return False
    if field.name == "effective_from" and isinstance(value, str):
        alone = re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", trimmed(value))
        result = read_time(f"{trimmed(value)} 00:00:00" if alone else value, around.zone)
    else:
        result = read(field.type, value, around.zone)
    row.columns[column] = result.value
    words = list(result.warnings)
    hard = _needed(field, row) or field.ruled or field.name == "effective_from"
    if result.code and not hard:
        words.append("type")
        row.columns[column], result.kept = None, True
    elif field.likely and not result.code and not field.likely[0] <= result.value <= field.likely[1]:
        words.append("range")
        row.columns[column], result.kept = None, True
    elif result.code:
        row.codes.append(f"{result.code}:{field.name}")
    elif field.domain and result.value not in field.domain:
        row.codes.append(f"domain:{field.name}")
    elif _beyond(field, result.value, around):
        row.codes.append(f"range:{field.name}")
    if field.known_in and not result.code:
        key = result.value[:8] if field.type == "imei" else result.value
        words += [] if around.named(field.known_in, key) else ["unknown"]
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


def _tac(imei: str | None) -> str | None:
    return imei[:8] if imei and re.fullmatch("(?!0{14})[0-9]{15}", imei) else None


def _enriched(source: str, row: dict[str, Any], around: Surroundings) -> dict[str, Any]:
    """The enrichment columns. CHOICE: a side's city and region are its cell's, a customer's city is that of its record."""
    made: dict[str, Any] = {}
    if source not in ("calls", "sms"):
        for name in ("user_id", "plan_type", "city"):
            made[name] = around.say("users", row["phone_number"], name)
        made["region"] = made["device_brand"] = None  # CHOICE: nothing that these events name tells them
        if source == "support":
            made["agent_department"] = around.say("agents", row["agent_id"], "department")
        return made
    for side in ("from", "to"):
        made[f"{side}_tac"] = _tac(row[f"{side}_imei"])
        for name in ("user_id", "plan_type"):
            made[f"{side}_{name}"] = around.say("users", row[f"{side}_phone_number"], name)
        for name in ("city", "region"):
            made[f"{side}_{name}"] = around.say("cell_sites", row[f"{side}_cell_site"], name)
        made[f"{side}_device_brand"] = around.say("devices", made[f"{side}_tac"], "brand")
    return made


def judge(source: str, message: bytes | None, around: Surroundings, key: bytes | None = None) -> Row:
    """The row of one message; duplicates are not this function's business."""
    fields = FIELDS[source]
    is_event = source in EVENTS
    row = Row({field.column or field.name: None for field in fields}, [], [])
    deleted = not is_event and message is None
    row.columns.update({"timestamp_raw": None} if is_event else {"is_deleted": None})
    if is_event:
        row.columns.update(_enriched(source, row.columns, around))
    try:
        found = _key_alone(fields[0], key) if deleted else read_message(message)
    except Malformed:
        row.codes.append("malformed:json")
        return row
    kept = []
    for field in fields:
        path, value = _pick(found, field)
        if _judge_field(field, value, around, row):
            kept.append(path)
        if field.name == "effective_from" and value is None:
            row.columns["effective_from"] = around.kafka_time
    row.extra = _extra(found, fields, kept)
    if row.extra is not None and len(written(row.extra).encode()) > 65_536:
        row.extra = None
        row.warnings.append("length:extra")
    row.columns.update(_enriched(source, row.columns, around) if is_event else {"is_deleted": deleted})
    return row


def _key_alone(field: Field, key: bytes | None) -> dict[str, Any]:
    """A deletion as a message that holds only the key."""
    try:
        return {} if key is None else {field.name: key.decode("utf-8")}
    except UnicodeDecodeError:
        raise Malformed("no UTF-8") from None
