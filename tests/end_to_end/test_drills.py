"""The drills in small: the line is broken under load, heals by itself, and each event is accounted for."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from drills.__main__ import carry_out
from drills.field import Field
from streams.contract import contracts

pytestmark = [pytest.mark.stack, pytest.mark.last]
_RATE = 200


@pytest.fixture(scope="module")
def field(stack: dict[str, str], drill_dir: Path) -> Iterator[Field]:
    """The tests' stack, with a second worker, so that somebody takes over."""
    if not (drill_dir).is_dir():
        pytest.skip("the stack was not started with the drills' hook")
    one = Field(drill_dir, _RATE)
    with one.more_workers(1):
        yield one


def test_workers_killed_and_suspended_and_storage_that_fails_lose_and_double_nothing(field: Field) -> None:
    outcome = carry_out(field, ["kill", "suspend", "storage"], random.randrange(10**6), short=True)
    assert outcome.events > 1000
    assert outcome.did["suspended and woken"] == 1
    assert outcome.did["commit applied, no answer"] >= 1


def test_hostile_messages_and_a_poisoned_redis_stop_nothing(field: Field) -> None:
    outcome = carry_out(field, ["hostile"], random.randrange(10**6), short=True)
    assert outcome.did["bombs"] == 24
    assert sum(count for what, count in outcome.did.items() if what.startswith("Redis")) > 5


def test_a_topic_made_again_is_read_and_retention_that_overtakes_is_reported(field: Field) -> None:
    outcome = carry_out(field, ["topics"], random.randrange(10**6), short=True)
    assert outcome.did == {"topic made again": 1, "partition overtaken by retention": 1}


def test_whatever_the_tests_have_sent_is_in_silver_as_its_message_gives(field: Field) -> None:
    said = json.loads(field.command("verify", "--lake", "--from-bronze", "--json"))
    again = [table for table in said["tables"] if table["table"].endswith("from bronze")]
    assert len(again) == len(contracts())
    assert [table["passed_over"] for table in again] == [None] * len(again)
