"""Every class of defect that the contract names for calls, and the spellings that it accepts."""

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sources.faults import (
    REMOVED,
    Change,
    Defect,
    Message,
    fault,
    invalid_imei,
    invalid_phone,
    missing,
    put,
    putting,
    together,
    wrong_text_type,
)
from sources.malformed import MALFORMED
from sources.rhythm import ClockChange

# contract field -> path in the nested spelling, in the order of the contract
REQUIRED = {
    "event_type": "event_type",
    "sid": "sid",
    "timestamp": "timestamp",
    "status": "status",
    "from_phone_number": "from.phone_number",
    "to_phone_number": "to.phone_number",
    "call_duration_seconds": "call_duration_seconds",
    "amount": "billing_info.amount",
    "currency": "billing_info.currency",
    "call_type": "call_type",
}
_IMEIS = {"from_imei": "from.imei", "to_imei": "to.imei"}
_TEXTS = ("event_type", "sid", "status", "from_phone_number", "to_phone_number", "currency", "call_type")
# 49… belongs to no reporting body in the population; both numbers have a right Luhn digit
_UNKNOWN_IMEI = "490154203237518"
_DURATION, _AMOUNT = "call_duration_seconds", REQUIRED["amount"]

_MISSING = tuple(missing(field, path) for field, path in REQUIRED.items())
_TYPE = (
    *(wrong_text_type(field, path) for field, path in ({f: REQUIRED[f] for f in _TEXTS} | _IMEIS).items()),
    fault("type:call_duration_seconds", _DURATION, "sixty", 61.7, True, "61.7", 1e20, {"seconds": 61}),
    fault("type:amount", _AMOUNT, "free", True, "+5", "05", [1], {"value": 1}),
)
_INVALID = (
    fault("invalid:timestamp", "timestamp", "2025-13-45 25:99:99", "yesterday", 1772352900, "2026-03-01 10:15", True),
    *(invalid_phone(field, REQUIRED[field]) for field in ("from_phone_number", "to_phone_number")),
    *(invalid_imei(field, path) for field, path in _IMEIS.items()),
)
_DOMAIN = (
    fault("domain:event_type", "event_type", "sms", "payment", "CALL"),
    fault("domain:status", "status", "teleported", "COMPLETED", "done"),
    fault("domain:currency", REQUIRED["currency"], "ZZZ", "egp", "pounds", 818),
    fault("domain:call_type", "call_type", "Interstellar", "local"),
)
_RANGE = (
    fault("range:timestamp", "timestamp", "1970-01-01 00:00:00", "2099-01-01 00:00:00", "2019-12-31T12:00:00Z"),
    fault("range:call_duration_seconds", _DURATION, -10, 86_401, "999999"),
    fault("range:amount", _AMOUNT, -0.01, "-5", 1e15, "100000000000000"),
)
_BY_CODE = {defect.name: defect for defect in (*_MISSING, *_TYPE, *_INVALID, *_DOMAIN, *_RANGE)}


def _pair(name: str, *codes: str) -> Defect:
    return together(f"several:{name}", *(_BY_CODE[code] for code in codes))


_SEVERAL = (
    _pair("caller_and_duration", "missing:from_phone_number", "range:call_duration_seconds"),
    _pair("callee_and_currency", "invalid:to_phone_number", "domain:currency"),
    _pair("time_and_status", "invalid:timestamp", "missing:status"),
    _pair("id_and_amount", "missing:sid", "type:amount"),
    _pair("four_at_once", "range:timestamp", "domain:status", "invalid:from_imei", "domain:call_type"),
    # a group that is no object: its nested fields are gone, and there are no flat ones
    Defect(
        "several:no_groups",
        codes=("missing:from_phone_number", "missing:to_phone_number"),
        change=lambda message, turn, clock: message.update({"from": "x", "to": [message["to"]]}),
    ),
)


def _wrong_luhn(side: str) -> Change:
    def change(message: Message, turn: int, clock: ClockChange) -> None:
        imei = message["from"]["imei"]
        put(message, f"{side}.imei", imei[:-1] + str((int(imei[-1]) + 1 + turn % 9) % 10))

    return change


def _clock_change(name: str) -> Change:
    return lambda message, turn, clock: put(message, "timestamp", getattr(clock, name))


