"""Writes what the servers of compose.yaml read from files: `python -m lakehouse.stack.containers FOLDER`, a service of it.

Each server has a folder of its own below FOLDER, a volume in compose, and sees no other: users, rights and configuration are
those of the embedded server, made by the same functions. What a server takes as variables and nobody else shall read is in
its file `environment`, so that the engine, which shows a container's variables to whoever may ask it, does not know them.
The folder `authority` holds the key that signs certificates; no server has it.
"""

import os
import secrets
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from lakehouse.errors import LakehouseError, UsageError
from lakehouse.kafka_access import jaas, properties
from lakehouse.settings import PREFIX, SECRETS_DIR, Settings, settings
from lakehouse.stack import catalogs, clickhouse, kafka_properties, kafka_users, redis, seaweed
from lakehouse.stack.certificates import Certificates, ensure
from lakehouse.stack.private import write_private
from lakehouse.stack.server import host_of

AUTHORITY, TRUSTED = "authority", "trusted"
"""The folder of the key that signs, which stays with this module, and that of the certificate, which clients are to trust."""
SERVERS = ("kafka", "seaweedfs", "redis", "clickhouse", "trino")
ETC = Path("/etc/lakehouse")
"""Where a server sees its folder; Kafka, which looks for it elsewhere, gets no path that is below it."""
BROKER_PASSWORD = "KAFKA_BROKER_PASSWORD"
"""The secret of no setting: nobody but the broker, and who tells it whom to let in, has it."""
NEEDED = (
    "kafka_reader_password", "redis_password", "redis_reader_password", "s3_access_key", "s3_secret_key",
    "s3_reader_access_key", "s3_reader_secret_key", "trino_password", "trino_reader_password", "clickhouse_password",
    "clickhouse_reader_password", "clickhouse_federation_password",
)  # fmt: skip
"""The settings that must be there: an empty password would let everybody in."""
ADMITTED = ("kafka_sasl_password", "kafka_producer_password", "kafka_reader_password")
"""Those that Kafka is told once it runs."""
# Inside, and on this machine: a client goes on with the address that the broker tells it.
_KAFKA_OUTSIDE = "9092", "127.0.0.1:9092"
_KAFKA_CONTROLLER = "localhost:9093"
_REDIS_PORT = 6379


def write(now: Settings, folder: Path, broker: str) -> None:
    """Bring each server's folder to what the settings say.

    Args:
        broker: the password of Kafka's broker.
    Raises:
        UsageError: a secret is missing, or a name can't be one.
        OSError: a folder cannot be written.
    """
    require(now, NEEDED)
    (folder / AUTHORITY).mkdir(parents=True, exist_ok=True)
    made = ensure(folder / AUTHORITY, [host_of(now.trino_url), host_of(now.s3_endpoint)])
    catalogs_folder = folder / "trino" / "catalogs"
    catalogs_folder.mkdir(parents=True, exist_ok=True)
    catalogs.write(now, catalogs_folder)
    found = {
        TRUSTED: {"ca.pem": made.authority.read_text()},
        "kafka": _kafka(now, broker),
        "seaweedfs": _seaweedfs(now, made),
        "redis": _redis(now),
        "clickhouse": {**clickhouse.configuration(now), "environment": variables(clickhouse.hashes(now))},
        "trino": _trino(now, made),
    }
    for name, files in found.items():
        (folder / name).mkdir(exist_ok=True)
        for file, text in files.items():
            write_private(folder / name / file, text)
        _hand_over(folder / name)


def require(now: Settings, names: tuple[str, ...]) -> None:
    """Refuse to go on without a secret.

    Raises:
        UsageError: one is empty.
    """
    for name in names:
        value = getattr(now, name)
        if not (value if isinstance(value, str) else value.get_secret_value()):
            raise UsageError(
                f"there is no {PREFIX}{name.upper()} among the secrets; `make secrets` makes those missing"
            )


def variables(values: Mapping[str, str]) -> str:
    """A file of variables, for a shell to read."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


def broker_password() -> str:
    """The password of Kafka's broker.

    Raises:
        UsageError: it is not there.
    """
    try:
        found = (Path(os.environ.get(SECRETS_DIR, "")) / BROKER_PASSWORD).read_text().strip()
    except OSError:
        found = ""
    if not found:
        raise UsageError(f"there is no {BROKER_PASSWORD} among the secrets; `make secrets` makes those missing")
    return found


def admit() -> None:
    """Tell Kafka, which answers, whom to let in and for what.

    Raises:
        UsageError: a secret is missing.
        Retry: Kafka does not take it yet.
    """
    now = settings()
    require(now, ADMITTED)
    kafka_users.let_in(now, now.kafka_bootstrap, broker_password())


def _kafka(now: Settings, password: str) -> dict[str, str]:
    """Its properties, and those of a client that is the broker itself, for its health."""
    port, told = _KAFKA_OUTSIDE
    inside = now.kafka_bootstrap
    listeners = {"INSIDE": (f":{inside.rpartition(':')[2]}", inside), "OUTSIDE": (f":{port}", told)}
    itself = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.jaas.config": jaas("plain.PlainLoginModule", kafka_users.BROKER, password),
    }
    text = kafka_properties.configuration(now, listeners, _KAFKA_CONTROLLER, Path("/var/lib/kafka/data"), password)
    return {"server.properties": text, "client.properties": properties(itself)}


def _seaweedfs(now: Settings, made: Certificates) -> dict[str, str]:
    """How its parts know each other, and the keys of owner and reader."""
    seen = Certificates(ETC / "ca.pem", ETC / "server.pem", ETC / "internal.pem", ETC / "internal.key")
    return {
        "security.toml": seaweed.security(seen),
        "ca.pem": made.authority.read_text(),
        "internal.pem": made.internal.read_text(),
        "internal.key": made.internal_key.read_text(),
        "reader.json": seaweed.reader(now),
        "environment": variables(seaweed.owner(now)),
    }


def _redis(now: Settings) -> dict[str, str]:
    """Its configuration and users; and the reader's password, as whom its health is asked for."""
    secret = now.redis_reader_password.get_secret_value()
    return {
        "redis.conf": redis.configuration("* -::*", _REDIS_PORT, Path("/data"), ETC / "users.acl"),
        "users.acl": redis.access(now),
        # by its version, the client knows the one name or the other
        "environment": variables({"REDIS_USER": now.redis_reader, "REDISCLI_AUTH": secret, "VALKEYCLI_AUTH": secret}),
    }


def _trino(now: Settings, made: Certificates) -> dict[str, str]:
    """Its certificate, and what its property files name; the catalogs are there already."""
    shared = {"TRINO_SHARED_SECRET": secrets.token_hex(32)}
    return {
        "server.pem": made.server.read_text(),
        "ca.pem": made.authority.read_text(),
        "environment": variables({**catalogs.variables(now), **shared}),
    }


def _hand_over(folder: Path) -> None:
    """Let a server read its folder, under whatever user its image runs it; nobody else has the volume."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def main() -> None:
    """Write below the folder that is named, or say why not."""
    try:
        write(settings(), Path(sys.argv[1]), broker_password())
    except LakehouseError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
