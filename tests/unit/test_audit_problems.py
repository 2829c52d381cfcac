"""What the audit says of builds besides its counts."""

from datetime import UTC, datetime

import pytest

from catalog.offsets import PartitionId
from lakehouse.audit.account import _problems
from lakehouse.gold.builds import Build, Watermarks

AT = datetime(2026, 3, 1, tzinfo=UTC)
TAKEN: Watermarks = {"fact_calls": {"calls": (1, {PartitionId("topic", 0): 10})}}


@pytest.mark.parametrize(
    ("copied", "says"),
    [(200, ""), (10, "the copies hold build 10, the newest is 200: too far back"), (0, "")],
    ids=["the newest", "one of which the record keeps no offsets", "none yet"],
)
def test_copies_too_far_behind_to_be_counted_are_said_and_not_counted_as_nothing(copied: int, says: str) -> None:
    builds = [Build(10, {}, AT, results={}), Build(200, {}, AT, results={}, watermarks=TAKEN)]
    found = _problems(builds, copied)
    assert len(found) == bool(says)
    assert all(problem.startswith(says) for problem in found)
