"""What the service `files` writes for each server: the embedded server's users and configuration, and nobody else's secrets."""

import hashlib
import json
import re
import shlex
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest
from cryptography import x509

from lakehouse.errors import UsageError
from lakehouse.settings import SECRETS_DIR, Settings
from lakehouse.stack import clickhouse, kafka_properties, redis
from lakehouse.stack.containers import (
    AUTHORITY,
    BROKER_PASSWORD,
    ETC,
    NEEDED,
    SERVERS,
    TRUSTED,
    broker_password,
    variables,
    write,
)
from tests.unit.composed import COMPOSE, ROOT, SERVICES, environment, properties, secret, settings_in

S3_OWNER = {"LAKEHOUSE_S3_ACCESS_KEY", "LAKEHOUSE_S3_SECRET_KEY"}
# as they are: those that stand as hashes are not among them
READS: dict[str, set[str]] = {
    "kafka": {BROKER_PASSWORD},
    "seaweedfs": {*S3_OWNER, "LAKEHOUSE_S3_READER_ACCESS_KEY", "LAKEHOUSE_S3_READER_SECRET_KEY"},
    "redis": {"LAKEHOUSE_REDIS_READER_PASSWORD"},
    "clickhouse": set(),
    "trino": {
        *("LAKEHOUSE_KAFKA_READER_PASSWORD", "LAKEHOUSE_REDIS_READER_PASSWORD"),
        *("LAKEHOUSE_CLICKHOUSE_FEDERATION_PASSWORD", *S3_OWNER),
    },
    TRUSTED: set(),
}
# names, addresses and places, which differ by their nature
KAFKA_OWN = {
    "advertised.listeners", "controller.quorum.voters", "inter.broker.listener.name", "listener.security.protocol.map",
    "listeners", "log.dirs",
}  # fmt: skip
REDIS_OWN = {"bind", "port", "dir", "aclfile"}


def told(written: Path, server: str) -> dict[str, str]:
    """The variables that a server finds when it has read its file of them."""
    file = written / server / "environment"
    before, after = (
        subprocess.run(["sh", "-c", f"{how}env -0"], capture_output=True, text=True, check=True, env={"PATH": "/bin:/usr/bin"})
        for how in ("", f". {shlex.quote(str(file))} && ")
    )  # fmt: skip
    lines = [one for one in after.stdout.split("\0") if one not in before.stdout.split("\0")]
    return dict(one.split("=", 1) for one in lines if not one.startswith(("_=", "PWD=", "OLDPWD=")))


def test_a_server_is_told_the_secrets_that_it_needs_and_no_other(written: Path) -> None:
    found = {}
    for server in READS:
        text = "\n".join(path.read_text() for path in (written / server).rglob("*") if path.is_file())
        found[server] = {name for name in COMPOSE["secrets"] if secret(name) in text}
    assert found == READS


def test_every_server_has_a_folder_and_the_authoritys_key_is_in_none_of_them(written: Path) -> None:
    assert {path.name for path in written.iterdir()} == {*SERVERS, TRUSTED, AUTHORITY}
    key = (written / AUTHORITY / "tls" / "ca.key").read_text()
    assert not [p for name in READS for p in (written / name).rglob("*") if p.is_file() and key in p.read_text()]


def test_a_server_can_read_its_folder_whoever_it_runs_as_and_nobody_the_authoritys(written: Path) -> None:
    for path in (p for name in READS for p in (written / name, *(written / name).rglob("*"))):
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644), path
    assert stat.S_IMODE((written / AUTHORITY / "tls").stat().st_mode) == 0o700


