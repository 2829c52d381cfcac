"""Messages that look unusual, and are as good as any other: the spellings that the contracts accept."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sources.faults import REMOVED, Change, Defect, Message, get, put
from sources.rhythm import ClockChange
from streams.contract import Contract

_EXTRA: dict[str, Any] = {"volte": True, "handset": {"name": "EVS", "bands": [3, 20, None]}, "note": "مكالمة"}


def spellings(contract: Contract, zone: str) -> tuple[Defect, ...]:
    """Defects that are none.

    Args:
        zone: the time zone of the good messages' local times.
    """
    return (
        *_group_spellings(contract),
        Defect("spelling:pretty", rewrite=_pretty, fits_a_line=False),
        Defect("spelling:unnamed_members", change=lambda message, turn, clock: message.update(_EXTRA)),
        Defect("spelling:values_as_text", change=_as_text(contract)),
        Defect("spelling:instant", change=_instant(zone)),
        Defect("spelling:repeated_member", rewrite=_repeated(contract)),
        Defect("spelling:white_space", rewrite=lambda value: b" \t" + value.replace(b'":', b'" : ') + b" "),
        Defect("spelling:required_only", change=_required_only(contract)),
        *_handset_spellings(contract),
    )


def _group_spellings(contract: Contract) -> Iterator[Defect]:
    nested = [f for f in contract.fields if len(f.paths[0]) > 1]
    if not nested:
        return
    first, second = [f for f in nested if f.required][:2]

    def flat(message: Message, turn: int, clock: ClockChange) -> None:
        values = {f.name: get(message, f) for f in nested}
        for group in contract.groups:
            del message[group]
        message.update(values)

    def nested_first(message: Message, turn: int, clock: ClockChange) -> None:
        # two spellings at once: the nested one counts, and the flat one where the nested one is null or blank
        message[first.name] = "not looked at"
        message[second.name] = get(message, second)
        put(message, second, (None, " ")[turn % 2])

    yield Defect("spelling:flat", change=flat)
    yield Defect("spelling:nested_first", change=nested_first)


def _as_text(contract: Contract) -> Change:
    """Numbers and booleans as text that says the same."""
    fields = [f for f in contract.fields if f.type in ("int", "double", "money", "bool")]

    def change(message: Message, turn: int, clock: ClockChange) -> None:
        for field in fields:
            value = get(message, field)
            if value is None:
                continue
            if field.type == "int":
                put(message, field, (str(value), float(value), f" {value} ")[turn % 3])
            else:
                text = str(value)
                put(message, field, (text, text.upper() if field.type == "bool" else f"\t{text} ")[turn % 2])

    return change


def _handset_spellings(contract: Contract) -> Iterator[Defect]:
    """IMEIs without their check digit, and with a software version in its place."""
    imeis = [f for f in contract.fields if f.type == "imei"]

    def change(message: Message, turn: int, clock: ClockChange) -> None:
        for number, field in enumerate(imeis):
            value = get(message, field)
            if value:
                put(message, field, (value[:-1], value[:-1] + "07", int(value[:-1]))[(turn + number) % 3])

    if imeis:
        yield Defect("spelling:handset", change=change)


def _instant(zone: str) -> Change:
    place = ZoneInfo(zone)

    def change(message: Message, turn: int, clock: ClockChange) -> None:
        instant = datetime.fromisoformat(message["timestamp"]).replace(tzinfo=place)
        milliseconds = int(instant.timestamp()) * 1000
        utc = instant.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%S")
        compact = f"{instant:%Y%m%d%H%M%S}"
        texts = (
            milliseconds, str(milliseconds), utc + "Z", utc + ".123456789+0000", instant.isoformat(), compact, int(compact),
            utc.lower() + "z",
        )  # fmt: skip
        message["timestamp"] = texts[turn % len(texts)]

    return change


def _repeated(contract: Contract) -> Any:
    """A second value of a member that has a domain: the first counts."""
    name = next(f.name for f in contract.fields[1:] if f.domain and len(f.paths[0]) == 1)
    again = f',"{name}":"teleported"}}'.encode()
    return lambda value: value[:-1] + again


def _pretty(value: bytes) -> bytes:
    return json.dumps(json.loads(value), indent=2, ensure_ascii=False).encode()


def _required_only(contract: Contract) -> Change:
    """Nothing that the contract does not ask for."""
    optional = [f for f in contract.fields if not (f.required or f.required_if)]

    def change(message: Message, turn: int, clock: ClockChange) -> None:
        for number, field in enumerate(optional):
            put(message, field, (None, REMOVED, "")[(turn + number) % 3])

    return change
