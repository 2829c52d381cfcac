"""Live events: the time of now, the rate, the end."""

import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lakehouse.cli.data_display import print_outcome
from lakehouse.errors import UsageError
from sources.follow import follow
from sources.generate import Outcome, Run
from sources.mix import DEFAULT_MIX, EVENT_SOURCES, apportion, parse_sources
from sources.publish import Interrupted, Publisher
from sources.sinks import FileSink

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class Stage:
    """A clock that only naps move, and a sink that notes when messages came."""

    def __init__(self, start: datetime = START) -> None:
        self.moment = start
        self.sent: list[tuple[datetime, str, dict[str, Any]]] = []
        self.records: list[str] = []

    def now(self) -> datetime:
        return self.moment

    def nap(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)

    def send_frame(self, source: str, messages: pl.DataFrame) -> None:
        if source in EVENT_SOURCES:
            # of defective messages only the number is looked at
            is_good = messages["defect"].is_null().to_list()
            events = [json.loads(v) if good else {} for v, good in zip(messages["value"], is_good, strict=True)]
            self.sent += [(self.moment, source, event) for event in events]
        else:
            self.records.append(source)

    def follow(self, rate: float, limit: int | None = None, seconds: float = 1e9, **plan: Any) -> Outcome:
        until = self.moment + timedelta(seconds=seconds)
        made = Run(users=200, sources=DEFAULT_MIX, **({"defects": "none"} | plan))
        return follow(made, self, rate, limit, lambda: self.moment >= until, "Africa/Cairo", self.now, self.nap)


def test_live_events_carry_the_time_of_now_and_keep_to_the_rate() -> None:
    stage = Stage()
    outcome = stage.follow(rate=100, seconds=30)
    assert outcome.interrupted
    assert stage.records == ["users", "devices", "cell_sites", "agents"]
    assert 2_900 <= len(stage.sent) <= 3_000
    for at, _, event in stage.sent:
        local = datetime.fromisoformat(event["timestamp"]) - timedelta(hours=2)
        assert at - timedelta(seconds=1.6) < local.replace(tzinfo=UTC) <= at
    assert {source for _, source, _ in stage.sent[:300]} == set(EVENT_SOURCES)
    assert sum(expected.produced for expected in outcome.sources.values()) == len(stage.sent)


def test_a_stream_ends_at_its_limit() -> None:
    stage = Stage()
    outcome = stage.follow(rate=70, limit=333, with_reference=False)
    assert not outcome.interrupted
    assert len(stage.sent) == 333
    assert stage.records == []


def test_a_slow_stream_sends_an_event_now_and_then() -> None:
    stage = Stage()
    stage.follow(rate=0.5, limit=10)
    assert len(stage.sent) == 10
    assert timedelta(seconds=19) < stage.moment - START < timedelta(seconds=22)


def test_a_machine_that_slept_does_not_flood() -> None:
    stage = Stage()
    naps = iter([0.5] * 5 + [3600.0])
    stage.nap = lambda seconds: Stage.nap(stage, next(naps, seconds))  # type: ignore[method-assign]
    stage.follow(rate=100, seconds=3_610)
    assert len(stage.sent) < 3_000


def test_a_stream_that_is_started_again_has_other_ids() -> None:
    first, again = Stage(), Stage(START + timedelta(seconds=1))
    for stage in (first, again):
        stage.follow(rate=50, limit=100, run_id="mine")
    sids = [{event["sid"] for _, _, event in stage.sent} for stage in (first, again)]
    assert len(sids[0]) == len(sids[1]) == 100
    assert not sids[0] & sids[1]


def test_a_live_hour_that_the_clock_repeats_is_not_ambiguous() -> None:
    # clocks in Egypt go back from 24:00 to 23:00 on the last Thursday of October
    stage = Stage(datetime(2026, 10, 29, 20, 30, tzinfo=UTC))
    stage.follow(rate=50, limit=100)
    assert {event["timestamp"][:13] for _, _, event in stage.sent} == {"2026-10-29 22"}


def test_defects_are_put_into_the_smallest_slices_too() -> None:
    stage = Stage()
    outcome = stage.follow(rate=20, limit=1_500, defects="missing=0.1,duplicates=0.1")
    for name, expected in outcome.sources.items():
        assert expected.produced > 60
        assert expected.duplicates == pytest.approx(0.1 * expected.produced, abs=1), name
        assert expected.rejected == pytest.approx(0.2 * expected.produced, abs=2), name


