"""Records that come after the facts they concern: facts follow, in gold and in ClickHouse; and incremental equals full."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from lakehouse.gold.models import models

pytestmark = pytest.mark.stack
Query = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def number() -> str:
    return f"+2010{uuid4().int % 10**8:08d}"


def payment(number: str, month: int) -> str:
    return json.dumps(
        {
            "event_type": "payment",
            "sid": f"{number}-{month}",
            "timestamp": f"2026-{month:02d}-15 12:00:00",
            "customer": number,
            "phone_number": number,
            "status": "success",
            "payment_type": "Subscription",
            "payment_amount": 10,
            "payment_method": "card",
            "transaction_id": f"T{month}",
            "billing_info": {"amount": 10, "currency": "EGP"},
        }
    )


def record(number: str, plan: str, since: str) -> str:
    return json.dumps(
        {"phone_number": number, "user_id": "U1", "plan_type": plan, "effective_from": f"{since}T00:00:00Z"}
    )


@pytest.fixture
def told(lakehouse: Any, settled: Any, tmp_path: Path) -> Callable[[str], None]:
    """Publish one user record and wait until gold has it: the audit follows records as far as silver only."""

    def tell(line: str) -> None:
        (tmp_path / "user.ndjson").write_text(line)
        lakehouse("reference", "users", str(tmp_path / "user.ndjson"))
        settled()
        lakehouse("build")

    return tell


def plans(query: Query, number: str) -> dict[int, str | None]:
    """By month of the payment the plan of the version that it points to."""
    rows = query(
        "select month(f.event_time) as m, d.plan_type as p from gold.fact_payment f"
        f" left join gold.dim_user d on d.user_sk = f.user_sk where f.phone_number = '{number}'"
    )
    assert len(rows) == 4  # no payment twice, none away
    return {int(r["m"]): r["p"] for r in rows}


def test_facts_follow_records_that_come_late(
    lakehouse: Any, settled: Any, told: Any, trino: Query, clickhouse: Query, number: str, tmp_path: Path
) -> None:
    def everywhere() -> list[str | None]:
        found = plans(trino, number)
        assert plans(clickhouse, number) == found
        held = clickhouse(
            f"select month(event_time) as m, user_plan as p from gold.fact_payment where phone_number = '{number}'"
        )
        assert {int(r["m"]): r["p"] for r in held} == found  # what the copy keeps by the hour
        return [found[month] for month in (2, 3, 4, 5)]

    file = tmp_path / "payments.ndjson"
    file.write_text("\n".join(payment(number, month) for month in (2, 3, 4, 5)))
    lakehouse("publish", "payment", str(file))
    settled()
    assert everywhere() == [None, None, None, None]  # an inferred member

    told(record(number, "Prepaid", "2026-01-01"))  # fills it: its key stays
    assert everywhere() == ["Prepaid", "Prepaid", "Prepaid", "Prepaid"]

    told(record(number, "Gold", "2026-04-01"))  # opens a version in the past
    assert everywhere() == ["Prepaid", "Prepaid", "Gold", "Gold"]

    told(record(number, "Gold", "2026-03-01"))  # moves its beginning: the version has another key now
    assert everywhere() == ["Prepaid", "Gold", "Gold", "Gold"]

    told(record(number, "Silver", "2026-05-01"))
    told(record(number, "Gold", "2026-05-01"))  # a correction makes two versions one
    assert everywhere() == ["Prepaid", "Gold", "Gold", "Gold"]


def contents(trino: Query) -> dict[str, Any]:
    """A fingerprint of each gold table: all columns but the build's id."""
    found = {}
    for model in models().values():
        columns = ", ".join(c.name for c in model.columns if c.name != "build_id")
        rows = trino(f"select count(*) as n, to_hex(checksum(row({columns}))) as sum from gold.{model.table}")
        found[model.table] = (rows[0]["n"], rows[0]["sum"])
    return found


def test_incremental_builds_give_the_rows_of_a_full_one(
    lakehouse: Any, settled: Any, trino: Query, clickhouse: Query
) -> None:
    settled()
    before = contents(trino)
    assert before["fact_payment"][0] >= 4
    lakehouse("build", "--full")
    account = settled()
    assert contents(trino) == before
    build = account["build_id"]
    assert clickhouse("select distinct build_id as b from gold.fact_payment") == [{"b": build}]
    # a table that was replaced has its comments again
    commented = json.loads(lakehouse("schemas", "gold.fact_payment", "--json").stdout)[0]["columns"]
    assert all(column["comment"] for column in commented)


def test_full_checks_hold(lakehouse: Any, settled: Any) -> None:
    settled()
    said = json.loads(lakehouse("check", "--json").stdout)
    assert said["passed"], [c for c in said["checks"] if not c["passed"]]
    assert {c["table"] for c in said["checks"]} == set(models())
