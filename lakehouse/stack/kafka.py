"""Kafka, one KRaft node that is broker and controller: the jars from Maven, run by the pip package's Java."""

import base64
import secrets
import subprocess
import uuid

from lakehouse.errors import LakehouseError
from lakehouse.kafka_access import librdkafka
from lakehouse.settings import Settings
from lakehouse.stack.artifacts import kafka_jars
from lakehouse.stack.java import java_command
from lakehouse.stack.kafka_properties import configuration
from lakehouse.stack.kafka_users import let_in
from lakehouse.stack.private import write_private
from lakehouse.stack.server import LOOPBACK, Server, Site, exchange, is_local

# 512 MB carried 400,000 events/s on two cores; the page cache does the rest.
_HEAP = ("-Xmx512m", "-Xms256m", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=50")
# ApiVersions, version 0, correlation id 1, no client id: the one request that every broker answers without a session.
_API_VERSIONS = b"\x00\x00\x00\x0a" + b"\x00\x12" + b"\x00\x00" + b"\x00\x00\x00\x01" + b"\xff\xff"


class Kafka(Server):
    """The broker. Its data, and the id of the cluster, are in `<data_dir>/kafka/data`."""

    name = "kafka"
    title = "Kafka"
    port_names = ("kafka", "kafka_controller")

    def __init__(self, site: Site) -> None:
        """The broker's own password is made anew with each start, and written down in its properties alone."""
        super().__init__(site)
        self._password = ""

    @property
    def external(self) -> bool:  # type: ignore[override]
        """Whether the bootstrap servers are somewhere else."""
        return not is_local(self.settings.kafka_bootstrap)

    def prepare(self) -> None:
        """Write the properties and, the first time, format the log folder."""
        folder = self.working_folder()
        data = folder / "data"
        self._password = secrets.token_hex(24)
        at = f"{LOOPBACK}:{self.ports['kafka']}"
        controller = f"{LOOPBACK}:{self.ports['kafka_controller']}"
        text = configuration(self.settings, {"CLIENTS": (at, at)}, controller, data, self._password)
        write_private(folder / "server.properties", text)
        if not (data / "meta.properties").exists():
            self._format()

    def _format(self) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        command = java_command(
            ["-Xmx128m", "-XX:TieredStopAtLevel=1"],
            kafka_jars(self.settings.cache_dir),
            "kafka.tools.StorageTool",
            # "=": an id may begin with "-", and would be taken for an option
            *("format", f"--cluster-id={cluster}", "--config", str(self.working_folder() / "server.properties")),
        )
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LakehouseError(f"Kafka's log folder could not be formatted: {(done.stderr or done.stdout).strip()}")

    def command(self) -> list[str]:
        """Kafka's main class with its properties."""
        options = [
            *_HEAP,
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
            "-Duser.timezone=UTC",
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow",
        ]
        properties = str(self.working_folder() / "server.properties")
        return java_command(options, kafka_jars(self.settings.cache_dir), "kafka.Kafka", properties)

    def healthy(self) -> bool:
        """Whether it answers a request; its port opens seconds before it does."""
        if self.external:
            return _external_answers(self.settings)
        return exchange(self.ports["kafka"], _API_VERSIONS)[4:8] == b"\x00\x00\x00\x01"

    def settle(self) -> None:
        """Let in those whom the settings name, each for what it does."""
        if self.settings.kafka_open:
            return
        let_in(self.settings, f"{LOOPBACK}:{self.ports['kafka']}", self._password)


def _external_answers(settings: Settings) -> bool:
    # a real client, since an outside cluster may have several addresses
    from confluent_kafka.admin import AdminClient

    try:
        return bool(AdminClient(librdkafka(settings)).list_topics(timeout=2).brokers)
    except Exception:  # whatever it says, it is not healthy
        return False
