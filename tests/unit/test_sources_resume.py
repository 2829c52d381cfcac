"""Publishing goes on after a crash: whatever is not known to be in Kafka is sent again, and nothing is left out."""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import fs

from lakehouse.errors import LakehouseError, UsageError
from sources import s3
from sources.files import expand, open_messages
from sources.publish import Publisher
from sources.resume import Marks, ResumedMessages


class Killed(BaseException):
    """The process is gone: nothing after this runs."""


class Kafka:
    """Takes messages as the publisher does; what is not settled when the process dies may be lost."""

    def __init__(self) -> None:
        self.acknowledged: list[bytes] = []
        self.handed = 0
        self.refuses = False
        self._under_way: list[bytes] = []

    def settle(self) -> None:
        if self.refuses:
            raise LakehouseError("Kafka did not take some")
        self.acknowledged += self._under_way
        self._under_way.clear()

    def take(self, messages: Iterable[tuple[str | None, bytes]], dies_after: int | None = None) -> None:
        for number, (_, message) in enumerate(messages, start=1):
            self._under_way.append(message)
            self.handed += 1
            if number == dies_after:
                raise Killed
        self.settle()


def lines(folder: Path, name: str, count: int) -> str:
    path = folder / name
    path.write_text("".join(f'{{"n": "{name} {number}"}}\n' for number in range(count)))
    return str(path)


def resumed(names: Sequence[str], folder: Path, topic_id: str = "t", **options: Any) -> ResumedMessages:
    marks = Marks(folder / "publish", "calls", topic_id, ("calls", *names))
    # each look at the clock is half a second later: a mark every third time
    clock = (number / 2 for number in itertools.count())
    files = [open_messages(name, force=options.pop("force", False)) for name in names]
    return ResumedMessages(files, ("n",), marks, clock=lambda: next(clock), **options)


def run(
    names: Sequence[str], folder: Path, dies_after: int | None = None, **options: Any
) -> tuple[Kafka, ResumedMessages]:
    kafka, messages = Kafka(), resumed(names, folder, **options)
    try:
        kafka.take(messages.sent_by(cast(Publisher, kafka)), dies_after)
    except Killed:
        return kafka, messages
    messages.forget()
    return kafka, messages


@given(st.lists(st.integers(0, 700), min_size=1, max_size=3), st.lists(st.integers(1, 1500), max_size=4))
def test_whenever_it_dies_nothing_is_left_out(counts: list[int], deaths: list[int]) -> None:
    with TemporaryDirectory() as folder:
        names = [lines(Path(folder), f"file{at}", count) for at, count in enumerate(counts)]
        arrived: list[bytes] = []
        for death in [*deaths, None]:
            arrived += run(names, Path(folder), death)[0].acknowledged
            if not list(Path(folder).glob("publish/*")) and (death is None or len(arrived) >= sum(counts)):
                # it came to its end; the next run is a new one
                assert set(arrived) == {message for name in names for message in open_messages(name)}
                arrived = []


def test_the_next_run_goes_on_after_the_last_mark_also_in_a_later_file(tmp_path: Path) -> None:
    names = [lines(tmp_path, "one", 300), lines(tmp_path, "two", 900)]
    run(names, tmp_path, dies_after=1150)
    kafka, messages = run(names, tmp_path)
    left_out = dict(messages.left_out)
    assert left_out[names[0]] == 300
    assert 500 <= left_out[names[1]] < 850
    assert len(kafka.acknowledged) == 1200 - sum(left_out.values())
    assert kafka.acknowledged[0] == b'{"n": "two %d"}' % left_out[names[1]]


def test_a_command_that_came_to_its_end_begins_at_the_beginning(tmp_path: Path) -> None:
    names = [lines(tmp_path, "one", 500)]
    run(names, tmp_path)
    assert len(run(names, tmp_path)[0].acknowledged) == 500


def test_a_file_that_is_finished_is_sent_again_by_another_command(tmp_path: Path) -> None:
    one, two = lines(tmp_path, "one", 500), lines(tmp_path, "two", 900)
    run([one, two], tmp_path, dies_after=1300)
    assert resumed([one], tmp_path).left_out == []
    assert [name for name, _ in resumed([two], tmp_path).left_out] == [two], (
        "an unfinished one goes on under any command"
    )


def test_what_has_changed_begins_at_the_beginning(tmp_path: Path) -> None:
    names = [lines(tmp_path, "one", 900)]
    run(names, tmp_path, dies_after=899)
    assert resumed(names, tmp_path).left_out != []
    assert resumed(names, tmp_path, topic_id="made anew").left_out == []
    assert resumed(names, tmp_path, force=True).left_out == []
    assert resumed(names, tmp_path, from_start=True).left_out == []
    lines(tmp_path, "one", 901)
    assert resumed(names, tmp_path).left_out == []


def test_a_file_given_twice_has_two_marks(tmp_path: Path) -> None:
    name = lines(tmp_path, "one", 900)
    run([name, name], tmp_path, dies_after=1700)
    [(_, first), (_, second)] = resumed([name, name], tmp_path).left_out
    assert first == 900
    assert 0 < second < 800


def test_nothing_is_remembered_of_what_kafka_did_not_take(tmp_path: Path) -> None:
    names = [lines(tmp_path, "one", 900)]
    kafka, messages = Kafka(), resumed(names, tmp_path)
    kafka.refuses = True
    with pytest.raises(LakehouseError):
        kafka.take(messages.sent_by(cast(Publisher, kafka)))
    assert resumed(names, tmp_path).left_out == []


def test_a_damaged_mark_is_none(tmp_path: Path) -> None:
    names = [lines(tmp_path, "one", 900)]
    run(names, tmp_path, dies_after=899)
    for path in (tmp_path / "publish").iterdir():
        path.write_text('{"acknowledged": 5')
    assert resumed(names, tmp_path).left_out == []


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "in/day/1.ndjson",
        "in/day/2.ndjson.gz",
        "in/day/deep/3.ndjson",
        "in/days.ndjson",
        "in/other/4.ndjson",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}\n")
    monkeypatch.setattr(s3, "_file_system", lambda: fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem()))


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("day/", ["day/1.ndjson", "day/2.ndjson.gz", "day/deep/3.ndjson"]),
        ("day/*", ["day/1.ndjson", "day/2.ndjson.gz"]),
        ("d*/*.ndjson", ["day/1.ndjson"]),
        ("*.ndjson", ["days.ndjson"]),
        ("*/*/*", ["day/deep/3.ndjson"]),
        ("*/", ["day/1.ndjson", "day/2.ndjson.gz", "day/deep/3.ndjson", "other/4.ndjson"]),
        ("not looked up", ["not looked up"]),
    ],
)
def test_an_address_stands_for_all_objects_that_match(address: str, found: list[str]) -> None:
    assert expand([f"s3://in/{address}", "local*"]) == [*(f"s3://in/{name}" for name in found), "local*"]


@pytest.mark.usefixtures("bucket")
def test_a_whole_bucket_can_be_named_and_an_empty_match_is_said() -> None:
    assert len(s3.objects("s3://in")) == len(s3.objects("s3://in/")) == 5
    with pytest.raises(UsageError, match=r"there is no object s3://in/no\*"):
        s3.objects("s3://in/no*")
    with pytest.raises(UsageError, match="names no bucket"):
        s3.objects("s3:///x")
