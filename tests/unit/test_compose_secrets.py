"""Who in compose.yaml sees which secret, and that each of our processes works with those that it sees."""

import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from lakehouse import kafka_access, redis_access, trino_access
from lakehouse.settings import Settings
from lakehouse.stack.containers import ADMITTED, BROKER_PASSWORD, NEEDED, SERVERS, require
from lakehouse.stack.kafka_users import users
from lakehouse.stack.site import _SECRETS
from tests.unit.composed import COMPOSE, ROOT, SERVICES, TEXT, environment, secret, secrets_of, settings_in

OF_SETTINGS = {f"LAKEHOUSE_{name.upper()}" for name in _SECRETS}
ALL = OF_SETTINGS | {BROKER_PASSWORD}
S3_OWNER = {"LAKEHOUSE_S3_ACCESS_KEY", "LAKEHOUSE_S3_SECRET_KEY"}
S3_READER = {"LAKEHOUSE_S3_READER_ACCESS_KEY", "LAKEHOUSE_S3_READER_SECRET_KEY"}
OWNERS = S3_OWNER | {
    f"LAKEHOUSE_{server}_PASSWORD" for server in ("KAFKA_SASL", "KAFKA_PRODUCER", "REDIS", "TRINO", "CLICKHOUSE")
}
SEES: dict[str, set[str]] = {
    "files": {f"LAKEHOUSE_{name.upper()}" for name in NEEDED} | {BROKER_PASSWORD},
    "kafka-users": {f"LAKEHOUSE_{name.upper()}" for name in ADMITTED} | {BROKER_PASSWORD},
    "init": {"LAKEHOUSE_CLICKHOUSE_PASSWORD", *S3_READER},
    "worker": {"LAKEHOUSE_KAFKA_SASL_PASSWORD", "LAKEHOUSE_REDIS_PASSWORD", *S3_OWNER},
    "orchestrator": {
        *("LAKEHOUSE_KAFKA_SASL_PASSWORD", "LAKEHOUSE_TRINO_PASSWORD", "LAKEHOUSE_CLICKHOUSE_PASSWORD"),
        *S3_OWNER,
    },
    "dashboard": {
        *("LAKEHOUSE_DASHBOARD_TOKEN", "LAKEHOUSE_KAFKA_READER_PASSWORD", "LAKEHOUSE_TRINO_READER_PASSWORD"),
        *("LAKEHOUSE_CLICKHOUSE_READER_PASSWORD", *S3_READER),
    },
    "grafana": {"LAKEHOUSE_CLICKHOUSE_READER_PASSWORD"},
    # what `files` writes for them: see test_containers.py
    **{server: set() for server in SERVERS},
}


def values(now: Settings) -> dict[str, str]:
    """Every secret that a process has."""
    found = {f"LAKEHOUSE_{name.upper()}": getattr(now, name) for name in _SECRETS}
    return {name: one if isinstance(one, str) else one.get_secret_value() for name, one in found.items()}


def test_each_service_sees_the_secrets_that_it_needs_and_no_other() -> None:
    assert {name: secrets_of(name) for name in SERVICES} == SEES


def test_every_secret_is_a_file_in_the_folder_that_git_leaves_alone() -> None:
    assert COMPOSE["secrets"] == {name: {"file": f"./secrets/{name}"} for name in ALL}
    assert "secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_no_secret_comes_by_a_variable_which_the_engine_would_show() -> None:
    assert [name for name, service in SERVICES.items() if "env_file" in service] == []
    for name in SERVICES:
        assert not environment(name).keys() & ALL, name
    assert not set(re.findall(r"\$\{(\w+)", TEXT)) & ALL
    assert not set(re.findall(r"^ +(LAKEHOUSE_\w+):$", TEXT, re.MULTILINE)) & ALL


@pytest.mark.parametrize("service", sorted(SEES.keys() & {"files", "kafka-users", "init", "worker", "orchestrator"}))
def test_a_process_reads_its_secrets_from_their_files_and_has_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    now = settings_in(service, tmp_path, monkeypatch)
    assert {name for name, value in values(now).items() if value} == SEES[service] - {BROKER_PASSWORD}
    assert all(value in ("", secret(name)) for name, value in values(now).items())


