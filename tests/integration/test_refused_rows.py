"""What a row can do to a statement is told from what a server does: only that sets rows aside."""

from typing import Any

import pytest

from lakehouse.errors import Refused
from lakehouse.gold.engine import Engine
from lakehouse.settings import settings

pytestmark = pytest.mark.stack


@pytest.mark.parametrize(
    "worked_out",
    [
        "checksum(concat(sid, sid))",  # "Concatenated string is too large", what a 7 MB id did
        "checksum(1 / length(replace(sid, 'S')))",
        "checksum(cast(substr(sid, 1, 9) as bigint))",
        "sum(cast(length(sid) as bigint) * bigint '9223372036854775807')",
    ],
)
def test_what_trino_can_not_work_out_for_a_row_is_that_rows_fault(stack: Any, worked_out: str) -> None:
    long = "array_join(repeat('S' || rpad('', 1000, 'S'), 900), '')"
    with pytest.raises(Refused):
        Engine(settings(), source="lakehouse-test").run(f"select {worked_out} from (select {long} as sid)")
