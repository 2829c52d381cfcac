"""Writes what Trino reads as its catalogs: property files, and the tables of `kafka` and `redis` from the contracts.

The folder holds `catalog/*.properties` (ours and an operator's), `kafka/*.json` and `redis/*.json`, one file a source, and
`rules.json`, who may write. It is written anew before each start of Trino. In compose a service writes it (`containers.py`);
for a Trino of your own there is `python -m lakehouse.stack.catalogs FOLDER`.
"""

import hashlib
import json
import re
import secrets
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lakehouse import kafka_access, redis_access
from lakehouse.paths import data_files
from lakehouse.settings import Settings, settings
from lakehouse.stack.private import write_private
from streams import reference_keys
from streams.contract import Contract, Field, contracts

FOLDER = "trino/etc/catalog"
_SOURCES = "${SOURCES}"
_ITERATIONS = 100_000
_VARIABLE = re.compile(r"\$\{ENV:(\w+)\}")
# What workers put into Redis was accepted, so these decode; every other type is there as text.
_REDIS_TYPES = {"double": "DOUBLE", "bool": "BOOLEAN", "int": "BIGINT", "date": "DATE"}


def variables(now: Settings) -> dict[str, str]:
    """What the property files name by `${ENV:…}`, but for TRINO_PORT and TRINO_CATALOGS, which are Trino's own.

    Of Kafka, Redis and ClickHouse Trino is a reader: what its owner may do there, he does not do through Trino.
    """
    redis = urlsplit(now.redis_url)
    user, password = redis_access.credentials(now.as_reader())
    return {
        "LAKEHOUSE_KAFKA_BOOTSTRAP": now.kafka_bootstrap,
        "REDIS_ADDRESS": f"{redis.hostname}:{redis.port or 6379}",
        "REDIS_DATABASE": redis.path.strip("/") or "0",
        "REDIS_USER": user,
        "REDIS_PASSWORD": password,
        "LAKEHOUSE_CATALOG_URL": now.catalog_url.rstrip("/"),
        "LAKEHOUSE_CATALOG_WAREHOUSE": now.catalog_warehouse,
        "LAKEHOUSE_S3_ENDPOINT": now.s3_endpoint,
        "LAKEHOUSE_S3_REGION": now.s3_region,
        "LAKEHOUSE_S3_ACCESS_KEY": now.s3_access_key,
        "LAKEHOUSE_S3_SECRET_KEY": now.s3_secret_key.get_secret_value(),
        "CLICKHOUSE_ADDRESS": urlsplit(now.clickhouse_url).netloc,
        "CLICKHOUSE_USER": now.clickhouse_federation,
        "CLICKHOUSE_PASSWORD": now.clickhouse_federation_password.get_secret_value(),
    }


def write(now: Settings, folder: Path) -> None:
    """Bring the folder to what settings and contracts say; files that are no longer wanted go.

    Raises:
        UsageError: a contract cannot be read.
        OSError: the folder cannot be written.
    """
    known = list(contracts().values())
    files = {f"catalog/{path.name}": _properties(path.read_text(), now) for path in data_files(FOLDER, "*.properties")}
    files |= {f"kafka/{one.source}.json": _json(kafka_table(one, now)) for one in known}
    files |= {f"redis/{one.source}.json": _json(redis_table(one)) for one in known if not one.is_event}
    files["rules.json"] = _json(_rules(now))
    files["resource-groups.json"] = _json(_groups(now))
    files["kafka-client.properties"] = kafka_access.properties(kafka_access.java(now.as_reader()))
    files["passwords"] = passwords(now)
    for part in ("catalog", "kafka", "redis"):
        (folder / part).mkdir(parents=True, exist_ok=True)
        for path in (folder / part).iterdir():
            if f"{part}/{path.name}" not in files:
                path.unlink()
    for name, text in files.items():
        write_private(folder / name, text)


def _rules(now: Settings) -> dict[str, Any]:
    """Only the owner of the tables may write: https://trino.io/docs/476/security/file-system-access-control.html."""
    owner = {"user": re.escape(now.trino_user)}
    return {
        "catalogs": [{**owner, "allow": "all"}, {"allow": "read-only"}],
        # What passes a query through to ClickHouse, or reads a table's changes, is a function; of those without a rule
        # everybody has the built-in ones and nobody another.
        "functions": [{**owner, "privileges": ["EXECUTE", "GRANT_EXECUTE", "OWNERSHIP"]}],
        "procedures": [{**owner, "privileges": ["EXECUTE"]}],
        # of others' queries nobody but the owner sees or ends any
        "queries": [{**owner, "allow": ["execute", "view", "kill"]}, {"allow": ["execute"]}],
        "system_information": [{**owner, "allow": ["read"]}],
        # nor anything of theirs: tasks and transactions have no rule of their own
        "tables": [
            {**owner, "privileges": ["SELECT", "INSERT", "DELETE", "UPDATE", "OWNERSHIP", "GRANT_SELECT"]},
            {"catalog": "system", "schema": "runtime", "table": "tasks|transactions", "privileges": []},
            {"privileges": ["SELECT"]},
        ],
        # among those of Iceberg's are the least ages of what its procedures remove
        "catalog_session_properties": [
            {**owner, "allow": True},
            {"catalog": "iceberg", "allow": False},
            {"allow": True},
        ],
    }


