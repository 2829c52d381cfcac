"""One field of a contract on its own: what becomes of values, as the tables of each kind of value say."""

import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from streams.contract import Contract, parse
from streams.decode import Decoder
from streams.rules import Context
from streams.validate import Validated, extras, validate
from tests.conformance.engine import KAFKA_TIME, ZONE

IDENTITY = {"event_type": "call", "sid": "1", "timestamp": "2026-11-24 10:00:00"}


class J(str):
    """JSON as it stands in the message; everything else in the tables is written as JSON first."""

    __slots__ = ()


def outcome(field: dict[str, Any], values: list[Any], zone: str = ZONE) -> list[tuple[Any, str | None, str | None]]:
    """What becomes of each value of one field `f`: the column, the code word, the warnings' words."""
    result, _ = judged(field, values, zone)
    said = result.quality_warnings.to_pylist()
    words = [None if w is None else ",".join(code.removesuffix(":f") for code in w) for w in said]
    codes = [None if r is None else r.removesuffix(":f") for r in result.reasons.to_pylist()]
    return list(zip(result.columns["f"].to_pylist(), codes, words, strict=True))


def judged(field: dict[str, Any], values: list[Any], zone: str = ZONE) -> tuple[Validated, list[str | None]]:
    """What validation makes of the values of one field `f`, and the `extra` of each row."""
    contract = contract_of({"name": "f", **field})
    texts = [value if isinstance(value, J) else json.dumps(value) for value in values]
    begin = json.dumps(IDENTITY)[:-1]
    return validated(contract, [f'{begin}, "f": {text}}}' for text in texts], zone)


def contract_of(*fields: dict[str, Any]) -> Contract:
    """A contract of calls that names only these fields."""
    return parse({"source": "s", "kind": "event", "event_type": "call", "fields": list(fields)})


@cache
def decoder_of(contract: Contract) -> Decoder:
    """A contract's decoder: making one takes longer than reading a value."""
    return Decoder(contract)


def validated(contract: Contract, sent: list[str], zone: str = ZONE) -> tuple[Validated, list[str | None]]:
    """What validation makes of messages given as text, and the `extra` of each."""
    messages = pa.array([text.encode() for text in sent], pa.large_binary())
    decoder = decoder_of(contract)
    times = np.full(len(sent), int(KAFKA_TIME.timestamp()) * 1_000_000)
    result = validate(contract, decoder.decode(messages), Context(zone, datetime(2020, 1, 1, tzinfo=UTC), times))
    return result, extras(result, messages, decoder.extra).to_pylist()


def utc(text: str) -> datetime:
    """An instant by its text in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


Table = list[tuple[Any, Any, str | None]]
UNREADABLE_NUMBERS: Table = [
    (text, None, "type") for text in ("sixty", "+5", "05", ".5", "5.", "1e", "0x10", "1_000", "6 1", "NaN",
    "Infinity", "٦١", "--1")
]  # fmt: skip
NOT_TEXT_NOR_NUMBER: Table = [(value, None, "type") for value in (True, False, {}, [], [1], {"a": 1})]