def test_kafka_has_the_properties_of_the_embedded_one(written: Path) -> None:
    here = properties((written / "kafka" / "server.properties").read_text())
    listeners = {"CLIENTS": ("127.0.0.1:1", "127.0.0.1:1")}
    embedded = properties(
        kafka_properties.configuration(Settings(), listeners, "127.0.0.1:2", Path("data"), secret(BROKER_PASSWORD))
    )

    def listener(values: dict[str, str], name: str) -> dict[str, str]:
        start = f"listener.name.{name}."
        return {key.removeprefix(start): value for key, value in values.items() if key.startswith(start)}

    def others(values: dict[str, str]) -> dict[str, str]:
        left = values.keys() - KAFKA_OWN
        return {k: values[k] for k in left if not re.match(r"listener\.name\.(clients|inside|outside)\.", k)}

    assert others(here) == others(embedded)
    assert here.keys() & KAFKA_OWN == KAFKA_OWN
    assert listener(here, "inside") == listener(here, "outside") == listener(embedded, "clients") != {}
    protocols = dict(one.split(":") for one in here["listener.security.protocol.map"].split(","))
    assert protocols == dict.fromkeys(("INSIDE", "OUTSIDE", "CONTROLLER"), "SASL_PLAINTEXT")
    assert here["inter.broker.listener.name"] == "INSIDE"
    volumes = [volume.split(":")[1] for volume in SERVICES["kafka"]["volumes"]]
    assert here["log.dirs"] in volumes


def test_kafkas_health_is_asked_for_as_the_broker_itself(written: Path) -> None:
    client = properties((written / "kafka" / "client.properties").read_text())
    server = properties((written / "kafka" / "server.properties").read_text())
    assert (client["security.protocol"], client["sasl.mechanism"]) == ("SASL_PLAINTEXT", "PLAIN")
    assert client["sasl.jaas.config"].rstrip(";") in server["listener.name.inside.plain.sasl.jaas.config"]


def test_seaweedfs_finds_every_file_that_its_configuration_names(written: Path) -> None:
    security = tomllib.loads((written / "seaweedfs" / "security.toml").read_text())
    named = set(re.findall(rf'"({ETC}/[^"]+)"', (written / "seaweedfs" / "security.toml").read_text()))
    assert len(named) == 3
    assert all((written / "seaweedfs" / Path(path).name).is_file() for path in named)
    assert {"master", "volume", "filer", "admin", "client"} <= security["https"].keys()
    assert all(one["cert"] == f"{ETC}/internal.pem" for one in security["https"].values())
    [reader] = json.loads((written / "seaweedfs" / "reader.json").read_text())["identities"]
    assert reader["credentials"][0]["secretKey"] == secret("LAKEHOUSE_S3_READER_SECRET_KEY")
    assert not any("Write" in action or action == "*" for action in reader["actions"])
    owner = {"AWS_ACCESS_KEY_ID": "LAKEHOUSE_S3_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY": "LAKEHOUSE_S3_SECRET_KEY"}
    assert told(written, "seaweedfs") == {name: secret(of) for name, of in owner.items()}


def test_redis_has_the_options_and_users_of_the_embedded_one(written: Path) -> None:
    def options(text: str) -> dict[str, str]:
        lines = [one.split(" ", 1) for one in text.splitlines() if not one.startswith("#")]
        return {name: value for name, value in lines if name not in REDIS_OWN}

    here = (written / "redis" / "redis.conf").read_text()
    assert options(here) == options(redis.configuration("127.0.0.1", 1, Path("data"), Path("users.acl")))
    assert f"aclfile {ETC}/users.acl\n" in here
    assert "dir /data\n" in here
    assert "redis:/data" in SERVICES["redis"]["volumes"]
    users = (written / "redis" / "users.acl").read_text()
    assert users.startswith("user default off\n")
    for name, of in (("lakehouse", "LAKEHOUSE_REDIS_PASSWORD"), ("reader", "LAKEHOUSE_REDIS_READER_PASSWORD")):
        assert f"user {name} on #{hashlib.sha256(secret(of).encode()).hexdigest()} " in users


