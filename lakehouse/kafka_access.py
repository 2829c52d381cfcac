"""How clients reach Kafka: the same settings in the words of each client that we have.

librdkafka (publishing, topics, audit), aiokafka (under Faust, and its admin client) and Java (Trino's catalog) each name
addresses, passwords and certificates in their own way. All of them are made here, so that what one can do all can.
"""

import ssl
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from lakehouse.errors import Retry, UsageError
from lakehouse.settings import Settings

# What Kafka said last of our log-in, by its addresses: the calls themselves only say that nobody answers.
_REFUSALS: dict[str, str] = {}


def _note(addresses: str, error: KafkaError) -> None:
    if error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL):
        _REFUSALS[addresses] = error.str()


def unreachable(settings: Settings, client: Any, error: KafkaException) -> Retry:
    """The error of a client of librdkafka's in a sentence that says what to do."""
    client.poll(0)  # only then is told what came meanwhile
    where, user = settings.kafka_bootstrap, settings.kafka_sasl_username
    if said := _REFUSALS.pop(where, ""):
        if "authentication" in said.lower():
            why = f"refuses the user {user}: LAKEHOUSE_KAFKA_SASL_PASSWORD is not its password"
        else:
            why = f"can't be spoken to as LAKEHOUSE_KAFKA_SECURITY_PROTOCOL says ({said[:200]})"
        return Retry(f"Kafka at {where} {why}.{settings.stack_hint}")
    return Retry(
        f"Kafka does not answer at {where} ({error.args[0].str()}). "
        f"Start it with `lakehouse up`, or set LAKEHOUSE_KAFKA_BOOTSTRAP.{settings.stack_hint}"
    )


def librdkafka(settings: Settings) -> dict[str, Any]:
    """For `confluent_kafka`: https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md.

    Raises:
        UsageError: a password or a file that the settings ask for is not there.
    """
    _check(settings)
    found: dict[str, Any] = {
        "bootstrap.servers": settings.kafka_bootstrap,
        "security.protocol": settings.kafka_security_protocol,
        "log_level": 0,
        "error_cb": partial(_note, settings.kafka_bootstrap),
    }
    if _has_password(settings):
        found |= {
            "sasl.mechanism": settings.kafka_sasl_mechanism,
            "sasl.username": settings.kafka_sasl_username,
            "sasl.password": settings.kafka_sasl_password.get_secret_value(),
        }
    if _has_certificates(settings):
        files = {
            "ssl.ca.location": settings.kafka_ssl_ca,
            "ssl.certificate.location": settings.kafka_ssl_cert,
            "ssl.key.location": settings.kafka_ssl_key,
        }
        found |= {name: str(file) for name, file in files.items() if file is not None}
    return found


def aiokafka(settings: Settings) -> dict[str, Any]:
    """For `aiokafka`'s clients, as keyword arguments. Raises as `librdkafka` does."""
    _check(settings)
    found: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap.split(","),
        "security_protocol": settings.kafka_security_protocol,
    }
    if _has_password(settings):
        found |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": settings.kafka_sasl_password.get_secret_value(),
        }
    if _has_certificates(settings):
        context = ssl.create_default_context(cafile=settings.kafka_ssl_ca)
        if settings.kafka_ssl_cert is not None:
            context.load_cert_chain(settings.kafka_ssl_cert, settings.kafka_ssl_key)
        found["ssl_context"] = context
    return found


def java(settings: Settings) -> dict[str, str]:
    """For Kafka's Java clients, as the lines of a property file: https://kafka.apache.org/documentation/#security."""
    found: dict[str, str] = {"security.protocol": settings.kafka_security_protocol}
    if _has_password(settings):
        plain = settings.kafka_sasl_mechanism == "PLAIN"
        module = "plain.PlainLoginModule" if plain else "scram.ScramLoginModule"
        found |= {
            "sasl.mechanism": settings.kafka_sasl_mechanism,
            "sasl.jaas.config": jaas(
                module, settings.kafka_sasl_username, settings.kafka_sasl_password.get_secret_value()
            ),
        }
    if _has_certificates(settings):
        if settings.kafka_ssl_ca is not None:
            found |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(settings.kafka_ssl_ca)}
        if settings.kafka_ssl_cert is not None and settings.kafka_ssl_key is not None:
            # Java wants certificate and key in one place; a property file takes them as they are, lines and all
            found |= {
                "ssl.keystore.type": "PEM",
                "ssl.keystore.certificate.chain": settings.kafka_ssl_cert.read_text(),
                "ssl.keystore.key": settings.kafka_ssl_key.read_text(),
            }
    return found


def jaas(module: str, username: str, password: str, **users: str) -> str:
    """A line of Java's log-in configuration; `users` are those whom a broker takes, by name."""
    named = {"username": username, "password": password, **{f"user_{name}": secret for name, secret in users.items()}}
    options = " ".join(f"{name}={_quoted(value)}" for name, value in named.items())
    return f"org.apache.kafka.common.security.{module} required {options};"


def properties(values: dict[str, str]) -> str:
    """A Java property file: https://docs.oracle.com/en/java/javase/25/docs/api/java.base/java/util/Properties.html."""
    escaped = {name: value.replace("\\", "\\\\").replace("\n", "\\n") for name, value in values.items()}
    return "".join(f"{name}={value}\n" for name, value in escaped.items())


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _check(settings: Settings) -> None:
    """What clients would end in errors of their own about."""
    if _has_password(settings) and not settings.kafka_sasl_password.get_secret_value():
        raise UsageError(
            f"LAKEHOUSE_KAFKA_SECURITY_PROTOCOL is {settings.kafka_security_protocol}, which takes a password:"
            " set LAKEHOUSE_KAFKA_SASL_USERNAME and LAKEHOUSE_KAFKA_SASL_PASSWORD"
        )
    if _has_certificates(settings):
        for name in ("kafka_ssl_ca", "kafka_ssl_cert", "kafka_ssl_key"):
            file = getattr(settings, name)
            if file is not None and not file.is_file():
                raise UsageError(f"LAKEHOUSE_{name.upper()} is {file}, where there is no file")


def _has_password(settings: Settings) -> bool:
    return settings.kafka_security_protocol.startswith("SASL_")


def _has_certificates(settings: Settings) -> bool:
    return settings.kafka_security_protocol.endswith("SSL")
