"""An operator's own folder: a tenth source is data files alone; and a model that can't be read stops nobody else."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.stack

CONTRACT = """
source: data_usage
kind: event
event_type: data
title: Data usage
amount: amount
fields:
  - {name: session_id, type: string, required: true, doc: session of the gateway}
  - {name: phone_number, type: phone, required: true, doc: who used data}
  - {name: cell_site, type: string, known_in: cell_sites, doc: cell that served it}
  - {name: bytes_up, type: int, required: true, range: {min: 0}, doc: bytes sent}
  - {name: bytes_down, type: int, required: true, range: {min: 0}, doc: bytes received}
  - {name: duration_seconds, type: int, required: true, range: {min: 0}, doc: seconds}
  - {name: amount, path: billing_info.amount, type: money, required: true, range: {min: 0}, doc: price}
  - {name: currency, path: billing_info.currency, type: currency, required: true, doc: ISO 4217 code}
enrichment:
  - {column: plan_type, reference: users, key: phone_number, attribute: plan_type}
"""
MODEL = """
-- grain: one row an accepted data session
-- reads: silver.data_usage, dim_user, dim_cell_site
-- incremental: the accepted rows between the last build's offsets and this one's
with events as (
    {{ keyed(new("data_usage")) }}
)
select {{ sk("e.event_type", "e.event_id") }} as transaction_sk, {{ date_sk("e.event_time") }} as date_sk,
    {{ time_sk("e.event_time") }} as time_sk, e.event_time, e.event_type, {{ keys("e") }},
    e.session_id, e.phone_number, e.cell_site, e.bytes_up, e.bytes_down, e.duration_seconds, e.amount, e.currency,
    {{ lineage("e") }}
from events e
{{ joins("e") }}
"""
COLUMNS = {
    "transaction_sk": ("varchar", "UInt128"),
    "date_sk": ("varchar", "UInt128"),
    "time_sk": ("integer", "UInt32"),
    "event_time": ("timestamp(6) with time zone", "DateTime64(6, 'UTC')"),
    "event_type": ("varchar", "LowCardinality(String)"),
    "user_sk": ("varchar", "UInt128"),
    "cell_sk": ("varchar", "UInt128"),
    "session_id": ("varchar", "String"),
    "phone_number": ("varchar", "String"),
    "cell_site": ("varchar", "Nullable(String)"),
    "bytes_up": ("bigint", "UInt64"),
    "bytes_down": ("bigint", "UInt64"),
    "duration_seconds": ("bigint", "UInt32"),
    "amount": ("decimal(18,4)", "Decimal(18, 4)"),
    "currency": ("varchar", "LowCardinality(String)"),
    "kafka_topic_id": ("varchar", "LowCardinality(String)"),
    "kafka_partition": ("integer", "Int32"),
    "kafka_offset": ("bigint", "Int64"),
    "kafka_timestamp": ("timestamp(6) with time zone", "DateTime64(6, 'UTC')"),
    "build_id": ("bigint", "Int64"),
}
DESCRIPTION = {
    "table": "fact_data_usage",
    "kind": "fact",
    "title": "Data usage",
    "grain": "one row an accepted data session",
    "reads": "data_usage",
    "surrogate_key": "transaction_sk",
    "partition": "day(event_time)",
    "foreign_keys": [
        {"column": "user_sk", "dimension": "dim_user", "key": "phone_number"},
        {"column": "cell_sk", "dimension": "dim_cell_site", "key": "cell_site"},
    ],
    "columns": [{"name": name, "type": kind, "comment": name} for name, (kind, _) in COLUMNS.items()],
}
TABLE = (
    "create table if not exists gold.fact_data_usage ("
    + ", ".join(f"{name} {kind}" for name, (_, kind) in COLUMNS.items())
    + ") engine = MergeTree order by (toDate(event_time), event_time)"
)
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Commands on a stack whose operator has a source of their own, and a spoiled file in the place of fact_sms."""
    folder = tmp_path_factory.mktemp("own")
    files = {
        "streams/contracts/data_usage.yaml": CONTRACT,
        "trino/gold/fact_data_usage.sql": MODEL,
        "trino/gold/fact_data_usage.yaml": json.dumps(DESCRIPTION),
        "trino/gold/fact_data_usage.examples.yaml": "[]",
        "clickhouse/tables/fact_data_usage.sql": TABLE,
        "trino/gold/fact_sms.yaml": "table: fact_sms\nkind: [",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LAKEHOUSE_")}
    cache = {name: value for name, value in os.environ.items() if name == "LAKEHOUSE_CACHE_DIR"}
    data = tmp_path_factory.mktemp("stack")
    variables = {"LAKEHOUSE_DATA_DIR": str(data), "LAKEHOUSE_EXTENSIONS": json.dumps([str(folder)])}

    def run(*arguments: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "lakehouse.cli.main", *arguments],
            env={**clean, **cache, **variables},
            capture_output=True,
            text=True,
            timeout=900,  # `up` itself gives up what does not get on
            check=False,
        )
        assert code in (None, done.returncode), f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    try:
        run("up", "--detach", "--free-ports")
        yield run
    finally:
        run("down", code=None)


