"""`lakehouse publish` and `reference` on a real Kafka and S3: from objects, and on after Ctrl-C and kill -9."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from confluent_kafka import Consumer, TopicPartition
from pyarrow import fs

from lakehouse import kafka_access
from lakehouse.settings import settings

pytestmark = pytest.mark.stack

COMMAND = (sys.executable, "-m", "lakehouse.cli.main")
SOURCES = ("calls", "sms", "payment", "recharge", "support", "users", "devices", "cell_sites", "agents")


class Cli:
    """The command line with topics of a test's own, so that no worker reads them."""

    def __init__(self, stack: dict[str, str]) -> None:
        self.suffix = f"{time.time_ns()}"
        topics = {source: f"{source}-{self.suffix}" for source in SOURCES}
        self.environment = {**os.environ, **stack, "LAKEHOUSE_TOPICS": json.dumps(topics)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, *arguments], env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, *arguments: str) -> dict[str, Any]:
        process = self.start(*arguments, "--json")
        out, self.said = process.communicate(timeout=120)
        assert process.returncode == 0, self.said
        result: dict[str, Any] = json.loads(out)
        return result

    def arrived(self, source: str) -> list[bytes]:
        """The messages in a source's topic."""
        topic = f"{source}-{self.suffix}"
        consumer = Consumer({**kafka_access.librdkafka(settings()), "group.id": topic, "enable.partition.eof": False})
        try:
            parts = [
                TopicPartition(topic, number, 0)
                for number in consumer.list_topics(topic, timeout=20).topics[topic].partitions
            ]
            left = sum(consumer.get_watermark_offsets(part, timeout=20)[1] for part in parts)
            consumer.assign(parts)
            found: list[bytes] = []
            while len(found) < left and (got := consumer.consume(min(10_000, left - len(found)), timeout=20)):
                found += [message.value() or b"" for message in got]
            return found
        finally:
            consumer.close()

    def marks(self) -> list[dict[str, Any]]:
        """What is remembered of this test's topics."""
        paths = (Path(self.environment["LAKEHOUSE_DATA_DIR"]) / "publish").glob("*.json")
        return [mark for path in paths if self.suffix in (mark := json.loads(path.read_text()))["topic"]]


@pytest.fixture
def cli(stack: dict[str, str]) -> Cli:
    return Cli(stack)


@pytest.fixture
def bucket(stack: dict[str, str]) -> Iterator[fs.S3FileSystem]:
    now, url = settings(), urlsplit(settings().s3_endpoint)
    system = fs.S3FileSystem(
        access_key=now.s3_access_key, secret_key=now.s3_secret_key.get_secret_value(), region=now.s3_region,
        endpoint_override=url.netloc, scheme=url.scheme, allow_bucket_creation=True, allow_bucket_deletion=True,
    )  # fmt: skip
    system.create_dir("incoming")
    yield system
    system.delete_dir("incoming")


def put(system: fs.S3FileSystem, key: str, content: bytes) -> None:
    with system.open_output_stream(f"incoming/{key}", compression=None) as out:
        out.write(content)


def events(name: str, count: int) -> bytes:
    return b"".join(b'{"uuid": "%s-%d", "customer": "0101%07d"}\n' % (name.encode(), n, n % 1000) for n in range(count))


def test_objects_of_s3_are_published_as_they_stand(cli: Cli, bucket: fs.S3FileSystem) -> None:
    put(bucket, "day/1.ndjson", events("one", 100_000))
    put(bucket, "day/2.ndjson.gz", gzip.compress(events("two", 50_000)))
    put(bucket, "day/3.json", b"[" + b",".join(events("three", 10).splitlines()) + b"]")
    put(bucket, "other/4.ndjson", events("four", 10))
    assert cli.run("publish", "calls", "s3://incoming/day/")["published"] == 150_010
    expected = [
        *events("one", 100_000).splitlines(),
        *events("two", 50_000).splitlines(),
        *events("three", 10).splitlines(),
    ]
    assert sorted(cli.arrived("calls")) == sorted(expected)
    assert cli.run("publish", "sms", "s3://incoming/*/*.ndjson", "--rate", "200000")["published"] == 100_010
    assert cli.run("publish", "payment", "s3://incoming/other/4.ndjson")["published"] == 10


