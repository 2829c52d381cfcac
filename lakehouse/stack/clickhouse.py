"""ClickHouse's own server, HTTP and native, out of the pip package chdb-core; configured by `clickhouse/etc`."""

import re
import sys
import urllib.error
import urllib.parse
import urllib.request

from lakehouse.errors import LakehouseError, Retry, UsageError
from lakehouse.paths import data_folder
from lakehouse.settings import Settings
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

    Made anew each time, since ports and keys are written into it; the tables are the catalog's and are not touched.
    """
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


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


class ClickHouse(Server):
    """The server, its users (see users.xml) and its databases `gold` and `lk`."""

    name = "clickhouse"
    title = "ClickHouse"
    after = ("seaweedfs",)  # for the database lk
    port_names = ("clickhouse", "clickhouse_native")

    @property
    def external(self) -> bool:  # type: ignore[override]
        """Whether the URL names another machine."""
        return not is_local(self.settings.clickhouse_url)

    def prepare(self) -> None:
        """Copy config.xml and users.xml, the users under the names of the settings."""
        folder, etc = self.working_folder(), data_folder("clickhouse") / "etc"
        (folder / "data").mkdir(exist_ok=True)
        (folder / "config.xml").write_text((etc / "config.xml").read_text())
        users = (etc / "users.xml").read_text()
        head, tail = users.split("<users>")
        names = {"lakehouse": self.settings.clickhouse_user, "reader": self.settings.clickhouse_reader}
        for written, name in names.items():
            if not _NAME.fullmatch(name) or name == "default":
                raise UsageError(f"{name!r} cannot be the name of a ClickHouse user; take letters, digits and _")
            tail = tail.replace(f"<{written}>", f"<{name}>").replace(f"</{written}>", f"</{name}>")
        (folder / "users.xml").write_text(f"{head}<users>{tail}")

    def command(self) -> list[str]:
        """This Python with the child module."""
        return [sys.executable, "-m", "lakehouse.stack.clickhouse_child", str(self.working_folder() / "data")]

    def environment(self) -> dict[str, str]:
        """What the files name by `from_env`."""
        return {
            "TZ": "UTC",
            "CLICKHOUSE_LISTEN_HOST": LOOPBACK,
            "CLICKHOUSE_HTTP_PORT": str(self.ports["clickhouse"]),
            "CLICKHOUSE_TCP_PORT": str(self.ports["clickhouse_native"]),
            "CLICKHOUSE_OWNER_PASSWORD": self.settings.clickhouse_password.get_secret_value(),
            "CLICKHOUSE_READER_PASSWORD": self.settings.clickhouse_reader_password.get_secret_value(),
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