def _fifth_decimal(message: Message, turn: int, clock: ClockChange) -> None:
    # rounding takes away what is added here: the sum of amounts stays that of the good events
    put(message, _AMOUNT, f"{message['billing_info']['amount']:.2f}004")


_WARNINGS = (
    *(
        Defect(f"warning:luhn_{side}", warnings=(f"luhn:{side}_imei",), change=_wrong_luhn(side))
        for side in ("from", "to")
    ),
    *(
        Defect(
            f"warning:unknown_{side}_cell",
            warnings=(f"unknown:{side}_cell_site",),
            change=putting(f"{side}.cell_site", "INVALID_CELL", "CELL99999"),
        )
        for side in ("from", "to")
    ),
    *(
        Defect(
            f"warning:unknown_{side}_handset",
            warnings=(f"unknown:{side}_imei",),
            change=putting(f"{side}.imei", _UNKNOWN_IMEI),
        )
        for side in ("from", "to")
    ),
    *(
        Defect(f"warning:dst_{name}", warnings=("dst:timestamp",), change=_clock_change(name), needs=name)
        for name in ("skipped", "repeated")
    ),
    Defect("warning:rounded", warnings=("rounded:amount",), change=_fifth_decimal),
    Defect(
        "warning:risk_score", warnings=("type:risk_score",), change=putting("risk_score", "high", 61.7, True, {"of": 9})
    ),
    Defect("warning:mos_score", warnings=("type:mos_score",), change=putting("qos_metrics.mos_score", "good", True)),
)


def _flat(message: Message, turn: int, clock: ClockChange) -> None:
    for side in ("from", "to"):
        for name, value in message.pop(side).items():
            message[f"{side}_{name}"] = value
    message.update(message.pop("billing_info") | message.pop("qos_metrics"))


def _nested_first(message: Message, turn: int, clock: ClockChange) -> None:
    # two spellings at once: the nested one counts, and the flat one where the nested one is null or blank
    message["from_phone_number"] = "not looked at"
    message["to_phone_number"] = message["to"]["phone_number"]
    message["to"]["phone_number"] = (None, " ")[turn % 2]


def _numbers_as_text(message: Message, turn: int, clock: ClockChange) -> None:
    message[_DURATION] = (str(message[_DURATION]), float(message[_DURATION]))[turn % 2]
    put(message, _AMOUNT, str(message["billing_info"]["amount"]))
    message["risk_score"] = f" {message['risk_score']} "


def _instant(zone: str) -> Change:
    place = ZoneInfo(zone)

    def change(message: Message, turn: int, clock: ClockChange) -> None:
        instant = datetime.fromisoformat(message["timestamp"]).replace(tzinfo=place)
        milliseconds = int(instant.timestamp()) * 1000
        utc = instant.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%S")
        spellings = (milliseconds, str(milliseconds), utc + "Z", utc + ".123456789+0000", instant.isoformat())
        message["timestamp"] = spellings[turn % len(spellings)]

    return change


def _pretty(value: bytes) -> bytes:
    return json.dumps(json.loads(value), indent=2, ensure_ascii=False).encode()


_EXTRA: dict[str, Any] = {"volte": True, "handset": {"name": "EVS", "bands": [3, 20, None]}, "note": "مكالمة"}


def _spellings(zone: str) -> tuple[Defect, ...]:
    """Messages that look unusual, and are as good as any other."""
    return (
        Defect("spelling:flat", change=_flat),
        Defect("spelling:nested_first", change=_nested_first),
        Defect("spelling:pretty", rewrite=_pretty, fits_a_line=False),
        Defect("spelling:unnamed_members", change=lambda message, turn, clock: message.update(_EXTRA)),
        Defect("spelling:numbers_as_text", change=_numbers_as_text),
        Defect("spelling:instant", change=_instant(zone)),
        Defect("spelling:repeated_member", rewrite=lambda value: value[:-1] + b',"status":"teleported"}'),
        Defect("spelling:white_space", rewrite=lambda value: b" \t" + value.replace(b'":', b'" : ') + b" "),
        Defect("spelling:no_imei", change=putting("from.imei", None, REMOVED, "")),
    )


def call_defects(zone: str) -> tuple[Defect, ...]:
    """All of them; `zone` is the operator's time zone."""
    return (
        *MALFORMED,
        *_MISSING,
        *_TYPE,
        *_INVALID,
        *_DOMAIN,
        *_RANGE,
        *_SEVERAL,
        *_WARNINGS,
        *_spellings(zone),
    )
