"""Why a message was rejected, in words, and the message itself."""

import re
from datetime import datetime, timedelta
from typing import Any

from lakehouse.dashboard.parameters import instant, shown, whole
from lakehouse.errors import UsageError
from lakehouse.gold.engine import Engine
from lakehouse.settings import Settings
from streams.contract import Contract, Field, contracts

_TYPES = {
    "string": "text, or a whole number that is taken by its digits",
    "int": "a whole number within 64 bits",
    "double": "a finite number",
    "money": "an amount: a number, or its text, below 10^14 with at most four decimals kept",
    "bool": "true or false",
    "time": "a time: 2026-11-23 10:15:00 (the operator's local time), the same with Z or an offset, or epoch milliseconds",
    "date": "a date such as 2026-11-23",
    "phone": "a phone number that the number plan knows (streams/contracts/number_plan.yaml)",
    "imei": "an IMEI: exactly 15 digits",
    "tac": "a type allocation code: exactly 8 digits",
    "currency": "an ISO 4217 code in upper case",
}
# 16 bytes in base64, of either alphabet
_TOPIC_ID = re.compile(r"[A-Za-z0-9_+/-]{22}")


def reason_in_words(source: str, code: str, earliest: datetime) -> dict[str, str]:
    """A reason as a sentence (`says`), the rule behind it (`rule`), and what would have to change (`fix`)."""
    kind, _, name = code.partition(":")
    if code == "malformed:json":
        return _words(
            "The message is not one JSON object.",
            "One object a message, JSON by RFC 8259 in UTF-8, nested at most 64 deep; not empty.",
            "The producer must send one valid JSON object.",
        )
    if code == "duplicate:sid":
        return _words(
            "An event with the same sid was accepted before it on the same partition.",
            "A sid is accepted once within 24 hours and the last 2,000,000 accepted events of a partition.",
            "Nothing, if the producer sent it twice; else each event needs a sid of its own.",
        )
    contract = contracts().get(source)
    field = next((f for f in contract.fields if f.name == name), None) if contract else None
    if contract is None or field is None:
        return _words(f"{code}: the contract of {source} names no such field now.", "", "")
    paths = " or ".join(".".join(path) for path in field.paths)
    rule = _rule(field, contract, earliest)
    said = {
        "missing": (f"{name} was not there, null or blank.", f"Send {name} as {paths}."),
        "type": (f"{name} can't be read: it must be {_TYPES[field.type]}.", f"Send {paths} as {_TYPES[field.type]}."),
        "invalid": (f"{name} is not {_TYPES[field.type]}.", f"Send {paths} as {_TYPES[field.type]}."),
        "domain": (
            f"{name} has a value that is not among those allowed.",
            f"Send one of the allowed values as {paths}.",
        ),
        "range": (f"{name} is out of its range.", f"Send {paths} within its range."),
        "length": (
            f"{name} is longer than {field.max_length or 0:,} bytes.",
            f"Send {paths} in at most {field.max_length or 0:,} bytes of UTF-8.",
        ),
    }.get(kind, (code, ""))
    return _words(said[0], rule, said[1])


def _words(says: str, rule: str, fix: str) -> dict[str, str]:
    return {"says": says, "rule": rule, "fix": fix}


def _rule(field: Field, contract: Contract, earliest: datetime) -> str:
    parts = [f"{field.name} is {_TYPES[field.type]}"]
    if field.required:
        parts.append("it is required")
    if field.required_if is not None:
        parts.append(f"it is required if {field.required_if.field} is {field.required_if.value}")
    if field.domain:
        parts.append("allowed are " + ", ".join(sorted(field.domain)))
    limits = field.range
    if limits is not None:
        low = (
            f"greater than {limits.min:g}" if limits.above else f"from {limits.min:g}" if limits.min is not None else ""
        )
        parts.append(" ".join(filter(None, [low, f"to {limits.max:g}" if limits.max is not None else ""])))
    if field.name == "timestamp" and contract.is_event:
        parts.append(f"from {earliest:%Y-%m-%d} to 24 h after Kafka took the message")
    return "; ".join(parts) + "."


class Messages:
    """Finds single messages in bronze, or in silver where bronze is off."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine = Engine(settings, source="lakehouse-dashboard")

    def message(self, source: str, topic_id: str, partition: str, offset: str, taken: str) -> dict[str, Any]:
        """One message by its Kafka position: key, value and where they were found; null where nothing kept it.

        Args:
            taken: the Kafka time, as `lakehouse.dashboard.parameters` reads times; rows written before it are not looked at.
        Raises:
            UsageError: the position can't be read.
            Retry: Trino does not answer.
        """
        if source not in contracts():
            raise UsageError(f"there is no source {shown(source)}")
        if not _TOPIC_ID.fullmatch(topic_id):
            raise UsageError(f"topic_id is 22 characters of base64, not {shown(topic_id)}")
        since = instant(taken, "taken") - timedelta(minutes=5)
        where = (
            f"kafka_topic_id = '{topic_id}' and kafka_partition = {whole(partition, 'partition', 2**31 - 1)}"
            f" and kafka_offset = {whole(offset, 'offset', 2**63 - 1)}"
            f" and ingested_at >= timestamp '{since:%Y-%m-%d %H:%M:%S} UTC'"
        )
        places = [("silver", "raw_value", "null")]
        if source not in self._settings.bronze_off:
            places.insert(0, ("bronze", "value", "key"))
        for layer, value, key in places:
            rows = self._engine.run(
                f"select to_base64({value}), to_base64({key}) from iceberg.{layer}.{source} where {where}"
            )
            if rows and (rows[0][0] is not None or layer == "bronze"):
                return {"layer": layer, "value": rows[0][0], "key": rows[0][1]}
        return {"layer": None, "value": None, "key": None}