# All but ALTER_TABLE_EXECUTE and ANALYZE; of these the rules say more.
_READERS_TYPES = ("SELECT", "EXPLAIN", "DESCRIBE", "DATA_DEFINITION", "INSERT", "UPDATE", "DELETE", "MERGE")


def _groups(now: Settings) -> dict[str, Any]:
    """Which kinds of statement are taken from whom: https://trino.io/docs/476/admin/resource-groups.html.

    Trino's rules let anybody run the procedures of a table that he may read (`ALTER TABLE … EXECUTE rollback_to_snapshot`): its
    file-based access control does not look at them. A statement that no group takes is refused before it is looked at.
    """
    group = {"softMemoryLimit": "100%", "hardConcurrencyLimit": 1_000, "maxQueued": 5_000}
    owner = {"user": re.escape(now.trino_user), "group": "owner"}
    return {
        "rootGroups": [{"name": "owner", **group}, {"name": "readers", **group}],
        "selectors": [owner, *({"queryType": kind, "group": "readers"} for kind in _READERS_TYPES)],
    }


def passwords(now: Settings) -> str:
    """Trino's password file: https://trino.io/docs/476/security/password-file.html. Salted and stretched, though the passwords
    that `up` makes need neither: an operator may set his own."""
    users = {now.trino_user: now.trino_password, now.trino_reader: now.trino_reader_password}
    return "".join(f"{name}:{_hashed(secret.get_secret_value())}\n" for name, secret in users.items())


def _hashed(password: str) -> str:
    """PBKDF2 with HMAC-SHA1, as Trino reads it: iterations, salt and hash. It remembers which passwords it has checked."""
    salt = secrets.token_bytes(16)
    found = hashlib.pbkdf2_hmac("sha1", password.encode(), salt, _ITERATIONS, 32)
    return f"{_ITERATIONS}:{salt.hex()}:{found.hex()}"


def _properties(text: str, now: Settings) -> str:
    """A property file with the sources named, and without the lines whose variable is empty: Trino takes '' for a value."""
    values = variables(now)
    kept = []
    for line in text.splitlines():
        named = _VARIABLE.fullmatch(line.partition("=")[2].strip())
        if line.startswith("#") or named is None or values.get(named[1]) != "":
            kept.append(line.replace(_SOURCES, ",".join(contracts())))
    return "\n".join(kept) + "\n"


def kafka_table(contract: Contract, now: Settings) -> dict[str, Any]:
    """The topic of a source as a table: its columns are named as in silver, and hold the text as it was sent.

    All are varchar. A value that does not fit its column's type fails the whole query in Trino's JSON decoder, and what is
    on a topic was not checked by anybody: `try_cast` in the query says what to do with it.
    """
    fields = [
        {"name": name, "type": "VARCHAR", "mapping": "/".join(path), "comment": _comment(field, path)}
        for name, path, field in kafka_columns(contract)
    ]
    return {
        "tableName": contract.source.lower(),
        "schemaName": "default",
        "topicName": now.topic(contract.source),
        "message": {"dataFormat": "json", "fields": fields},
    }


def kafka_columns(contract: Contract) -> Iterator[tuple[str, tuple[str, ...], Field]]:
    """Each column of the table `kafka.default.<source>` with its path in the message and its field, the silver columns first.

    A column is read from one path. The first spelling has the column's name, an alias its own, and the flat spelling of a
    nested field ends in `_flat`.
    """
    rest = []
    taken = {field.column for field in contract.fields}
    for field in contract.fields:
        first, *others = field.paths
        yield field.column, first, field
        for path in others:
            name = path[-1] if path[-1] not in taken else f"{path[-1]}_flat"
            if name not in taken:
                taken.add(name)
                rest.append((name, path, field))
    yield from rest


def _comment(field: Field, path: tuple[str, ...]) -> str:
    return f"{field.doc or field.name}: {'.'.join(path)}, a {field.type}, as sent"


def redis_table(contract: Contract) -> dict[str, Any]:
    """The latest record of each key of a reference source; the keys are found in the workers' sorted set of changes."""
    fields = []
    for field in contract.fields:
        if field.column == "effective_from":  # workers do not share it
            continue
        one = {"name": field.column, "mapping": field.column, "comment": field.doc}
        one["type"] = _REDIS_TYPES.get(field.type, "VARCHAR")
        fields.append({**one, "dataFormat": "iso8601"} if field.type == "date" else one)
    return {
        "tableName": contract.source.lower(),
        "schemaName": "default",
        "key": {"dataFormat": "zset", "name": reference_keys.changes(contract.source)},
        "value": {"dataFormat": "json", "fields": fields},
    }


def _json(table: Mapping[str, Any]) -> str:
    return json.dumps(table, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write(settings(), Path(sys.argv[1]))
