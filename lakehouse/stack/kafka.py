"""Kafka, one KRaft node that is broker and controller: the jars from Maven, run by the pip package's Java."""

import base64
import secrets
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakehouse.errors import LakehouseError
from lakehouse.kafka_access import jaas, librdkafka
from lakehouse.settings import Settings
from lakehouse.stack.artifacts import kafka_jars
from lakehouse.stack.java import java_command
from lakehouse.stack.kafka_users import admit, rules, users
from lakehouse.stack.process import write_private
from lakehouse.stack.server import LOOPBACK, Server, Site, exchange, is_local
from streams.contract import contracts

# 512 MB carried 400,000 events/s on two cores; the page cache does the rest.
_HEAP = ("-Xmx512m", "-Xms256m", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=50")
# ApiVersions, version 0, correlation id 1, no client id: the one request that every broker answers without a session.
_API_VERSIONS = b"\x00\x00\x00\x0a" + b"\x00\x12" + b"\x00\x00" + b"\x00\x00\x00\x01" + b"\xff\xff"

_PROPERTIES = """\
# Written by lakehouse/stack/kafka.py at every start.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name={own}
listeners={listeners},CONTROLLER://{controller}
advertised.listeners={advertised}
listener.security.protocol.map={protocols},CONTROLLER:SASL_PLAINTEXT
log.dirs={data}

# Topics are made on purpose, with their partitions; a typing error must not make one.
auto.create.topics.enable=false
num.partitions={partitions}
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# A lone worker should not wait three seconds for company.
group.initial.rebalance.delay.ms=100
# After a kill the controller waits that long for the old broker before it takes the new one (9 s unless set).
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=1000

# The broker's clock orders events, whatever a producer claims.
log.message.timestamp.type=LogAppendTime
message.max.bytes=8388608
replica.fetch.max.bytes=8388608
log.retention.hours=168
log.segment.bytes=268435456
log.cleaner.dedupe.buffer.size=33554432
num.network.threads=2
num.io.threads=4
num.recovery.threads.per.data.dir=2

# Everybody says who he is: users by SCRAM, and the broker itself, who is above all rules, by a password of its own.
super.users=User:{broker}
sasl.mechanism.controller.protocol=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.controller.sasl.enabled.mechanisms=PLAIN
listener.name.controller.plain.sasl.jaas.config={itself}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found={open}
"""
_CLOSED = """\
listener.name.{name}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.{name}.plain.sasl.jaas.config={itself}
listener.name.{name}.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
"""
BROKER = "broker"
"""The name under which the broker speaks to itself."""


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


def configuration(
    now: Settings, listeners: Mapping[str, tuple[str, str]], controller: str, data: Path, password: str
) -> str:
    """The text of server.properties.

    Args:
        listeners: by name, where it listens for clients and what address it tells them; it speaks to itself at the first.
        controller: where it speaks to itself as the controller.
        data: the folder of its data, as the server sees it.
        password: the broker's own.
    """
    itself = jaas("plain.PlainLoginModule", BROKER, password, **{BROKER: password})
    protocol = "PLAINTEXT" if now.kafka_open else "SASL_PLAINTEXT"
    text = _PROPERTIES.format(
        controller=controller,
        own=next(iter(listeners)),
        listeners=",".join(f"{name}://{binds}" for name, (binds, _) in listeners.items()),
        advertised=",".join(f"{name}://{told}" for name, (_, told) in listeners.items()),
        protocols=",".join(f"{name}:{protocol}" for name in listeners),
        data=data,
        partitions=now.kafka_partitions,
        broker=f"{BROKER};User:ANONYMOUS" if now.kafka_open else BROKER,
        itself=itself,
        open=str(now.kafka_open).lower(),
    )
    return text + "".join(_CLOSED.format(name=name.lower(), itself=itself) for name in listeners if not now.kafka_open)


def let_in(now: Settings, bootstrap: str, password: str) -> None:
    """Let in those whom the settings name, each for what it does.

    Args:
        password: the broker's own, by which it is told so.
    Raises:
        Retry: it does not take them yet.
    """
    itself: dict[str, Any] = {
        "bootstrap.servers": bootstrap,
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": BROKER,
        "sasl.password": password,
        "log_level": 0,
    }
    admit(itself, users(now), rules(now, [now.topic(source) for source in contracts()]))


def _external_answers(settings: Settings) -> bool:
    # a real client, since an outside cluster may have several addresses
    from confluent_kafka.admin import AdminClient

    try:
        return bool(AdminClient(librdkafka(settings)).list_topics(timeout=2).brokers)
    except Exception:  # whatever it says, it is not healthy
        return False