def test_a_worker_proves_who_it_is_to_kafka_and_redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = settings_in("worker", tmp_path, monkeypatch)
    kafka = kafka_access.librdkafka(now)
    assert (kafka["security.protocol"], kafka["sasl.mechanism"]) == ("SASL_PLAINTEXT", "SCRAM-SHA-512")
    assert kafka["sasl.password"] == secret("LAKEHOUSE_KAFKA_SASL_PASSWORD")
    assert redis_access.credentials(now) == ("lakehouse", secret("LAKEHOUSE_REDIS_PASSWORD"))


def test_the_orchestrator_owns_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = settings_in("orchestrator", tmp_path, monkeypatch)
    assert trino_access.credentials(now, writes=True) == ("lakehouse", secret("LAKEHOUSE_TRINO_PASSWORD"))
    assert f"trusted:{now.trino_ca.parent}:ro" in SERVICES["orchestrator"]["volumes"]  # type: ignore[union-attr]


def test_the_dashboard_reads_with_no_owners_secret_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not secrets_of("dashboard") & OWNERS
    now = settings_in("dashboard", tmp_path, monkeypatch).as_reader()
    for server in ("kafka_sasl_username", "trino_user", "clickhouse_user"):
        assert getattr(now, server) == "reader", server
    assert now.kafka_sasl_password.get_secret_value() == secret("LAKEHOUSE_KAFKA_READER_PASSWORD")
    assert now.clickhouse_password.get_secret_value() == secret("LAKEHOUSE_CLICKHOUSE_READER_PASSWORD")
    # rejected messages are read through Trino, by what is the owner's way in
    assert trino_access.credentials(now, writes=True) == ("reader", secret("LAKEHOUSE_TRINO_READER_PASSWORD"))
    assert (now.s3_access_key, now.s3_secret_key.get_secret_value()) == tuple(map(secret, sorted(S3_READER)))
    assert f"trusted:{now.trino_ca.parent}:ro" in SERVICES["dashboard"]["volumes"]  # type: ignore[union-attr]


def test_who_admits_kafkas_users_has_a_password_for_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = settings_in("kafka-users", tmp_path, monkeypatch)
    require(now, ADMITTED)
    assert all(users(now).values())
    program = SERVICES["kafka-users"]["command"][-1]
    compile(program, "compose.yaml", "exec")
    assert program.startswith("from lakehouse.stack.containers import admit;")


def test_only_files_reaches_the_authoritys_key_and_a_server_only_its_own_folder() -> None:
    mounted = {name: [v.split(":") for v in service.get("volumes", ())] for name, service in SERVICES.items()}
    for volume in [v for v in COMPOSE["volumes"] if v.startswith("for-")]:
        who = {name: parts for name, all_ in mounted.items() for parts in all_ if parts[0] == volume}
        server = volume.removeprefix("for-")
        assert who.keys() == {"files", server}
        # nocopy: else the engine makes it over to the user of the server's image, and `files` could not write
        assert who[server][2] == "ro,nocopy"
        assert who["files"][1:] == [f"/srv/{server}"]
    assert [name for name, all_ in mounted.items() for parts in all_ if parts[0] == "authority"] == ["files"]
    assert SERVICES["files"]["command"][-1] == "/srv"


def test_the_image_has_the_folders_that_files_writes_into_for_its_own_user() -> None:
    [made] = re.findall(r"cd /srv && install --directory --owner lakehouse ([a-z ]+)$", TEXT, re.MULTILINE)
    places = {volume.split(":")[1] for volume in SERVICES["files"]["volumes"]}
    assert {f"/srv/{name}" for name in made.split()} == places


def test_one_command_makes_the_secrets_once_where_nobody_else_can_enter(tmp_path: Path) -> None:
    shutil.copy(ROOT / "compose.yaml", tmp_path)
    command = ["make", "--makefile", str(ROOT / "Makefile"), "secrets"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    folder = tmp_path / "secrets"
    made = {path.name: path.read_text().strip() for path in folder.iterdir()}
    assert made.keys() == ALL
    assert all(re.fullmatch("[0-9a-f]{48}", value) for value in made.values())
    assert len(set(made.values())) == len(ALL)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    # containers run under other users
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o444}
    (folder / BROKER_PASSWORD).unlink()
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    again = {path.name: path.read_text().strip() for path in folder.iterdir()}
    assert {name for name in ALL if again[name] != made[name]} == {BROKER_PASSWORD}
