"""Trino's catalogs on real servers: topics of any content, the ten saved questions, a PostgreSQL of an operator's."""

import base64
import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from lakehouse import kafka_access
from lakehouse.paths import data_folder
from lakehouse.settings import settings
from lakehouse.stack.certificates import ensure
from lakehouse.stack.ports import choose
from lakehouse.stack.process import end, spawn, tail
from lakehouse.stack.server import Site
from lakehouse.stack.state import StackState
from lakehouse.stack.trino import Trino
from streams.contract import contracts

pytestmark = pytest.mark.stack

MARK = uuid.uuid4().hex[:8]
# Numbers that the generator does not give: each run has its own.
ASKS, MOVES = (f"+2010{int(MARK, 16) % 10**7:07d}{digit}" for digit in "12")
TAC = f"{int(MARK, 16) % 10**7:07d}9"
ROOT = Path(__file__).resolve().parents[2]
# It needed 373 s on a machine with a load of 30.
_TRINO_STARTS_IN_S = 900.0
HOSTILE = [
    b"[1]", b"{}{}", b"\xff\xfe", b"", None, b'"x"', b"{" * 3000, b'{"sid":1e400,"amount":{"a":1}}', b'{"sid":{"a":[1,2]}}',
    b'{"from": "x", "timestamp": [1], "call_duration_seconds": "sixty", "amount": true, "risk_score": 99999999999999999999}',
]  # fmt: skip
Rows = list[dict[str, Any]]
Ask = Callable[..., Rows]
Trinos = Callable[[str], Rows]


def publish(messages: Sequence[tuple[str, str | None, dict[str, Any] | bytes | None]]) -> None:
    """Send messages (source, key, value) in order, and wait until Kafka has them."""
    producer = Producer({**kafka_access.librdkafka(settings()), "linger.ms": 5})
    for source, key, value in messages:
        raw = json.dumps(value).encode() if isinstance(value, dict) else value
        producer.produce(settings().topic(source), key=key, value=raw)
    assert producer.flush(30) == 0