def session(number: int, **changes: Any) -> str:
    good = {
        "event_type": "data",
        "sid": f"D{number}",
        "timestamp": "2026-03-01 10:15:00",
        "session_id": f"S{number}",
        "phone_number": "01012345678",
        "cell_site": "CELL1",
        "bytes_up": 5_000_000_000,
        "bytes_down": 7,
        "duration_seconds": 60,
        "billing_info": {"amount": "0.25", "currency": "EGP"},
    }
    return json.dumps({**good, **changes})


@pytest.fixture(scope="module")
def account(own: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The audit after three sessions, one of them wrong, and a payment."""
    file = tmp_path_factory.mktemp("events") / "data.ndjson"
    file.write_text("\n".join([session(1), session(2, bytes_up=-1), session(3, cell_site=None)]))
    own("publish", "data_usage", str(file), "--key-field", "phone_number")
    own("generate", "--sources", "payment,sms", "--events", "20", "--defects", "none", "--no-reference")
    until = time.monotonic() + 300
    while True:  # the spoiled table never balances: nothing to wait for by `--wait`
        found: dict[str, Any] = json.loads(own("audit", "--json", code=None).stdout)
        sources = found["sources"]
        if (sources["data_usage"]["gold"], sources["payment"]["gold"]) == (2, 10) or time.monotonic() > until:
            return found


def test_a_tenth_source_needs_no_python(own: Run, account: dict[str, Any]) -> None:
    mine = account["sources"]["data_usage"]
    assert mine["balanced"], mine
    assert mine["complete"], mine
    assert (mine["accepted"], mine["gold"], mine["clickhouse"]) == (2, 2, 2)
    assert mine["reasons"] == {"range:bytes_up": 1}
    assert mine["amount"] == {"EGP": {"silver": "0.5000", "gold": "0.5000", "clickhouse": "0.5000"}}
    rows = own(
        "sql",
        "--engine",
        "clickhouse",
        "--json",
        "select f.session_id, f.bytes_up, f.amount, u.phone_number, u.is_inferred, c.cell_id from gold.fact_data_usage f"
        " join gold.dim_user u on u.user_sk = f.user_sk join gold.dim_cell_site c on c.cell_sk = f.cell_sk order by 1",
    ).stdout
    assert [list(row.values()) for row in json.loads(rows)] == [
        ["S1", 5_000_000_000, "0.2500", "+201012345678", True, "CELL1"],
        ["S3", 5_000_000_000, "0.2500", "+201012345678", True, None],
    ]


def test_a_spoiled_model_is_told_and_stops_nobody(own: Run, account: dict[str, Any]) -> None:
    assert not account["balanced"]
    assert any("fact_sms.yaml" in problem and "no YAML" in problem for problem in account["problems"])
    assert account["sources"]["payment"]["balanced"]
    assert account["sources"]["payment"]["clickhouse"] == 10
    status = json.loads(own("status", "--json").stdout)
    assert any("fact_sms.yaml" in problem and "no YAML" in problem for problem in status["problems"])
