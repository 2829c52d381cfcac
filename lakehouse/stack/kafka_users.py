"""Who may do what on the embedded broker: its users' passwords and the rules (ACLs) they are held to.

`lakehouse` (workers and commands) owns topics and groups, and can neither make users nor change rules. `producer` writes the
topics of the contracts and nothing else. `reader` (the dashboard, Trino's catalog) reads topics and looks at groups. The broker
itself, whose password nobody keeps, writes this down at each start, so that passwords and topics follow the settings.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from lakehouse.errors import Retry
from lakehouse.settings import Settings
from streams.contract import contracts

BROKER = "broker"
"""The name under which the broker speaks to itself."""
PRODUCER = "producer"
# Kafka's own least; a generated password of 192 bits needs no more.
_ITERATIONS = 4096
_ANSWER_S = 10.0


def users(settings: Settings) -> dict[str, str]:
    """Names and passwords."""
    found = {
        settings.kafka_sasl_username: settings.kafka_sasl_password,
        PRODUCER: settings.kafka_producer_password,
        settings.kafka_reader: settings.kafka_reader_password,
    }
    return {name: secret.get_secret_value() for name, secret in found.items()}


def rules(settings: Settings, topics: Sequence[str]) -> list[AclBinding]:
    """What each of them is allowed; all else is refused."""
    owner, reader = settings.kafka_sasl_username, settings.kafka_reader
    every = ResourceType.TOPIC, ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID
    found = [_allow(owner, kind, "*", AclOperation.ALL) for kind in every]
    cluster = AclOperation.CREATE, AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS, AclOperation.IDEMPOTENT_WRITE
    found += [_allow(owner, ResourceType.BROKER, "kafka-cluster", one) for one in cluster]
    for topic in topics:
        found += [
            _allow(PRODUCER, ResourceType.TOPIC, topic, one) for one in (AclOperation.WRITE, AclOperation.DESCRIBE)
        ]
    reads = AclOperation.READ, AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS
    found += [_allow(reader, ResourceType.TOPIC, topic, one) for topic in topics for one in reads]
    found.append(_allow(reader, ResourceType.GROUP, "*", AclOperation.DESCRIBE))
    # a group of its own, so that it can't take the workers' partitions
    found.append(_allow(reader, ResourceType.GROUP, reader, AclOperation.READ, ResourcePatternType.PREFIXED))
    return found


def _allow(
    user: str,
    kind: Any,
    name: str,
    operation: Any,
    pattern: Any = ResourcePatternType.LITERAL,
) -> AclBinding:
    return AclBinding(kind, name, pattern, f"User:{user}", "*", operation, AclPermissionType.ALLOW)


_ANY_NAME: Any = None  # the library's types want a text
_ANY = AclBindingFilter(
    ResourceType.ANY, _ANY_NAME, ResourcePatternType.ANY, _ANY_NAME, _ANY_NAME, AclOperation.ANY, AclPermissionType.ANY
)


def _filter(one: AclBinding) -> AclBindingFilter:
    named = one.restype, one.name, one.resource_pattern_type, one.principal, one.host
    return AclBindingFilter(*named, one.operation, one.permission_type)


def admit(itself: Mapping[str, Any], passwords: Mapping[str, str], wanted: Sequence[AclBinding]) -> None:
    """Make passwords and rules those that are wanted, and take away all others, as the broker.

    Args:
        itself: how a client reaches the broker under the broker's own name.
    Raises:
        Retry: it does not take them yet.
    """
    admin = AdminClient(dict(itself))
    scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ITERATIONS)
    upserts: list[UserScramCredentialAlteration] = [
        UserScramCredentialUpsertion(name, scram, secret.encode()) for name, secret in passwords.items()
    ]
    try:
        known: Any = admin.describe_user_scram_credentials(request_timeout=_ANSWER_S)
        gone = known.result().keys() - passwords.keys()
        upserts += [UserScramCredentialDeletion(name, ScramMechanism.SCRAM_SHA_512) for name in gone]
        there = admin.describe_acls(_ANY, request_timeout=_ANSWER_S).result()
        old = [_filter(one) for one in there if one not in set(wanted)]
        futures = [
            *(admin.delete_acls(old, request_timeout=_ANSWER_S).values() if old else ()),
            *admin.alter_user_scram_credentials(upserts, request_timeout=_ANSWER_S).values(),
            *admin.create_acls(list(wanted), request_timeout=_ANSWER_S).values(),
        ]
        for future in futures:
            future.result()
    except KafkaException as error:
        raise Retry(f"Kafka does not take its users yet: {error.args[0].str()}") from None


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