def test_clickhouse_has_the_files_of_the_embedded_one_under_the_names_of_the_settings(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("config.xml", "users.xml"):
        assert (written / "clickhouse" / name).read_text() == (ROOT / "clickhouse" / "etc" / name).read_text()
    monkeypatch.setenv("LAKEHOUSE_CLICKHOUSE_READER", "analyst")
    renamed = clickhouse.configuration(Settings())
    assert "<analyst>" in renamed["users.xml"].partition("<users>")[2]
    assert "(lakehouse|analyst|federation)" in renamed["config.xml"]
    of = {"OWNER": "PASSWORD", "READER": "READER_PASSWORD", "FEDERATION": "FEDERATION_PASSWORD"}
    assert told(written, "clickhouse") == {
        f"CLICKHOUSE_{name}_SHA256": hashlib.sha256(secret(f"LAKEHOUSE_CLICKHOUSE_{one}").encode()).hexdigest()
        for name, one in of.items()
    }


@pytest.mark.parametrize(("server", "pattern"), [("trino", r"\$\{ENV:(\w+)\}"), ("clickhouse", r'from_env="(\w+)"')])
def test_every_variable_that_a_configuration_file_names_is_set_in_one_place(
    written: Path, server: str, pattern: str
) -> None:
    etc = [p for p in (ROOT / server / "etc").rglob("*") if p.is_file() and p.suffix != ".example"]
    named = {name for path in etc for name in re.findall(pattern, path.read_text())}
    assert named
    assert named <= told(written, server).keys() | environment(server).keys()
    assert not told(written, server).keys() & environment(server).keys()


@pytest.mark.parametrize("server", ["seaweedfs", "clickhouse", "trino"])
def test_a_server_is_started_with_its_variables_and_hands_on_its_arguments(tmp_path: Path, server: str) -> None:
    shell, option, script, name = SERVICES[server]["entrypoint"]
    (tmp_path / "environment").write_text(variables({"SECRET": 'it\'s $HOME; "x"'}))
    here = script.replace("$$", "$").replace(str(ETC), str(tmp_path))
    command = [shell, option, here, name, "sh", "-c", 'printf "%s|" "$SECRET" "$@"', "sh", "a b", "c"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said == 'it\'s $HOME; "x"|a b|c|'
    (tmp_path / "environment").unlink()
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def test_trino_is_a_reader_of_other_servers_and_has_a_password_file(written: Path) -> None:
    there = told(written, "trino")
    assert (there["REDIS_USER"], there["CLICKHOUSE_USER"]) == ("reader", "federation")
    assert len(there["TRINO_SHARED_SECRET"]) == 64
    catalogs = written / "trino" / Path(environment("trino")["TRINO_CATALOGS"]).relative_to(ETC)
    users = (catalogs / "passwords").read_text().splitlines()
    assert [line.partition(":")[0] for line in users] == ["lakehouse", "reader"]
    assert '"reader"' in properties((catalogs / "kafka-client.properties").read_text())["sasl.jaas.config"]
    assert (catalogs / "rules.json").is_file()
    assert (catalogs / "catalog" / "iceberg.properties").is_file()


def test_trino_shows_a_certificate_for_its_name_that_clients_can_trust(written: Path) -> None:
    shown = environment("trino")["TRINO_CERTIFICATE"]
    server = x509.load_pem_x509_certificate((written / "trino" / Path(shown).name).read_bytes())
    authority = x509.load_pem_x509_certificate((written / TRUSTED / "ca.pem").read_bytes())
    server.verify_directly_issued_by(authority)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"trino", "localhost"} <= set(names.get_values_for_type(x509.DNSName))


def test_files_written_again_keep_the_authority(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (written / TRUSTED / "ca.pem").read_text(), (written / "trino" / "server.pem").read_text()
    with monkeypatch.context() as patch:
        now = settings_in("files", tmp_path, patch)
    write(now, written, secret(BROKER_PASSWORD))
    assert before == ((written / TRUSTED / "ca.pem").read_text(), (written / "trino" / "server.pem").read_text())


@pytest.mark.parametrize("missing", NEEDED)
def test_without_a_secret_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    with monkeypatch.context() as patch:
        now = settings_in("files", tmp_path, patch)
    empty = type(getattr(now, missing))("")
    with pytest.raises(UsageError, match=f"LAKEHOUSE_{missing.upper()}.*make secrets"):
        write(now.model_copy(update={missing: empty}), tmp_path / "written", "x")
    assert not (tmp_path / "written").exists()


def test_the_brokers_own_password_is_a_secret_of_no_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRETS_DIR, str(tmp_path))
    with pytest.raises(UsageError, match="make secrets"):
        broker_password()
    (tmp_path / BROKER_PASSWORD).write_text("x\n")
    assert broker_password() == "x"
