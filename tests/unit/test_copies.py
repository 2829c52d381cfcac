"""What the copies do where the record of builds has forgotten what they would go by."""

from types import SimpleNamespace
from typing import Any

import pytest

from lakehouse.copies.copy import Change, Copies


class FakeServer:
    """A ClickHouse whose copy of fact_calls holds one build; keeps what it is told."""

    def __init__(self, holds: int) -> None:
        self._holds = holds
        self.told: list[str] = []

    def query(self, sql: str, **values: str) -> list[Any]:
        if "user_turns" in sql or "user_versions" in sql:
            return [[1, 1, 0]] if sql.lstrip().startswith("select brought") else [[0]] if "greatest" in sql else []
        if "from gold.copies" in sql:
            known = self._holds and values["table"] == "fact_calls"
            return [[self._holds, 1]] if known else []
        return [("build_id", "Int64")] if "system.columns" in sql else []

    def run(self, sql: str, query_id: str = "") -> int:
        self.told.append(sql)
        return 0


@pytest.mark.parametrize(
    ("holds", "known", "anew"),
    [
        pytest.param(10, range(11, 1101), False, id="the record goes back to what the copy holds"),
        pytest.param(10, range(101, 1101), True, id="it begins later: what moved before is not known"),
        pytest.param(0, range(101, 1101), True, id="it was never made"),
    ],
)
def test_a_copy_behind_the_record_is_made_anew(holds: int, known: range, anew: bool) -> None:
    server: Any = FakeServer(holds)
    states: Any = SimpleNamespace(state=lambda name: SimpleNamespace(snapshot_id=2))
    changes = [Change(number) for number in known]
    Copies(server, states).refresh(changes, ["fact_calls"], [])
    assert any(sql.startswith("exchange tables gold.fact_calls and") for sql in server.told) == anew
    [insert] = [sql for sql in server.told if "`gold.fact_calls`" in sql]
    assert ("where build_id > " in insert) != anew
