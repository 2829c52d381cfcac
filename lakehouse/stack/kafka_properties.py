"""What our Kafka is told: `server.properties`, of the embedded broker and of the one in compose."""

from collections.abc import Mapping
from pathlib import Path

from lakehouse.kafka_access import jaas
from lakehouse.settings import Settings
from lakehouse.stack.kafka_users import BROKER

_PROPERTIES = """\
# Written by lakehouse/stack/kafka_properties.py at every start.
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
# Readers wait for the end of a transaction that is left open, however long its producer says it may take.
transaction.max.timeout.ms=60000
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
