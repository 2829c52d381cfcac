"""What a killed worker leaves in its consumer group, and what its successor makes of it."""

import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lakehouse.settings import settings
from streams.topics import Topics
from streams.worker.membership import client_id, end_former
from tests.loops import run

pytestmark = pytest.mark.stack
# A member that says when it has its partitions, and then only stays; its session outlives the test.
MEMBER = """
import sys
from confluent_kafka import Consumer
from lakehouse import kafka_access
from lakehouse.settings import settings
consumer = Consumer({**kafka_access.librdkafka(settings()), "group.id": sys.argv[2], "client.id": sys.argv[3],
                     "session.timeout.ms": 60000, "heartbeat.interval.ms": 500})
consumer.subscribe([sys.argv[4]], on_assign=lambda *_: print("mine", flush=True))
while True:
    consumer.poll(0.2)
"""


@pytest.fixture
def group(stack: Any) -> str:
    """A group of one's own: what a test leaves in it holds up nobody."""
    return f"group-of-a-test-{secrets.token_hex(4)}"


@pytest.fixture
def members(group: str) -> Iterator[list["subprocess.Popen[str]"]]:
    """Two members of a group, in this order: `killed` and `alive`."""
    started = []
    for name in ("killed", "alive"):
        words = [
            sys.executable,
            "-c",
            MEMBER,
            "-",
            group,
            client_id(name),
            settings().topic("calls"),
        ]
        started.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
    try:
        for one in started:
            assert one.stdout is not None
            assert one.stdout.readline() == "mine\n"
        yield started
    finally:
        for one in started:
            one.kill()
            one.communicate()


def ended(name: str, group: str) -> int:
    return run(end_former(settings(), group, name))


def all_with(group: str, *names: str) -> bool:
    """Whether these and no others are in the group, and all partitions are given out, within 20 seconds."""
    limit = time.monotonic() + 20
    while time.monotonic() < limit:
        found = Topics(settings()).members(group)
        if set(found) == set(map(client_id, names)) and sum(map(len, found.values())) == settings().kafka_partitions:
            return True
        time.sleep(0.2)
    return False


def test_a_killed_members_partitions_go_to_the_others_as_soon_as_its_successor_says_so(
    members: list["subprocess.Popen[str]"], group: str
) -> None:
    assert all_with(group, "killed", "alive")
    members[0].kill()
    members[0].wait()
    assert ended("killed", group) == 1
    assert all_with(group, "alive")


def test_a_live_member_of_the_same_name_joins_again(members: list["subprocess.Popen[str]"], group: str) -> None:
    assert all_with(group, "killed", "alive")
    assert ended("alive", group) == 1
    assert all_with(group, "killed", "alive")


def test_others_and_groups_that_are_not_there_are_left_alone(
    members: list["subprocess.Popen[str]"], group: str
) -> None:
    assert ended("another", group) == 0
    assert ended("killed", "no-such-group") == 0
    assert all_with(group, "killed", "alive")
