"""The bench's parts: the hand-written loop survives bad lines, the profile finds every step, the report adds up."""

from pathlib import Path

import polars as pl
import pytest

from bench import peer, report
from bench.measure import Watched
from bench.profile import Meter, profile
from bench.report import Bench, Measured, Round
from bench.windows import measure
from lakehouse.errors import UsageError
from sources.generate import Run, run

GOOD = (
    b'{"event_type":"call","sid":"a","from":{"phone_number":"01012345678"},"call_duration_seconds":5,"status":"busy"}'
)


class Values:
    """Collects the calls."""

    def __init__(self) -> None:
        self.values: list[bytes | None] = []

    def send_frame(self, source: str, messages: pl.DataFrame) -> None:
        if source == "calls":
            self.values += messages["value"].to_list()


def _measured(rate: float, cpu: float = 10.0, rows: int = 100) -> Measured:
    return Measured(rate, rate * 0.9, rate * 1.1, cpu, 1.0, 500.0, 3, rows)


def _bench(*pairs: tuple[float, float]) -> Bench:
    rounds = [Round(_measured(worker), _measured(by_hand), _measured(worker * 0.9)) for worker, by_hand in pairs]
    return Bench(100, "0.05", "2026-11-24T12:00+00:00", "2 cores", {}, rounds)


def test_the_hand_written_loop_keeps_good_lines_among_bad_ones() -> None:
    pretty = GOOD.replace(b",", b",\n ")
    rows = peer.checked(peer.read([GOOD, b"not json", pretty, b'{"a":1},', b"[1]", b"\xff", GOOD]))
    assert rows["sid"].to_list() == ["a"] * 3
    assert rows["rejection_reason"].to_list() == [None] * 3


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ((b"01012345678", b"12"), "invalid:from_phone_number"),
        ((b":5,", b":86401,"), "range:call_duration_seconds"),
        ((b"busy", b"asleep"), "domain:status"),
    ],
)
def test_the_hand_written_loop_has_three_rules(change: tuple[bytes, bytes], code: str) -> None:
    assert peer.checked(peer.read([GOOD.replace(*change)]))["rejection_reason"].to_list() == [code]


def test_the_hand_written_loop_survives_every_generated_defect() -> None:
    collected = Values()
    run(Run(events=5_000, defects="0.3", run_id="t", with_reference=False), collected)
    values = [value for value in collected.values if value]
    rows = peer.checked(peer.read(values))
    assert 0.9 * len(values) < rows.height < len(values)
    accepted = rows["rejection_reason"].null_count()
    assert 0.7 * len(values) < accepted < rows.height


def test_the_profile_counts_every_step_of_the_line() -> None:
    found = profile(2_000, batch=500)
    starts = {name.split(":")[0] for name in found.cpu_s_per_million}
    assert {"receive", "decode", "validate", "enrich", "duplicates", "extras", "parquet silver"} <= starts
    assert "validate: read phone" in found.cpu_s_per_million
    assert found.total > 1
    assert found.parquet_bytes["bronze"] > 50


def test_a_step_within_a_step_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 3.0, 7.0])
    monkeypatch.setattr("bench.profile.time.process_time", lambda: next(clock))
    meter = Meter()
    with meter.step("outer"), meter.step("inner"):
        pass
    assert meter.cpu_s == {"outer": 1.0 + 4.0, "inner": 2.0}


def test_cpu_is_counted_from_the_beginning_to_a_moment() -> None:
    seen = Watched(began=10.0, _at=[9.0, 10.0, 11.0, 12.0], _cpu=[5.0, 6.0, 8.0, 9.0], _cpu_of_servers=[0, 1, 2, 4])
    assert seen.cpu_s(11.0) == 2.0
    assert seen.cpu_s_of_servers(99.0) == 3


def test_ratios_are_taken_round_by_round() -> None:
    found = _bench((50, 100), (60, 80), (70, 100))
    assert report.ratios(found, "events_per_s") == [0.5, 0.75, 0.7]
    assert report.to_json(found)["ratio"]["events_per_s"] == 0.7
    assert "60 (50-70)" in report.table(found)


def test_the_table_is_written_between_its_marks_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "RESULTS.md"
    before, after = report.RESULTS.read_text().split("<!-- bench: begin -->")[0], "<!-- bench: end -->\ntail\n"
    file.write_text(f"{before}<!-- bench: begin -->\nold\n{after}")
    report.write(_bench((50, 100)), file)
    text = file.read_text()
    assert text.startswith(before)
    assert text.endswith(after)
    assert "old" not in text
    assert "events/s, silver" in text
    file.write_text("no marks")
    with pytest.raises(UsageError, match="lacks the marks"):
        report.write(_bench((50, 100)), file)


def test_a_kept_window_and_one_that_is_read_back_say_the_same(tmp_path: Path) -> None:
    assert measure(2000, 20, tmp_path).same
