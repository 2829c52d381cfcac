"""The decoder gives one row a message, in order, and its fast path says what its slow path says."""

from datetime import UTC, datetime
from functools import cache
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from streams.columns import nulls
from streams.contract import contracts
from streams.decode import Decoded, Decoder
from streams.rules import Context
from streams.validate import Validated, extras, quality_warnings, validate
from tests.conformance.messages import messages

QUICK = settings(max_examples=60, suppress_health_check=list(HealthCheck))


@cache
def decoder(source: str) -> Decoder:
    return Decoder(contracts()[source])


def read_slowly(source: str, values: pa.Array) -> Decoded:
    everything = pl.arange(len(values), dtype=pl.UInt32, eager=True)
    empty = {f.name: nulls(len(values), pl.String) for f in contracts()[source].fields}
    return decoder(source)._read_slowly(values, everything, empty)


def judged(source: str, decoded: Decoded) -> Validated:
    times = pl.Series([datetime(2026, 11, 24, tzinfo=UTC)] * len(decoded), dtype=pl.Datetime("us", "UTC"))
    return validate(contracts()[source], decoded, Context("Africa/Cairo", datetime(2020, 1, 1, tzinfo=UTC), times))


def everything_said(source: str, values: pa.Array, decoded: Decoded) -> dict[str, list[Any]]:
    validated = judged(source, decoded)
    return {
        **{name: column.to_list() for name, column in validated.columns.items()},
        "reasons": validated.reasons.to_list(),
        "warnings": quality_warnings(validated.warnings, validated.malformed).to_list(),
        "extra": extras(validated, values, decoder(source).extra).to_list(),
        "malformed": decoded.malformed.to_list(),
        "unnamed": decoded.unnamed.to_list(),
    }


@QUICK
@pytest.mark.parametrize("source", ["calls", "users"])
@given(data=st.data())
def test_the_fast_path_says_what_the_slow_path_says(source: str, data: st.DataObject) -> None:
    values = pa.array(data.draw(st.lists(messages(source), min_size=1, max_size=8)), pa.large_binary())
    fast = everything_said(source, values, decoder(source).decode(values))
    assert fast == everything_said(source, values, read_slowly(source, values))


def _numbered(good: bytes, others: list[bytes | None]) -> pa.Array:
    """Each of the others between two good messages that carry their own row number as `sid`."""
    sent: list[bytes | None] = []
    for other in others:
        sent += [good % len(sent), other]
    return pa.array([*sent, good % len(sent)], pa.large_binary())


@QUICK
@given(st.lists(messages("calls"), max_size=6))
@example([b"", None, b"\n", b"{}{}", b'{"sid": 1}\n{"sid": 2}', b"[{}, {}]"])
def test_every_message_is_one_row_in_its_place(others: list[bytes | None]) -> None:
    values = _numbered(b'{"sid": "%d"}', others)
    decoded = decoder("calls").decode(values)
    assert len(decoded) == len(decoded.unnamed) == len(values)
    assert decoded.fields["sid"].to_list()[::2] == [f'"{row}"' for row in range(0, len(values), 2)]
    assert not decoded.malformed.gather_every(2).any()


def test_a_batch_of_nothing_is_no_rows() -> None:
    decoded = decoder("calls").decode(pa.array([], pa.large_binary()))
    assert len(decoded) == 0
    assert {len(column) for column in decoded.fields.values()} == {0}


@pytest.mark.parametrize(
    "message",
    [b'{"from": {"imei": "1"}, "status": "x", "sid": 1, "billing_info": {"amount": 1.5}}', b'{"sid": "\\u00e9\\/\\t"}'],
)
def test_ordinary_messages_take_the_fast_path(message: bytes) -> None:
    plain, _ = decoder("calls")._plain_rows(pl.Series("j", [message.decode()]))
    assert plain.to_list() == [True]


@pytest.mark.parametrize(
    "message",
    [
        b'{"sid": 1, "sid": 2}',
        b'{"from": {"imei": "1"}, "from_imei": "2"}',
        b'{"unnamed": 1}',
        b'{"from": null}',
        b'{"from": []}',
        b'{"from": "{"}',
        b'{"sid": "{"}',
        b'{"sid": NaN}',
        b'{"sid": 1,}',
    ],
)
def test_whatever_could_be_misread_takes_the_slow_path(message: bytes) -> None:
    plain, _ = decoder("calls")._plain_rows(pl.Series("j", [message.decode()]))
    assert plain.to_list() == [False]
