"""The embedded stack itself: servers only, in a folder of this file's own, since these tests kill and restart it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import redis
from confluent_kafka.admin import AdminClient, NewTopic
from dotenv import dotenv_values

from lakehouse import kafka_access, redis_access, trino_access
from lakehouse.settings import PREFIX, Settings, settings
from lakehouse.stack import kafka
from lakehouse.stack.server import Site

pytestmark = pytest.mark.stack

# `up` itself gives up what does not get on; a start took 373 s on a machine with a load of 30.
_COMMAND_LIMIT_S = 900
SERVERS = ["kafka", "seaweedfs", "redis", "clickhouse", "trino"]


@dataclass
class OwnStack:
    """A stack in a folder, driven as a user drives it."""

    folder: Path

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LAKEHOUSE_")}
        cache = {name: value for name, value in os.environ.items() if name == "LAKEHOUSE_CACHE_DIR"}
        return subprocess.run(
            [sys.executable, "-m", "lakehouse.cli.main", *arguments],
            env={**clean, **cache, "LAKEHOUSE_DATA_DIR": str(self.folder), **variables},
            capture_output=True,
            text=True,
            timeout=_COMMAND_LIMIT_S,
            check=False,
        )

    def up(self) -> subprocess.CompletedProcess[str]:
        return self.run("up", "--detach", "--free-ports", "--servers-only")

    def status(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.run("status", "--json").stdout)
        return found

    def processes(self) -> dict[str, psutil.Process]:
        """The supervisor and the servers by name that run now."""
        state = json.loads((self.folder / "stack.json").read_text())
        pids = {one["name"]: one["process"]["pid"] for one in state["servers"] if one["process"]}
        pids["supervisor"] = state["supervisor"]["pid"]
        found = {}
        for name, pid in pids.items():
            # One that has just ended is in the state file until the supervisor's next look.
            with contextlib.suppress(psutil.NoSuchProcess):
                found[name] = psutil.Process(pid)
        return found

    def setting(self, name: str) -> str:
        return dotenv_values(self.folder / "stack.env")[f"LAKEHOUSE_{name}"] or ""

    def clickhouse(self, sql: str, user: str = "lakehouse", password: str | None = None) -> str:
        """What ClickHouse prints, its exceptions included."""
        mine = {"lakehouse": "CLICKHOUSE_PASSWORD", "reader": "CLICKHOUSE_READER_PASSWORD"}
        if password is None:
            password = self.setting(mine[user])
        headers = {"X-ClickHouse-User": user, "X-ClickHouse-Key": password}
        request = urllib.request.Request(self.setting("CLICKHOUSE_URL"), data=sql.encode(), headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                return str(response.read().decode()).strip()
        except urllib.error.HTTPError as error:
            return error.read().decode()

    def trino(self, sql: str) -> list[list[object]]:

        with trino_access.connect(self.settings(), writes=True, source="a test") as connection:
            cursor = connection.cursor()
            cursor.execute(sql)
            return [list(row) for row in cursor.fetchall()]

    def settings(self) -> Settings:
        """What its file says."""
        said = dotenv_values(self.folder / "stack.env")
        return Settings(**{name.removeprefix(PREFIX).lower(): value for name, value in said.items()})  # type: ignore[arg-type]

    def kafka(self) -> AdminClient:
        return AdminClient(kafka_access.librdkafka(self.settings()))

    def redis(self) -> redis.Redis:
        return redis_access.client(self.settings(), decode_responses=True)


def ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def eventually(what: Callable[[], bool], seconds: float = 60) -> bool:
    limit = time.monotonic() + seconds
    while not what():
        if time.monotonic() > limit:
            return False
        time.sleep(0.1)
    return True


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnStack]:
    own = OwnStack(tmp_path_factory.mktemp("own-stack"))
    started = own.up()
    assert started.returncode == 0, started.stderr
    yield own
    own.run("down")


def test_everything_is_up_and_says_so(own: OwnStack) -> None:
    status = own.status()
    assert status["phase"] == "up"
    servers = status["servers"]
    assert isinstance(servers, list)
    assert [one["name"] for one in servers] == SERVERS
    assert all(one["state"] == "up" and one["memory_bytes"] > 0 for one in servers)


def test_secrets_are_for_their_owner_alone(own: OwnStack) -> None:
    assert (own.folder / "stack.env").stat().st_mode & 0o077 == 0


def test_a_second_up_says_that_it_is_already_up(own: OwnStack) -> None:
    before = own.processes()
    second = own.up()
    assert second.returncode == 0
    assert "already up" in second.stdout
    assert own.processes() == before


def test_a_port_in_use_is_one_clear_sentence_and_nothing_is_left_running(own: OwnStack, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        other = OwnStack(tmp_path / "other")
        free = {f"LAKEHOUSE_{name}": value for name, value in usual_but_free(other).items()}
        refused = other.run(
            "up", "-d", "--servers-only", **{**free, "LAKEHOUSE_REDIS_URL": f"redis://127.0.0.1:{port}/0"}
        )
    assert refused.returncode == 1
    assert f"port {port}, which Redis needs, is in use" in refused.stderr
    assert "--free-ports" in refused.stderr
    assert not (other.folder / "stack.json").exists()


def usual_but_free(other: OwnStack) -> dict[str, str]:
    """Addresses for a stack that is never started, of ports that nobody uses, so that only the taken one is told."""
    from lakehouse.stack.ports import INTERNAL, choose

    taken: list[int] = []
    for _ in range(5 + len(INTERNAL)):
        taken.append(choose("s3", [used for port in taken for used in (port, port + 10_000)]))
    names = ("S3_ENDPOINT", "CATALOG_URL", "TRINO_URL", "CLICKHOUSE_URL")
    other.folder.mkdir()
    internal = dict(zip(INTERNAL, taken[5:], strict=True))
    lines = [f"LAKEHOUSE_PORT_{name.upper()}={port}\n" for name, port in internal.items()]
    (other.folder / "stack.env").write_text("".join(lines))
    urls = {name: f"http://127.0.0.1:{port}" for name, port in zip(names, taken, strict=False)}
    return {**urls, "KAFKA_BOOTSTRAP": f"127.0.0.1:{taken[4]}"}


def test_the_reader_of_clickhouse_reads_gold_and_changes_nothing(own: OwnStack) -> None:
    own.clickhouse("create table if not exists gold.readable (a Int64) engine = MergeTree order by a")
    own.clickhouse("insert into gold.readable values (7)")
    assert own.clickhouse("select max(a) from gold.readable", "reader") == "7"
    for refused in (
        "insert into gold.readable values (8)",
        "drop table gold.readable",
        "create table gold.mine (a Int64) engine = Memory",
        "select * from file('/etc/hostname', 'LineAsString')",
        "show create database lk",
    ):
        assert "ACCESS_DENIED" in own.clickhouse(refused, "reader"), refused
    assert "SETTING_CONSTRAINT_VIOLATION" in own.clickhouse("select 1 settings max_execution_time = 3600", "reader")


def test_a_wrong_password_is_refused(own: OwnStack) -> None:
    for user in ("lakehouse", "reader"):
        assert "AUTHENTICATION_FAILED" in own.clickhouse("select 1", user, "wrong")
    catalog = own.setting("CATALOG_URL")
    form = f"grant_type=client_credentials&client_id={own.setting('S3_ACCESS_KEY')}&client_secret=wrong".encode()
    with pytest.raises(urllib.error.HTTPError, match=r"40[013]"):
        urllib.request.urlopen(f"{catalog}/v1/oauth/tokens", data=form, timeout=10)


def test_the_user_without_a_password_that_clickhouse_starts_under_is_of_no_use(own: OwnStack) -> None:
    for sql in (
        "select 1",
        "select count() from system.tables",
        "system stop listen http",
        "select * from gold.readable",
    ):
        assert own.clickhouse(sql, "default", "").startswith("There is no handle"), sql


def test_clickhouse_and_trino_see_the_same_iceberg_table(own: OwnStack) -> None:
    own.trino("create schema if not exists iceberg.gold")
    own.trino("create table if not exists iceberg.gold.seen (id bigint)")
    own.trino("insert into iceberg.gold.seen values 1, 2, 3")
    own.trino("delete from iceberg.gold.seen where id = 2")
    assert own.clickhouse("select sum(id) from lk.`gold.seen`") == "4"
    own.clickhouse("create table if not exists gold.there (a Int64, b String) engine = MergeTree order by a")
    own.clickhouse("insert into gold.there values (1, 'x')")
    assert own.trino("select a, b from clickhouse.gold.there") == [[1, "x"]]


def test_a_server_that_dies_is_started_again(own: OwnStack) -> None:
    before = own.processes()["redis"]
    own.redis().set("lakehouse:before", "the crash")
    before.kill()
    assert eventually(lambda: own.processes().get("redis", before).pid != before.pid)
    assert eventually(lambda: own.status()["phase"] == "up")
    assert own.redis().get("lakehouse:before") == "the crash"
    assert "redis ended with signal SIGKILL" in (own.folder / "logs" / "supervisor.log").read_text()


def test_a_restart_keeps_data_ports_and_passwords_after_down_and_after_a_killed_supervisor(own: OwnStack) -> None:
    own.redis().set("lakehouse:kept", "yes")
    admin = own.kafka()  # held: a future of a client that is gone is broken
    admin.create_topics([NewTopic("kept", 3)])["kept"].result()
    own.trino("create schema if not exists iceberg.kept")
    own.clickhouse("create table gold.kept (a Int64) engine = MergeTree order by a")
    own.clickhouse("insert into gold.kept values (42)")
    said = (own.folder / "stack.env").read_text()
    before = own.processes()

    assert own.run("down").returncode == 0
    assert [name for name, process in before.items() if not ended(process)] == [], "`down` leaves no process"
    assert own.run("status").returncode == 1
    assert own.up().returncode == 0
    assert_kept(own, said)

    before = own.processes()
    before["supervisor"].send_signal(signal.SIGKILL)
    assert eventually(lambda: all(map(ended, before.values())), 10), "a killed supervisor leaves no orphan"
    assert own.up().returncode == 0
    assert_kept(own, said)


def assert_kept(own: OwnStack, said: str) -> None:
    assert (own.folder / "stack.env").read_text() == said
    assert own.redis().get("lakehouse:kept") == "yes"
    assert len(own.kafka().list_topics("kept", timeout=10).topics["kept"].partitions) == 3
    assert ["kept"] in own.trino("show schemas from iceberg")
    assert own.clickhouse("select a from gold.kept") == "42"


def test_kafka_can_be_formatted_whatever_its_id_begins_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka.uuid, "uuid4", lambda: uuid.UUID(bytes=b"\xfb" * 16))
    server = kafka.Kafka(Site(settings(), tmp_path, {"kafka": 9092, "kafka_controller": 9093}))
    server.prepare()
    assert "cluster.id=-_v7" in (tmp_path / "kafka" / "data" / "meta.properties").read_text()