def at(**ago: float) -> str:
    """A time before now, as a source writes it."""
    return (datetime.now(UTC) - timedelta(**ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def call(name: str, **changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "event_type": "call", "sid": f"{MARK}-{name}", "timestamp": at(hours=1), "status": "completed",
        "from": {"phone_number": ASKS, "imei": f"{TAC}1234567"}, "to": {"phone_number": MOVES},
        "call_duration_seconds": 61, "billing_info": {"amount": 0.25, "currency": "EGP"}, "call_type": "Local",
    }  # fmt: skip
    return base | changes


def events() -> list[tuple[str, str | None, dict[str, Any] | bytes | None]]:
    """What the questions are to find."""
    money = {"billing_info": {"amount": 10, "currency": "EGP"}}
    who = {"customer": ASKS, "phone_number": ASKS}
    recharge = {
        "event_type": "recharge", "sid": f"{MARK}-r", "timestamp": at(hours=3), "status": "failed", "recharge_amount": 10,
        "balance_before": 0, "balance_after": 0, "payment_method": "card", "transaction_id": MARK,
    }  # fmt: skip
    support = {
        "event_type": "support", "sid": f"{MARK}-s", "timestamp": at(hours=2), "channel": "chat", "reason": f"why-{MARK}",
        "wait_time_seconds": 5, "resolution_time_seconds": 60, "agent_id": "nobody", "escalated": True, "satisfaction_score": 2,
    }  # fmt: skip
    return [
        ("calls", ASKS, call("good")),
        ("calls", ASKS, call("nowhere", to={"phone_number": MOVES, "cell_site": f"CELL-{MARK}"})),
        ("calls", ASKS, call("bad", status=f"gone-{MARK}")),
        ("calls", None, b"{"),
        ("recharge", ASKS, recharge | who | money),
        ("support", ASKS, support | who),
    ]


@pytest.fixture(scope="module")
def sent(stack: dict[str, str], lakehouse: Any, settled: Any) -> None:
    """Generated events of all sources and some of our own, settled to ClickHouse."""
    lakehouse("generate", "--events", "1000", "--users", "500")
    later = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    publish(
        [
            ("users", ASKS, {"phone_number": ASKS, "plan_type": f"Plan-{MARK}"}),
            ("users", MOVES, {"phone_number": MOVES, "plan_type": "Old"}),
            ("users", MOVES, {"phone_number": MOVES, "plan_type": "New", "effective_from": later}),
            ("devices", TAC, {"tac": TAC, "brand": f"Brand-{MARK}"}),
        ]
    )
    settled()
    publish(events())
    settled()


@pytest.fixture
def ask(sent: None, lakehouse: Any) -> Ask:
    """Run a saved question and give its rows."""

    def run(name: str, **values: Any) -> Rows:
        options = [word for key, value in values.items() for word in ("--param", f"{key}={value}")]
        rows: Rows = json.loads(lakehouse("sql", "--run", name, *options, "--json").stdout)
        return rows

    return run


def test_redis_has_the_latest_record_of_each_key(sent: None, trino: Trinos) -> None:
    [row] = trino(f"select plan_type, name, activation_date from redis.default.users where phone_number = '{MOVES}'")
    assert row == {"plan_type": "New", "name": None, "activation_date": None}
    [cells] = trino("select count(*) as n, count(latitude) as placed from redis.default.cell_sites")
    assert cells["n"] >= 500
    assert cells["placed"] > 0
    [dates] = trino("select count(activation_date) as n from redis.default.users")
    assert dates["n"] > 0


def test_what_no_worker_has_read_yet_is_on_the_topic_and_not_in_silver(
    ask: Ask, stack: dict[str, str], settled: Any
) -> None:
    now = StackState.read(Path(stack["LAKEHOUSE_DATA_DIR"]))
    assert now is not None
    workers = [one.process.pid for one in now.servers if one.name.startswith("worker-") and one.process]
    assert workers
    try:
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        publish([("calls", ASKS, call(f"waits-{n}")) for n in range(3)])
        [calls] = [row for row in ask("not_yet_in_silver", minutes=5) if row["source"] == "calls"]
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    assert calls["not_yet"] == 3
    assert calls["oldest_waiting"] is not None
    settled()
    [calls] = [row for row in ask("not_yet_in_silver", minutes=60) if row["source"] == "calls"]
    assert calls["not_yet"] == 0
    assert calls["on_topic"] == calls["in_silver"] > 3


def test_what_arrives_is_counted_by_minute(ask: Ask) -> None:
    rows = [row for row in ask("arriving_now", minutes=60) if row["source"] == "calls"]
    assert sum(row["messages"] for row in rows) >= 450
    assert sum(row["unreadable"] for row in rows) >= 1


def test_a_rejected_event_is_shown_with_its_message(ask: Ask) -> None:
    rows = ask("rejected_with_message", source="calls", reason="domain:status", hours=1, examples=100)
    [mine] = [json.loads(row["message"]) for row in rows if f"gone-{MARK}" in row["message"]]
    assert mine["sid"] == f"{MARK}-bad"
    assert ask("rejected_with_message", source="calls", reason="x' or 'a' = 'a") == []
    assert ask("rejected_with_message", source="sms", hours=1) != []


def test_every_layer_holds_the_same_events(ask: Ask) -> None:
    rows = ask("same_at_every_layer")
    assert {row["source"] for row in rows} == {"calls", "sms", "payment", "recharge", "support"}
    assert [row for row in rows if not row["in_silver"] == row["in_gold"] == row["in_clickhouse"]] == []


def test_a_support_case_is_found_after_its_recharge(ask: Ask) -> None:
    [mine] = [row for row in ask("support_after_recharge", days=1) if row["reason"] == f"why-{MARK}"]
    assert (mine["plan"], mine["cases"], mine["customers"]) == (f"Plan-{MARK}", 1, 1)
    assert mine["after_a_failed_recharge"] == 1
    assert [row for row in ask("support_after_recharge", days=0) if row["reason"] == f"why-{MARK}"] == []


def test_a_plan_that_holds_later_differs(ask: Ask) -> None:
    [mine] = [row for row in ask("plan_differs") if row["phone_number"] == MOVES]
    assert (mine["plan_in_redis"], mine["plan_in_gold"]) == ("New", "Old")


def test_revenue_is_the_same_in_gold_and_in_clickhouse(ask: Ask) -> None:
    rows = ask("revenue_per_plan")
    assert {row["difference"] for row in rows} == {"0.0000"}
    [mine] = [row for row in rows if row["plan"] == f"Plan-{MARK}"]
    assert mine["revenue_in_gold"] == mine["revenue_in_clickhouse"] == f"{mine['calls_in_gold'] * 0.25:.4f}"


def test_calls_are_counted_by_the_brand_in_redis(ask: Ask) -> None:
    rows = {row["brand"]: row for row in ask("calls_by_brand", since="today-2")}
    assert rows[f"Brand-{MARK}"]["calls"] >= 2
    assert rows[f"Brand-{MARK}"]["completed_percent"] == 100.0
    assert f"Brand-{MARK}" not in {row["brand"] for row in ask("calls_by_brand", since="2099-01-01")}


def test_a_cell_without_a_record_is_listed(ask: Ask) -> None:
    [mine] = [row for row in ask("unknown_cells", since="today-2") if row["cell_id"] == f"CELL-{MARK}"]
    assert (mine["calls"], mine["with_warning"]) == (1, 1)


def test_a_call_is_followed_from_the_topic_to_clickhouse(ask: Ask) -> None:
    rows = ask("where_is_call", event_id=f"{MARK}-good")
    assert [row["layer"] for row in rows] == ["topic", "silver", "gold", "clickhouse"]
    assert len({(row["kafka_partition"], row["kafka_offset"]) for row in rows}) == 1
    assert json.loads(rows[0]["said"])["sid"] == f"{MARK}-good"
    rows = ask("where_is_call", event_id=f"{MARK}-bad")
    assert [row["said"] for row in rows[1:]] == ["rejected: domain:status"]


def test_a_saved_query_of_clickhouse_runs_and_is_written_to_a_file(sent: None, lakehouse: Any, tmp_path: Path) -> None:
    file = tmp_path / "revenue.csv"
    lakehouse("sql", "--run", "revenue_per_day", "--output", str(file))
    assert file.read_text(encoding="utf-8-sig").splitlines()[0] == "day,call_type,currency,calls,revenue"
    (tmp_path / "clickhouse" / "queries").mkdir(parents=True)
    text = "-- Twice?\n-- param n integer = 1: a number\n-- param t text: a text\nselect :n * 2 as n, :t as t"
    (tmp_path / "clickhouse" / "queries" / "twice.sql").write_text(text)
    command = [sys.executable, "-m", "lakehouse.cli.main", "sql", "--engine", "clickhouse", "--run", "twice", "--json"]
    done = subprocess.run(
        [*command, "--param", "n=21", "--param", "t=it's {n:Int64}; --"],
        env={**os.environ, "LAKEHOUSE_EXTENSIONS": json.dumps([str(tmp_path)])},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert json.loads(done.stdout) == [{"n": 42, "t": "it's {n:Int64}; --"}], done.stderr


def postgresql_programs() -> Path | None:
    """Where PostgreSQL's programs are; Debian does not put them on the path."""
    found = [*sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)]
    if on_path := shutil.which("initdb"):
        found.append(Path(on_path))
    return found[0].parent if found else None


@pytest.fixture(scope="module")
def crm(sent: None) -> Iterator[dict[str, str]]:
    """A PostgreSQL with a table crm.account, gone afterwards; the variables that the example's catalog names."""
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (on Debian: apt-get install postgresql)")
    # It refuses to run as root, and must reach its folder.
    options: dict[str, Any] = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []}
    options = options if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="crm-"))
    port, secret = choose("trino", ()), uuid.uuid4().hex
    (folder / "secret").write_text(secret)
    if options:
        for path in (folder, folder / "secret"):
            shutil.chown(path, "nobody", options["group"])
    done = subprocess.run(
        [programs / "initdb", "-D", folder / "data", "-U", "crm", "-A", "scram-sha-256", "--pwfile", folder / "secret", "-N"],
        cwd=folder, capture_output=True, text=True, check=False, **options,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    command = [programs / "postgres", "-D", folder / "data", "-p", str(port), "-k", folder, "-h", "127.0.0.1", "-F"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **options)
    try:
        address = {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(port),
            "PGUSER": "crm",
            "PGPASSWORD": secret,
            "PGDATABASE": "postgres",
        }
        table = "create schema crm; create table crm.account (phone_number text, segment text, account_manager text);"
        row = f"insert into crm.account values ('{ASKS}', 'Gold', 'Manager {MARK}')"
        for _ in range(100):
            done = subprocess.run(
                [programs / "psql", "-v", "ON_ERROR_STOP=1", "-c", table + row], env={**os.environ, **address},
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode == 0 or server.poll() is not None:
                break
            time.sleep(0.2)
        assert done.returncode == 0, f"{done.stderr}\n{(folder / 'log').read_text()}"
        yield {
            "CRM_ADDRESS": f"127.0.0.1:{port}", "CRM_DATABASE": "postgres", "CRM_USER": "crm", "CRM_PASSWORD": secret,
        }  # fmt: skip
    finally:
        server.send_signal(signal.SIGINT)  # its quick end, without waiting for clients
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(10)
        server.kill()
        server.wait()
        shutil.rmtree(folder)


def test_a_catalog_of_an_operators_own_answers_beside_ours(
    crm: dict[str, str], stack: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The example file, in a folder of LAKEHOUSE_EXTENSIONS, in a second Trino over the same servers."""
    ours = tmp_path / "ours" / "trino" / "etc" / "catalog"
    ours.mkdir(parents=True)
    example = data_folder("trino") / "etc" / "catalog" / "postgresql.properties.example"
    shutil.copy(example, ours / "postgresql.properties")
    port = choose("trino", ())
    monkeypatch.setenv("LAKEHOUSE_EXTENSIONS", json.dumps([str(tmp_path / "ours")]))
    monkeypatch.setenv("LAKEHOUSE_TRINO_URL", f"https://127.0.0.1:{port}")
    settings.cache_clear()
    try:
        ensure(tmp_path)
        monkeypatch.setenv("LAKEHOUSE_TRINO_CA", str(tmp_path / "tls" / "ca.pem"))
        settings.cache_clear()
        server = Trino(Site(settings(), tmp_path, {"trino": port}))
        server.prepare()
        process = spawn(
            server.command(), tmp_path / "trino.log", server.working_folder(), {**server.environment(), **crm}
        )
        try:
            limit = time.monotonic() + _TRINO_STARTS_IN_S
            while not server.healthy():
                assert process.poll() is None, tail(tmp_path / "trino.log", 30)
                assert time.monotonic() < limit, tail(tmp_path / "trino.log", 30)
                time.sleep(0.5)
            done = subprocess.run(
                [sys.executable, "-m", "lakehouse.cli.main", "sql", "--run", "crm_cases", "--json"],
                env={**os.environ, **stack, "LAKEHOUSE_TRINO_CA": str(tmp_path / "tls" / "ca.pem"), "LAKEHOUSE_TRINO_URL": f"https://127.0.0.1:{port}"},
                capture_output=True, text=True, timeout=180, check=False,
            )  # fmt: skip
        finally:
            end([process], 20)
    finally:
        monkeypatch.undo()
        settings.cache_clear()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        {
            "account_manager": f"Manager {MARK}", "segment": "Gold", "cases": 1, "customers": 1, "escalated": 1,
            "satisfaction": 2.0,
        }
    ]  # fmt: skip


def test_without_its_catalog_a_question_says_what_is_missing(sent: None, lakehouse: Any) -> None:
    done = lakehouse("sql", "--run", "crm_cases", code=1)
    assert "Catalog 'postgresql' not found" in done.stderr


# Last, because nobody waits here until these messages are in silver.


def test_whatever_is_on_a_topic_every_column_can_be_read(sent: None, trino: Trinos) -> None:
    """A value that a column's type cannot hold would fail the whole query."""
    before = {source: trino(f"select count(*) as n from kafka.default.{source}")[0]["n"] for source in contracts()}
    texts = [
        line
        for source in contracts()
        for line in (data_folder("streams/contracts") / f"{source}.examples.ndjson").read_text().splitlines()
    ]
    given = [json.loads(line) for line in (*texts, *(ROOT / "tests/samples/events.ndjson").read_text().splitlines())]
    messages: list[tuple[str, str | None, bytes | None]] = [
        (source, None, value) for source in contracts() for value in HOSTILE
    ]
    for one in given:
        raw = base64.b64decode(one["value_base64"]) if one.get("value_base64") else one.get("value")
        messages.append((one["source"], None, raw.encode() if isinstance(raw, str) else raw))
    publish(messages)
    for source, contract in contracts().items():
        names = [f.column for f in contract.fields]
        read = trino(f"select * from kafka.default.{source}")
        assert len(read) == before[source] + sum(one[0] == source for one in messages), source
        assert list(read[0])[: len(names)] == names
        corrupt = {row["_message"] for row in read if row["_message_corrupt"]}
        assert "{" * 3000 in corrupt, source


def test_a_bound_on_the_time_keeps_trino_from_reading_the_topic(sent: None, trino: Trinos) -> None:
    """As long as each partition has something that is newer: another one is read whole, as docs/federation.md says."""
    [row] = trino(
        "select max(_timestamp) as latest, max(_partition_id) as highest, count(*) as n from kafka.default.calls"
    )
    producer = Producer({**kafka_access.librdkafka(settings())})
    for partition in range(row["highest"] + 1):
        producer.produce(settings().topic("calls"), value=b"{", partition=partition)
    assert producer.flush(30) == 0
    bound = f"select count(*) from kafka.default.calls where _timestamp > timestamp '{row['latest']}'"
    [plan] = [text for row in trino(f"explain analyze {bound}") for text in row.values()]
    read = max(int(count) for count in re.findall(r"Input: (\d+) rows", plan))
    assert read < row["n"] / 10, plan
