"""The generator's expectation and the contract's rules agree on every message of every source, one by one."""

import json
from collections import Counter
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from sources.generate import Outcome, Run, run
from sources.mix import EVENT_SOURCES
from sources.reference import KINDS
from streams.contract import contracts
from streams.decode import Decoder
from streams.kernel.history import History
from streams.rules import Context
from streams.validate import Validated, validate
from tests.conformance.engine import histories, silver_rows
from tests.conformance.test_contract_examples import codes_of

END = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
EVENTS = sorted(EVENT_SOURCES)


class _Memory:
    def __init__(self) -> None:
        self.frames: dict[str, pl.DataFrame] = {}

    def send_frame(self, source: str, messages: pl.DataFrame) -> None:
        before = self.frames.get(source)
        self.frames[source] = messages if before is None else pl.concat([before, messages])


def _generated(**changes: object) -> tuple[dict[str, pl.DataFrame], Outcome]:
    sink = _Memory()
    plan = Run(run_id="r1", end=END, users=2_000, sources=dict.fromkeys(EVENTS, 1.0), **changes)  # type: ignore[arg-type]
    outcome = run(plan, sink, "Africa/Cairo")
    return sink.frames, outcome


@pytest.fixture(scope="module")
def defective() -> tuple[dict[str, pl.DataFrame], Outcome]:
    return _generated(events=30_000, defects="0.6,duplicates=0.05")


@pytest.fixture(scope="module")
def frames(defective: tuple[dict[str, pl.DataFrame], Outcome]) -> dict[str, pl.DataFrame]:
    return defective[0]


def _validated(source: str, messages: pl.DataFrame) -> Validated:
    contract = contracts()[source]
    times = np.full(messages.height, int(END.timestamp() * 1e6))
    context = Context("Africa/Cairo", datetime(2020, 1, 1, tzinfo=UTC), times)
    return validate(contract, Decoder(contract).decode(messages["value"].to_arrow().cast(pa.binary())), context)


@pytest.mark.parametrize("source", EVENTS)
def test_every_message_gets_the_codes_that_were_planned(frames: dict[str, pl.DataFrame], source: str) -> None:
    # copies are told by the state of the line, not by the message
    planned = frames[source].with_columns(pl.col("codes").replace("duplicate:sid", None))
    found = planned.with_columns(pl.Series("found", _validated(source, planned).reasons))
    differing = found.filter(~pl.col("found").eq_missing(pl.col("codes")))
    assert differing.select("defect", "codes", "found", "value").head(3).to_dicts() == []


@pytest.mark.parametrize("source", EVENTS)
def test_every_message_gets_the_warnings_that_were_planned(frames: dict[str, pl.DataFrame], source: str) -> None:
    warnings = _validated(source, frames[source]).warnings
    found = Counter({code: int(rows.sum()) for code, rows in warnings.items() if rows.any()})
    # unknown keys are told by reference data, not by the message
    planned = Counter(code for code in frames[source]["warnings"].drop_nulls() if not code.startswith("unknown:"))
    assert found == planned


@pytest.mark.parametrize("source", EVENTS)
def test_every_code_of_the_contract_is_put_in(defective: tuple[dict[str, pl.DataFrame], Outcome], source: str) -> None:
    contract, put_in = contracts()[source], defective[1].sources[source]
    types = {f"type:{f.name}" for f in contract.fields if (f.required or f.ruled) and f.type != "time"}
    assert set(codes_of(contract)) | types | {"malformed:json", "duplicate:sid"} <= set(put_in.reasons)
    lenient = {f"type:{f.name}" for f in contract.fields if not f.required and not f.ruled}
    unknown = {f"unknown:{f.name}" for f in contract.fields if f.known_in}
    rounded = {f"rounded:{f.name}" for f in contract.fields if f.type == "money"}
    luhn = {f"luhn:{f.name}" for f in contract.fields if f.type == "imei"}
    implausible = {f"range:{f.name}" for f in contract.fields if f.plausible}
    assert set(put_in.warnings) == lenient | unknown | rounded | luhn | implausible | {"dst:timestamp"}


@pytest.mark.parametrize("source", EVENTS)
def test_the_line_finds_what_is_expected_of_it(
    defective: tuple[dict[str, pl.DataFrame], Outcome], known: dict[str, History], source: str
) -> None:
    put_in, messages = defective[1].sources[source], defective[0][source]
    rows = silver_rows(source, [(None, value) for value in messages["value"]], known)
    assert sum(row["is_rejected"] for row in rows) == put_in.rejected
    codes = Counter(code for row in rows for code in (row["rejection_reason"] or "").split(", ") if code)
    assert codes == put_in.reasons
    assert Counter(code for row in rows for code in row["quality_warnings"] or ()) == put_in.warnings
    amounts: Counter[str] = Counter()
    for row in rows:
        if "amount" in row and not row["is_rejected"]:
            amounts[row["currency"]] += row["amount"]
    assert amounts == put_in.amount


@pytest.fixture(scope="module")
def known(frames: dict[str, pl.DataFrame]) -> dict[str, History]:
    """One row a key, as the line keeps them; records with a history come twice."""
    keys = {kind: contracts()[kind].key.name for kind in KINDS}
    found = {kind: {json.loads(value)[keys[kind]] for value in frames[kind]["value"]} for kind in KINDS}
    return histories(**{kind: [{keys[kind]: value} for value in sorted(found[kind])] for kind in KINDS})


@pytest.mark.parametrize("source", EVENTS)
def test_a_clean_event_is_accepted_without_a_warning(known: dict[str, History], source: str) -> None:
    clean, _ = _generated(events=10_000, defects="none", with_reference=False)
    rows = silver_rows(source, [(None, value) for value in clean[source]["value"]], known)
    assert [row for row in rows if row["is_rejected"] or row["quality_warnings"] or row["extra"]][:2] == []


@pytest.mark.parametrize("kind", KINDS)
def test_reference_records_are_all_accepted(frames: dict[str, pl.DataFrame], kind: str) -> None:
    result = _validated(kind, frames[kind])
    assert result.reasons.null_count == frames[kind].height
    assert not result.warnings
    assert not result.unnamed.any()