def test_what_s3_does_not_give_is_said(cli: Cli, bucket: fs.S3FileSystem) -> None:
    put(bucket, "1.ndjson", events("one", 1))
    for address, sentence in (
        ("s3://incoming/none", "there is no such object"),
        ("s3://nowhere/none", "there is no such"),
        ("s3://nowhere/", "there is no"),
        ("s3://incoming/no*", "there is no object s3://incoming/no*"),
    ):
        process = cli.start("publish", "calls", address)
        _, said = process.communicate(timeout=60)
        assert (process.returncode, said.count("\n")) == (2, 1), said
        assert sentence in said
    cli.environment["LAKEHOUSE_S3_SECRET_KEY"] = "wrong"
    _, said = cli.start("publish", "calls", "s3://incoming/1.ndjson").communicate(timeout=60)
    assert "refuses it to the key" in said
    cli.environment["LAKEHOUSE_S3_ENDPOINT"] = "http://127.0.0.1:1"
    _, said = cli.start("publish", "calls", "s3://incoming/1.ndjson").communicate(timeout=60)
    assert "does not answer" in said


def mark_of(cli: Cli, file: str, at_least: int) -> int:
    """Wait until so many of a file's messages are remembered."""
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        for mark in cli.marks():
            if mark["file"] == file and mark["acknowledged"] >= at_least:
                return int(mark["acknowledged"])
        time.sleep(0.05)
    raise AssertionError(cli.marks())


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL], ids=["ctrl_c", "kill_9"])
def test_an_interrupted_command_goes_on_where_it_stopped(cli: Cli, tmp_path: Path, ending: signal.Signals) -> None:
    first, second = tmp_path / "first.ndjson", tmp_path / "second.ndjson.gz"
    first.write_bytes(events("first", 5_000))
    second.write_bytes(gzip.compress(events("second", 40_000)))
    command = ("publish", "calls", str(first), str(second))
    process = cli.start(*command, "--rate", "8000")
    mark_of(cli, str(second), 8_000)
    process.send_signal(ending)
    out, said = process.communicate(timeout=60)
    there = len(cli.arrived("calls"))
    before = mark_of(cli, str(second), 8_000)
    assert before < 40_000
    if ending == signal.SIGINT:
        assert process.returncode == 130
        assert "stopped after" in out
        assert "the same command goes on from here" in said
        assert there == 5_000 + before, "what was handed over is delivered and remembered"
    result = cli.run(*command)
    assert result["published_before"] == 5_000 + before
    assert result["published"] == 40_000 - before
    assert f"{second}: goes on after {before:,} messages sent before (--from-start sends them again)" in cli.said
    arrived = cli.arrived("calls")
    assert set(arrived) == {*events("first", 5_000).splitlines(), *events("second", 40_000).splitlines()}
    assert len(arrived) == 45_000 if ending == signal.SIGINT else 45_000 <= len(arrived) < 45_000 + 2 * 8_000
    assert cli.marks() == []
    assert cli.run(*command)["published"] == 45_000, "a command that came to its end starts from the beginning"


def test_an_interrupted_object_goes_on_or_starts_again_as_asked(cli: Cli, bucket: fs.S3FileSystem) -> None:
    put(bucket, "big.ndjson", events("big", 30_000))
    address = "s3://incoming/big.ndjson"
    process = cli.start("publish", "support", address, "--rate", "5000")
    mark_of(cli, address, 5_000)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    before = mark_of(cli, address, 5_000)
    assert cli.run("publish", "support", address)["published"] == 30_000 - before
    process = cli.start("publish", "support", address, "--rate", "5000")
    mark_of(cli, address, 5_000)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert cli.run("publish", "support", address, "--from-start")["published"] == 30_000


def test_records_of_all_four_kinds_go_through_untouched_from_s3_too(cli: Cli, bucket: fs.S3FileSystem) -> None:
    exports = {
        "users": b'{"user_sk": 7, "msisdn": "01012345678", "customer_type": "gold", "effective_to": null, "is_current": true}',
        "devices": b'{"tac": "35000001", "imei": "350000011234567", "os": "KaiOS"}',
        "cell_sites": b'{"cell_id": "C1", "is_current": "Y"}',
        "agents": b'{"agent_id": "A1", "effective_to": "9999-12-31"}',
    }
    for kind, record in exports.items():
        put(bucket, f"{kind}.json", b"[" + record + b"]")
        assert cli.run("reference", kind, f"s3://incoming/{kind}.json")["published"] == 1
        assert cli.arrived(kind) == [record]
    put(bucket, "old.json", b'[{"imei": "350000011234567", "os": "KaiOS"}]')
    process = cli.start("reference", "devices", "s3://incoming/old.json")
    _, said = process.communicate(timeout=60)
    assert (process.returncode, "record 1: no tac, the key of devices. Nothing was published." in said) == (2, True), (
        said
    )


def test_an_empty_file_is_no_mistake_and_is_told(cli: Cli, tmp_path: Path) -> None:
    empty = tmp_path / "nothing.ndjson"
    empty.write_text("")
    assert cli.run("publish", "calls", str(empty))["published"] == 0
    assert f"{empty}: there is no message in it" in cli.said
    assert cli.run("reference", "users", str(empty))["published"] == 0
    assert f"{empty}: there is no record in it" in cli.said
