"""What the copies do where the record of builds has forgotten what they would go by, or rows can't be corrected."""

from types import SimpleNamespace
from typing import Any

import pytest

from lakehouse.copies.copy import Change, Copies
from lakehouse.errors import LakehouseError

LOOKED_UP = "joinGetOrNull('gold.user_attributes', '{}', user_sk)"


class FakeServer:
    """A ClickHouse whose copy of fact_calls holds one build; keeps what it is told."""

    def __init__(self, holds: int) -> None:
        self._holds = holds
        self.told: list[str] = []

    def query(self, sql: str, **values: str) -> list[Any]:
        if "greatest" in sql or "user_attributes" in sql:
            return [] if "system.columns" in sql else [[1]]
        if "user_turns" in sql or "user_versions" in sql:
            return []
        if "from gold.copies" in sql:
            known = self._holds and values["table"] == "fact_calls"
            return [[self._holds, 1]] if known else []
        return [("build_id", "Int64")] if "system.columns" in sql else []

    def run(self, sql: str, query_id: str = "") -> int:
        self.told.append(sql)
        return 0


class KeyInOrder(FakeServer):
    """One in which a version changed that rows of fact_calls have; that table is ordered by the key of it."""

    def query(self, sql: str, **values: str) -> list[Any]:
        if sql.lstrip().startswith("select 1 from gold.user_versions where number in"):
            return [[1]]
        if "system.columns" in sql and "default_expression" in sql and values["table"] == "fact_calls":
            return [("user_no", LOOKED_UP.format("number")), ("user_plan", LOOKED_UP.format("plan_type"))]
        return super().query(sql, **values)

    def run(self, sql: str, query_id: str = "") -> int:
        if "update user_sk = user_sk" in sql:
            raise LakehouseError("ClickHouse: Cannot UPDATE key column `user_sk`")
        return super().run(sql, query_id)


@pytest.mark.parametrize("new", [0, 1])
def test_a_copy_whose_rows_cannot_be_corrected_is_made_anew(new: int) -> None:
    server: Any = KeyInOrder(10)
    states: Any = SimpleNamespace(state=lambda name: SimpleNamespace(snapshot_id=1))
    [copied] = Copies(server, states).refresh([Change(n) for n in range(1, 11 + new)], ["fact_calls"], [])
    assert (copied.table, copied.error) == ("fact_calls", None)
    assert "exchange tables gold.fact_calls and gold.fact_calls__next" in server.told


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
