"""What the audit says of builds besides its counts."""

from datetime import UTC, datetime

import pytest

from catalog.offsets import PartitionId
from lakehouse.audit.account import _problems, _under_way
from lakehouse.audit.balance import Account
from lakehouse.gold.builds import Build, TableResult, Watermarks

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


@pytest.mark.parametrize(
    ("full", "table", "result", "stays"),
    [
        (True, "fact_calls", TableResult(), False),
        (True, "fact_calls", TableResult(error="the disk is full"), True),
        (True, "fact_sms", TableResult(), True),
        (False, "fact_calls", TableResult(), True),
    ],
    ids=["made anew", "not made anew after all", "another table made anew", "only added to"],
)
def test_a_failed_check_is_told_until_the_table_was_made_anew(
    full: bool, table: str, result: TableResult, stays: bool
) -> None:
    wrong = Build(10, {"fact_calls": {}}, AT, results={"fact_calls": TableResult(failed_checks=["2 rows twice"])})
    later = Build(11, {table: {}}, AT, full, results={table: result}, watermarks=TAKEN)
    assert any("2 rows twice" in said for said in _problems([wrong, later], 11)) == stays


def test_a_check_that_fails_again_on_a_table_made_anew_is_told_once() -> None:
    results = {"fact_calls": TableResult(failed_checks=["2 rows twice"])}
    builds = [Build(n, {"fact_calls": {}}, AT, n == 11, results=results, watermarks=TAKEN) for n in (10, 11)]
    assert [said.partition(":")[0] for said in _problems(builds, 11)] == ["build 11"]


def test_what_is_still_being_made_keeps_an_account_from_being_complete() -> None:
    done, planned = Build(7, {}, AT, results={}), Build(8, {}, AT)
    assert _under_way([], 0) is None
    assert _under_way([done], 7) is None
    assert "build 8 is under way" in str(_under_way([done, planned], 7))
    assert "build 7 is not copied whole" in str(_under_way([done], 6))
    assert Account(7, {}, {}).exit_code == 0
    assert Account(7, {}, {}, under_way="build 8 is under way").exit_code == 3