def test_ctrl_c_ends_a_stream_with_an_account_of_what_was_sent(tmp_path: Path) -> None:
    out = tmp_path / "out.ndjson"
    command = [
        sys.executable,
        "-m",
        "lakehouse.cli.main",
        "generate",
        "--follow",
        "--rate",
        "400",
        "--json",
        "--users",
        "200",
    ]
    with subprocess.Popen([*command, "--output", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as stream:
        until = time.monotonic() + 60
        # the last file of a slice, so that one slice at least is whole
        while not (tmp_path / "out-support.ndjson").exists() and stream.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        stream.send_signal(signal.SIGINT)
        said, _ = stream.communicate(timeout=30)
    assert stream.returncode == 0
    result = json.loads(said)
    assert result["interrupted"]
    assert set(result["expected"]) == set(EVENT_SOURCES)
    for name, expected in result["expected"].items():
        lines = (tmp_path / f"out-{name}.ndjson").read_bytes().count(b"\n")
        assert lines == expected["produced"] > 0


def test_the_account_of_five_sources_fits_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    print_outcome(Stage().follow(rate=1_000, limit=3_000, defects="0.3"))
    said = capsys.readouterr().out
    assert max(len(line) for line in said.splitlines()) <= 100
    assert len(said.splitlines()) < 35
    for word in (*EVENT_SOURCES, "duplicate", "warning luhn", "accepted EGP", "129 agents", "run id"):
        assert word in said, word


class FakeProducer:
    """Takes everything at once."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.taken: list[bytes] = []

    def __len__(self) -> int:
        return 0

    def produce(self, topic: str, value: bytes, key: str) -> None:
        self.taken.append(value)

    def poll(self, timeout: float) -> None:
        pass


def test_a_publisher_that_is_stopped_says_how_many_it_took_of_the_last_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sources.publish.Producer", FakeProducer)
    monkeypatch.setattr("sources.publish.ensure_topic", lambda name: None)
    frame = pl.DataFrame({"key": ["a"] * 3_000, "value": [b"{}"] * 3_000})
    publisher = Publisher(stop_asked=lambda: publisher.handed > 3_000)
    with publisher:
        publisher.send_frame("calls", frame)
        with pytest.raises(Interrupted) as stopped:
            publisher.send_frame("sms", frame)
    assert stopped.value.taken == publisher.handed - 3_000 == 2_000


def test_sources_are_chosen_by_name_and_weight() -> None:
    assert parse_sources("sms=2, calls") == {"calls": 1.0, "sms": 2.0}
    assert apportion(100, {"calls": 1.0, "sms": 2.0}) == {"calls": 33, "sms": 67}
    assert apportion(10_000, DEFAULT_MIX) == {
        "calls": 4500,
        "sms": 3000,
        "recharge": 1000,
        "payment": 800,
        "support": 700,
    }
    assert apportion(1, DEFAULT_MIX)["calls"] == 1
    for events in range(1, 200):
        assert sum(apportion(events, DEFAULT_MIX).values()) == events


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("cals", "Did you mean calls? There are: calls, sms, recharge, payment, support."),
        ("", "no event source is called ''"),
        ("users", "no event source is called 'users'"),
        ("calls,calls=2", "calls is there twice"),
        ("sms=0", "'sms=0' has no weight above 0"),
        ("sms=nan", "has no weight"),
        ("sms=much", "has no weight"),
    ],
)
def test_sources_that_cannot_be_read_are_explained(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_sources(text)
    assert sentence in str(refused.value)


def test_several_sources_are_written_to_a_file_each(tmp_path: Path) -> None:
    frame = pl.DataFrame({"key": ["a"], "value": [b"{}"]})
    with FileSink(tmp_path / "out.ndjson", ["calls", "sms"]) as sink:
        for source in ("agents", "calls", "sms", "sms"):
            sink.send_frame(source, frame)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out-agents.ndjson",
        "out-calls.ndjson",
        "out-sms.ndjson",
    ]
    assert (tmp_path / "out-sms.ndjson").read_bytes() == b"{}\n{}\n"
