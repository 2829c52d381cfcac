"""Defects: put in as many as asked, and counted as what they become."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from lakehouse.errors import UsageError
from sources.contract_faults import source_defects
from sources.defects import parse_shares
from sources.generate import Outcome, Run, new_run_id, run
from sources.sinks import FileSink

ZONE = "Africa/Cairo"
END = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DEFECTS = source_defects("calls", ZONE)


class Memory:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.frames: dict[str, pl.DataFrame] = {}

    def send_frame(self, source: str, messages: pl.DataFrame) -> None:
        before = self.frames.get(source)
        self.frames[source] = messages if before is None else pl.concat([before, messages])


def generated(events: int = 2_000, zone: str = ZONE, **changes: object) -> tuple[pl.DataFrame, Outcome]:
    sink = Memory()
    plan = Run(events=events, run_id="r1", end=END, users=300, with_reference=False, **changes)  # type: ignore[arg-type]
    outcome = run(plan, sink, zone)
    return sink.frames["calls"], outcome


def test_the_default_puts_in_every_defect_that_the_contract_names() -> None:
    _, outcome = generated(5_000)
    expected = outcome.sources["calls"]
    assert set(expected.defects) == {defect.name for defect in DEFECTS} | {"duplicates"}
    assert expected.defects["duplicates"] == expected.duplicates == 100
    assert expected.defects.total() == 250 + 100


def test_counts_are_those_of_the_rows_that_were_sent() -> None:
    rows, outcome = generated(defects="0.3,duplicates=0.1")
    expected = outcome.sources["calls"]
    assert expected.produced == rows.height == 2_000
    assert expected.accepted == rows["codes"].null_count()
    assert expected.accepted + expected.rejected == expected.produced
    codes = Counter(code for row in rows["codes"].drop_nulls() for code in row.split(", "))
    assert codes == expected.reasons
    assert expected.reasons["duplicate:sid"] == expected.duplicates == 200


def test_only_what_is_named_is_put_in() -> None:
    _, outcome = generated(1_000, defects="range:amount=0.05,malformed:nan=0.01")
    assert outcome.sources["calls"].to_json()["defects"] == {"range:amount": 50, "malformed:nan": 10}
    assert outcome.sources["calls"].reasons == {"range:amount": 50, "malformed:json": 10}


def test_none_leaves_all_events_good() -> None:
    rows, outcome = generated(500, defects="none")
    assert outcome.sources["calls"].accepted == 500
    assert all(isinstance(json.loads(value), dict) for value in rows["value"])


def test_a_copy_is_byte_for_byte_its_accepted_original_and_comes_later_with_the_same_key() -> None:
    rows, _ = generated(defects="0.1,duplicates=0.1")
    seen: dict[tuple[str, bytes], int] = {}
    copies = 0
    for key, value, code in rows.select("key", "value", "codes").rows():
        if code == "duplicate:sid":
            copies += 1
            assert (key, value) in seen
        elif code is None:
            assert (key, value) not in seen
            seen[key, value] = 1
    assert copies == 200


def test_the_same_run_gives_the_same_bytes() -> None:
    first, again = (generated(800)[0] for _ in range(2))
    assert first.equals(again)


def test_malformed_messages_are_refused_by_a_strict_reader() -> None:
    rows, _ = generated(500, defects="malformed=0.3")

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    for value in rows.filter(pl.col("codes") == "malformed:json")["value"]:
        if value is None:
            continue
        try:
            message = json.loads(value.decode(), parse_constant=refuse)
        except ValueError:
            continue
        # legal for Python: no object, too deep, or half of a surrogate pair
        assert not isinstance(message, dict) or "deep" in message or message["note"] == "\ud800"


def test_a_zone_without_clock_changes_has_no_such_defect() -> None:
    _, outcome = generated(2_000, zone="UTC", defects="warning=0.2")
    assert "dst:timestamp" not in outcome.sources["calls"].warnings
    assert outcome.sources["calls"].warnings["rounded:amount"] > 0


def test_amounts_are_the_sum_of_the_accepted() -> None:
    rows, outcome = generated(1_000)
    for currency, amount in outcome.sources["calls"].to_json()["amount"].items():
        good = rows.filter(pl.col("codes").is_null() & (pl.col("currency") == currency))
        assert amount == f"{good['amount'].sum() // 100}.{good['amount'].sum() % 100:02d}00"


def test_a_file_holds_one_message_a_line(tmp_path: Path) -> None:
    with FileSink(tmp_path / "out.ndjson", ["calls"]) as sink:
        outcome = run(Run(events=1_500, run_id="r1", end=END, users=300, one_line=True), sink, ZONE)
    lines = (tmp_path / "out.ndjson").read_bytes().splitlines()
    assert len(lines) == outcome.sources["calls"].produced == 1_500
    assert all(lines)
    assert len((tmp_path / "out-users.ndjson").read_bytes().splitlines()) == outcome.records["users"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("malform=0.1", "Did you mean malformed?"),
        ("much", "'much' is no share"),
        ("malformed=2", "is no share"),
        ("0.8,duplicates=0.2", "at most 0.9"),
    ],
)
def test_shares_that_cannot_be_read_are_explained(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence.replace("?", r"\?")):
        parse_shares(text, {"calls": DEFECTS})


def test_a_name_that_one_source_has_is_put_into_that_source_only() -> None:
    shares = parse_shares("range:satisfaction_score=0.1", {s: source_defects(s, ZONE) for s in ("calls", "support")})
    assert shares["calls"].planted == {}
    assert shares["support"].planted == {"range:satisfaction_score": 0.1}


def test_a_group_may_have_the_whole_share_that_is_allowed() -> None:
    assert len(parse_shares("malformed=0.9", {"calls": DEFECTS})["calls"].planted) == 14


def test_run_ids_grow_with_time() -> None:
    assert new_run_id(datetime(2026, 1, 1, tzinfo=UTC)) < new_run_id(datetime(2026, 1, 2, tzinfo=UTC))
