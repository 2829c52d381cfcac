"""The generator's expectation and the contract's rules agree on every message, one by one."""

from collections import Counter
from datetime import UTC, datetime

import polars as pl
import pyarrow as pa
import pytest

from sources.generate import Run, run
from sources.reference import KINDS
from streams.contract import contracts
from streams.decode import Decoder
from streams.rules import Context
from streams.validate import Validated, validate

END = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class _Memory:
    def __init__(self) -> None:
        self.frames: dict[str, pl.DataFrame] = {}

    def send_frame(self, source: str, messages: pl.DataFrame) -> None:
        self.frames[source] = messages


@pytest.fixture(scope="module")
def frames() -> dict[str, pl.DataFrame]:
    sink = _Memory()
    run(Run(events=20_000, run_id="r1", end=END, users=2_000, defects="0.6,duplicates=0.05"), sink, "Africa/Cairo")
    return sink.frames


def _validated(source: str, messages: pl.DataFrame) -> Validated:
    contract = contracts()[source]
    times = pl.Series([END], dtype=pl.Datetime("us", "UTC")).new_from_index(0, messages.height)
    context = Context("Africa/Cairo", datetime(2020, 1, 1, tzinfo=UTC), times)
    return validate(contract, Decoder(contract).decode(messages["value"].to_arrow().cast(pa.binary())), context)


def test_every_message_gets_the_codes_that_were_planned(frames: dict[str, pl.DataFrame]) -> None:
    # copies are told by the state of the line, not by the message
    planned = frames["calls"].with_columns(pl.col("codes").replace("duplicate:sid", None))
    found = planned.with_columns(_validated("calls", planned).reasons.alias("found"))
    differing = found.filter(~pl.col("found").eq_missing(pl.col("codes")))
    assert differing.select("defect", "codes", "found", "value").head(3).to_dicts() == []


def test_every_message_gets_the_warnings_that_were_planned(frames: dict[str, pl.DataFrame]) -> None:
    warnings = _validated("calls", frames["calls"]).warnings
    found = Counter({code: int(rows.sum()) for code, rows in warnings.items() if rows.any()})
    # unknown keys are told by reference data, not by the message
    planned = Counter(code for code in frames["calls"]["warnings"].drop_nulls() if not code.startswith("unknown:"))
    assert found == planned


@pytest.mark.parametrize("kind", KINDS)
def test_reference_records_are_all_accepted(frames: dict[str, pl.DataFrame], kind: str) -> None:
    result = _validated(kind, frames[kind])
    assert result.reasons.null_count() == frames[kind].height
    assert not result.warnings
