"""ClickHouse's own HTTP server out of the pip package chdb-core; configured by `clickhouse/etc`."""

import base64
import hashlib
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from typing import Any

from pydantic import SecretStr

from lakehouse.errors import LakehouseError, Retry, UsageError
from lakehouse.paths import data_folder
from lakehouse.settings import Settings
from lakehouse.stack.private import write_private
from lakehouse.stack.server import LOOPBACK, PROBE_TIMEOUT_S, Server, is_local

CATALOG_DATABASE = "lk"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SETTLE_TIMEOUT_S = 20.0


def run_sql(now: Settings, statement: str, timeout_s: float = _SETTLE_TIMEOUT_S) -> str:
    """Run one statement as the owner over HTTP and return what it prints.

    Raises:
        Retry: no answer.
        LakehouseError: ClickHouse refused; the message is its own.
    """
    headers = {
        "X-ClickHouse-User": now.clickhouse_user,
        "X-ClickHouse-Key": now.clickhouse_password.get_secret_value(),
    }
    request = urllib.request.Request(now.clickhouse_url, data=statement.encode(), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:
            return str(response.read().decode())
    except urllib.error.HTTPError as error:
        raise LakehouseError(f"ClickHouse: {error.read().decode(errors='replace').strip()[:500]}") from error
    except OSError as error:
        raise Retry(f"ClickHouse at {now.clickhouse_url} does not answer: {error}") from error


def attach_catalog(now: Settings) -> None:
    """Make the database `lk`, through which ClickHouse reads the Iceberg tables itself, e.g. lk.`gold.fact_calls`.

    Made anew each time, since ports and keys are written into it; the tables are the catalog's and are not touched. The key is
    one that only reads, where there is one.
    """
    now = now.as_reader().model_copy(update=_owner(now))
    key, secret = now.s3_access_key, now.s3_secret_key.get_secret_value()
    catalog = now.catalog_url.rstrip("/")
    bucket = urllib.parse.urlsplit(now.catalog_warehouse).netloc
    options = {
        "catalog_type": "rest",
        "warehouse": now.catalog_warehouse,
        "storage_endpoint": f"{now.s3_endpoint.rstrip('/')}/{bucket}",
        "catalog_credential": f"{key}:{secret}",
        "oauth_server_uri": f"{catalog}/v1/oauth/tokens",
    }
    told = ", ".join(f"{name} = {_text(value)}" for name, value in options.items())
    run_sql(now, f"drop database if exists {CATALOG_DATABASE}")
    run_sql(
        now,
        f"create database {CATALOG_DATABASE} engine = "
        f"DataLakeCatalog({_text(catalog + '/v1')}, {_text(key)}, {_text(secret)}) "
        f"settings {told}, vended_credentials = false",
    )


def _owner(now: Settings) -> dict[str, Any]:
    return {"clickhouse_user": now.clickhouse_user, "clickhouse_password": now.clickhouse_password}


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


class ClickHouse(Server):
    """The server, its users (see users.xml) and its databases `gold` and `lk`."""

    name = "clickhouse"
    title = "ClickHouse"
    after = ("seaweedfs",)  # for the database lk
    port_names = ("clickhouse",)

    @property
    def external(self) -> bool:  # type: ignore[override]
        """Whether the URL names another machine."""
        return not is_local(self.settings.clickhouse_url)

    def prepare(self) -> None:
        """Write config.xml and users.xml.

        Raises:
            UsageError: a user can't have the name that the settings have for him.
        """
        folder = self.working_folder()
        (folder / "data").mkdir(exist_ok=True)
        for name, text in configuration(self.settings).items():
            write_private(folder / name, text)

    def command(self) -> list[str]:
        """This Python with the child module, told where it may go."""
        beyond = (urllib.parse.urlsplit(url) for url in (self.settings.s3_endpoint, self.settings.catalog_url))
        ports = [str(url.port or (443 if url.scheme == "https" else 80)) for url in beyond]
        place = str(self.working_folder() / "data")
        return [sys.executable, "-m", "lakehouse.stack.clickhouse_child", place, str(self.ports["clickhouse"]), *ports]

    def environment(self) -> dict[str, str]:
        """What the files name by `from_env`; no password is among it."""
        return {
            "TZ": "UTC",
            "CLICKHOUSE_LISTEN_HOST": LOOPBACK,
            "CLICKHOUSE_HTTP_PORT": str(self.ports["clickhouse"]),
            **hashes(self.settings),
        }

    def healthy(self) -> bool:
        """Whether the owner gets an answer."""
        try:
            return run_sql(self.settings, "select 1", PROBE_TIMEOUT_S).strip() == "1"
        except LakehouseError:
            return False

    def settle(self) -> None:
        """Make the databases."""
        run_sql(self.settings, "create database if not exists gold engine = Atomic")
        attach_catalog(self.settings)


def configuration(now: Settings) -> dict[str, str]:
    """The text of config.xml and of users.xml, the users under the names of the settings.

    Raises:
        UsageError: a user can't have that name.
    """
    etc = data_folder("clickhouse") / "etc"
    names = {"lakehouse": now.clickhouse_user, "reader": now.clickhouse_reader, "federation": now.clickhouse_federation}
    for name in names.values():
        if not _NAME.fullmatch(name) or name == "default":
            raise UsageError(f"{name!r} cannot be the name of a ClickHouse user; take letters, digits and _")
    head, tail = (etc / "users.xml").read_text().split("<users>")
    for written, name in names.items():
        tail = tail.replace(f"<{written}>", f"<{name}>").replace(f"</{written}>", f"</{name}>")
    config = with_handlers((etc / "config.xml").read_text(), list(names.values()))
    return {"config.xml": config, "users.xml": f"{head}<users>{tail}"}


def hashes(now: Settings) -> dict[str, str]:
    """What users.xml names by `from_env`: of each user's password the SHA-256."""
    passwords = {
        "OWNER": now.clickhouse_password,
        "READER": now.clickhouse_reader_password,
        "FEDERATION": now.clickhouse_federation_password,
    }
    return {f"CLICKHOUSE_{name}_SHA256": _sha256(secret) for name, secret in passwords.items()}


def _sha256(secret: SecretStr) -> str:
    return hashlib.sha256(secret.get_secret_value().encode()).hexdigest()


def with_handlers(config: str, names: Sequence[str]) -> str:
    """A config.xml that answers requests of these users and of nobody else."""
    by_name = f"regex:({'|'.join(names)})"
    by_password = f"regex:Basic ({'|'.join(map(_basic, names))}).*"
    for header, pattern in (("X-ClickHouse-User", by_name), ("Authorization", by_password)):
        config = re.sub(f"<{header}>.*</{header}>", f"<{header}>{pattern}</{header}>", config)
    return config


def _basic(name: str) -> str:
    """A pattern for what base64 makes of `name:` and whatever follows: https://datatracker.ietf.org/doc/html/rfc7617."""
    said = f"{name}:".encode()
    whole = len(said) // 3 * 3
    # what is left over shares its last character with what follows: of that only the first bits are known
    ends = {base64.b64encode(said[whole:] + bytes([byte, 0, 0]))[: len(said) - whole + 1] for byte in range(256)}
    rest = sorted({end[: len(said) - whole].decode() for end in ends})
    last = sorted({end[len(said) - whole :].decode() for end in ends}) if len(said) > whole else []
    return base64.b64encode(said[:whole]).decode() + "".join(rest[:1]) + _one_of(last)


def _one_of(characters: Sequence[str]) -> str:
    """A class of characters; base64's own signs in it need no escaping."""
    return f"[{''.join(characters)}]" if characters else ""
