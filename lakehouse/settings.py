"""Every setting of the system, in one typed object.

Read from, in this order: the environment (prefix `LAKEHOUSE_`), the files of LAKEHOUSE_SECRETS_DIR (each named as a variable,
holding its value), a `.env` file, the running stack's own file
`<data_dir>/stack.env` (ports and generated secrets of the embedded servers), then the defaults below, which run the
embedded stack. The same code runs against compose or production by changing URLs.
"""

import calendar
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from lakehouse.errors import UsageError

STACK_FILE = "stack.env"
PREFIX = "LAKEHOUSE_"
# Variables that are read elsewhere: a folder of files, each named as a variable and holding its value (as container engines
# give secrets to a process); a worker's name; an option of `up` and `demo`; ports in the stack's file.
SECRETS_DIR = "LAKEHOUSE_SECRETS_DIR"
_OTHERS = {"LAKEHOUSE_WORKER", "LAKEHOUSE_FREE_PORTS", SECRETS_DIR}
_OTHERS_BEGIN = "LAKEHOUSE_PORT_"
_MIB = 1024 * 1024


class Settings(BaseSettings):
    """Typed settings; each field's description is what `lakehouse settings` shows."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True)

    data_dir: Path = Field(Path(".lakehouse"), description="folder of the embedded stack: data, logs, secrets")
    cache_dir: Path = Field(Path.home() / ".cache" / "lakehouse", description="downloaded servers, shared by stacks")
    time_zone: str = Field("Africa/Cairo", description="the operator's time zone: local times, dates, time of day")
    weekend: tuple[str, ...] = Field(("Friday", "Saturday"), description="days that dim_date calls weekend")
    extensions: tuple[Path, ...] = Field((), description="folders of your own contracts, gold models and tables")
    workers: int = Field(1, ge=1, description="Faust workers that `lakehouse up` starts")
    start_patience_s: float = Field(
        300.0, gt=0, description="seconds without progress after which `up` starts a starting server again"
    )

    kafka_bootstrap: str = Field("127.0.0.1:9092", description="Kafka bootstrap servers")
    kafka_partitions: int = Field(4, ge=1, description="partitions of a topic that we create")
    consumer_group: str = Field("lakehouse", description="Kafka consumer group of the workers")
    topics: dict[str, str] = Field({}, description='renamed topics, e.g. {"calls": "CALL_TOPIC"}')
    publish_wait_s: int = Field(
        60, ge=1, description="seconds after which a message that Kafka does not take is given up"
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SASL_PLAINTEXT", "SSL", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how Kafka is spoken to; `up` makes its own broker SASL_PLAINTEXT"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="how passwords are proved to Kafka"
    )
    kafka_sasl_username: str = Field("lakehouse", description="Kafka user of workers and commands")
    kafka_sasl_password: SecretStr = Field(SecretStr(""), description="its password")
    kafka_reader: str = Field("reader", description="Kafka user of the dashboard and of Trino; it reads")
    kafka_reader_password: SecretStr = Field(SecretStr(""), description="its password")
    kafka_producer_password: SecretStr = Field(
        SecretStr(""), description="of the embedded broker's user `producer`, who writes the sources' topics"
    )
    kafka_ssl_ca: Path | None = Field(None, description="PEM file of the authority that signed Kafka's certificates")
    kafka_ssl_cert: Path | None = Field(None, description="PEM file of our certificate, where Kafka asks for one")
    kafka_ssl_key: Path | None = Field(None, description="PEM file of that certificate's key")
    kafka_open: bool = Field(False, description="1: the embedded broker asks nobody for a password")

    redis_url: str = Field("redis://127.0.0.1:6379/0", description="Redis: warm start of reference data")
    redis_username: str = Field("lakehouse", description="Redis user of the workers, unless the URL names one")
    redis_password: SecretStr = Field(SecretStr(""), description="its password")
    redis_reader: str = Field("reader", description="Redis user of Trino; it reads reference records")
    redis_reader_password: SecretStr = Field(SecretStr(""), description="its password")
    s3_endpoint: str = Field("http://127.0.0.1:8333", description="S3 endpoint that holds the warehouse")
    s3_region: str = Field("us-east-1", description="S3 region")
    s3_access_key: str = Field("", description="S3 access key, also the catalog's client id")
    s3_secret_key: SecretStr = Field(SecretStr(""), description="S3 secret key, also the catalog's client secret")
    s3_reader_access_key: str = Field("", description="S3 key that only reads: of ClickHouse and the dashboard")
    s3_reader_secret_key: SecretStr = Field(SecretStr(""), description="its secret")
    catalog_url: str = Field("http://127.0.0.1:8181", description="Iceberg REST catalog")
    catalog_warehouse: str = Field("s3://lakehouse", description="warehouse (a table bucket in SeaweedFS)")

    trino_url: str = Field("https://127.0.0.1:8443", description="Trino coordinator; passwords need https")
    trino_user: str = Field("lakehouse", description="Trino user that owns the tables, the only one that may write")
    trino_password: SecretStr = Field(SecretStr(""), description="its password")
    trino_reader: str = Field("reader", description="Trino user of `lakehouse sql` and the dashboard; it reads")
    trino_reader_password: SecretStr = Field(SecretStr(""), description="its password")
    trino_ca: Path | None = Field(None, description="PEM file of the authority that signed Trino's certificate")
    clickhouse_url: str = Field("http://127.0.0.1:8123", description="ClickHouse HTTP interface")
    clickhouse_user: str = Field("lakehouse", description="ClickHouse user that owns the copies")
    clickhouse_password: SecretStr = Field(SecretStr(""), description="its password")
    clickhouse_reader: str = Field("reader", description="ClickHouse read-only user for dashboards")
    clickhouse_reader_password: SecretStr = Field(SecretStr(""), description="its password")
    clickhouse_federation: str = Field("federation", description="ClickHouse read-only user of Trino's catalog")
    clickhouse_federation_password: SecretStr = Field(SecretStr(""), description="its password")

    dashboard_url: str = Field("http://127.0.0.1:8050", description="where the dashboard is; `up` serves it there")
    dashboard_host: str = Field("", description="address it listens on; default that of the URL. 0.0.0.0: see docs")
    dashboard_hosts: tuple[str, ...] = Field((), description="more names under which browsers may reach it")
    dashboard_token: SecretStr = Field(SecretStr(""), description="what a browser must show to see anything")
    dashboard_open: bool = Field(False, description="1: on loopback the dashboard asks nobody for the token")

    commit_interval_s: float = Field(1.0, gt=0, description="seconds between silver commits while events arrive")
    commit_bytes: int = Field(64 * _MIB, gt=0, description="buffered message bytes that start a commit at once")
    bronze_interval_s: float = Field(10.0, gt=0, description="seconds between bronze commits")
    bronze_off: tuple[str, ...] = Field((), description="sources without a bronze table")
    buffer_bytes: int = Field(
        192 * _MIB, gt=0, description="bytes of messages and rows at which a worker stops fetching"
    )
    message_bytes: int = Field(
        16 * _MIB, ge=64 * 1024, description="longest message that is read whole; a longer one is cut, and rejected"
    )
    build_events: int = Field(
        2_000_000, gt=0, description="events of a source that one build takes; more wait for the next"
    )
    snapshots_kept_s: int = Field(
        120, ge=120, description="seconds that old snapshots are kept; more for long statements of yours on silver"
    )
    check_interval_s: float = Field(3600.0, gt=0, description="seconds between full checks of gold by themselves")
    duplicate_window_events: int = Field(2_000_000, gt=0, description="accepted events a partition remembers")
    duplicate_window_s: int = Field(24 * 3600, gt=0, description="seconds of Kafka time a partition remembers")
    earliest_event_time: datetime = Field(datetime(2020, 1, 1, tzinfo=UTC), description="older events are rejected")

    @field_validator("extensions")
    @classmethod
    def _folders(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        for folder in value:
            if not folder.is_dir():
                raise ValueError(f"{folder} is no folder")
        return tuple(folder.resolve() for folder in value)

    @field_validator("trino_url", "clickhouse_url", "catalog_url", "dashboard_url")
    @classmethod
    def _addresses(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{value!r} is no address; it must begin with http:// or https://")
        return value

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is not a time zone; use a name such as Africa/Cairo") from error
        return value

    @field_validator("weekend")
    @classmethod
    def _days(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [day for day in value if day not in calendar.day_name]:
            raise ValueError(f"{wrong[0]!r} is no day; the days are {', '.join(calendar.day_name)}")
        return value

    @property
    def stack_hint(self) -> str:
        """What may be wrong where a server is not as the settings say: that they are another folder's."""
        folder = self.data_dir.absolute()
        return (
            ""
            if (folder / STACK_FILE).exists()
            else f" There is no stack in {folder}: LAKEHOUSE_DATA_DIR says where it is."
        )

    def topic(self, source: str) -> str:
        """The Kafka topic that carries a source."""
        return self.topics.get(source, source)

    def as_reader(self) -> Self:
        """The same servers with the reader's rights, for a process that must change nothing: the owner's secrets are not in it.

        Where a server has no reader (one that is not ours), the owner's name stays.
        """
        pairs: dict[str, str] = {}
        for owner, reader in _READERS.items():
            if all(_plain(getattr(self, name)) for name in reader):
                pairs |= dict(zip(owner, reader, strict=True))
        values = {name: getattr(self, reader) for name, reader in pairs.items()}
        if "redis_password" in values:
            values["redis_url"] = _without_password(self.redis_url)
        return self.model_copy(update=values | dict.fromkeys(_OWNERS_ALONE, SecretStr("")))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put files of secrets beside the environment, and the running stack's file below the user's own settings."""
        return init_settings, *_sources(settings_cls).values()


# Who an owner's name and password are replaced by in a process that reads.
_READERS = {
    ("kafka_sasl_username", "kafka_sasl_password"): ("kafka_reader", "kafka_reader_password"),
    ("redis_username", "redis_password"): ("redis_reader", "redis_reader_password"),
    ("s3_access_key", "s3_secret_key"): ("s3_reader_access_key", "s3_reader_secret_key"),
    ("trino_user", "trino_password"): ("trino_reader", "trino_reader_password"),
    ("clickhouse_user", "clickhouse_password"): ("clickhouse_reader", "clickhouse_reader_password"),
}
_OWNERS_ALONE = ("kafka_producer_password", "clickhouse_federation_password")


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _plain(value: str | SecretStr) -> str:
    return value if isinstance(value, str) else value.get_secret_value()


def _sources(settings_cls: type[BaseSettings]) -> dict[str, PydanticBaseSettingsSource]:
    """Where settings are read from, by the word that `lakehouse settings` has for it; the first that has one counts."""
    env, dotenv = EnvSettingsSource(settings_cls), DotEnvSettingsSource(settings_cls)
    found: dict[str, PydanticBaseSettingsSource] = {"environment": env}
    if folder := os.environ.get(SECRETS_DIR):
        if not Path(folder).is_dir():
            raise UsageError(f"{SECRETS_DIR} is {folder}, where there is no folder")
        found["secrets"] = SecretsSettingsSource(settings_cls, secrets_dir=folder)
    data_dir = env().get("data_dir") or dotenv().get("data_dir") or Settings.model_fields["data_dir"].default
    stack = DotEnvSettingsSource(settings_cls, env_file=Path(data_dir) / STACK_FILE)
    return {**found, ".env": dotenv, "stack": stack}


def origins() -> dict[str, str]:
    """Where each setting's value comes from: `environment`, `secrets`, `.env`, `stack` or `default`, by field name."""
    sources = [(label, source()) for label, source in _sources(Settings).items()]
    return {
        name: next((label for label, values in sources if name in values), "default") for name in Settings.model_fields
    }


def unknown_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that look like settings and are none, each with the one that may be meant, or an empty text."""
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields} | _OTHERS
    mine = [name for name in environment if name.upper().startswith(PREFIX)]
    unknown = [name for name in mine if name.upper() not in known and not name.upper().startswith(_OTHERS_BEGIN)]
    return {name: "".join(get_close_matches(name.upper(), known, 1, 0.8)) for name in unknown}


class _Process:
    """Whose rights this process has."""

    reads = False


def hold_reader_rights() -> Settings:
    """Make the rights of this process the reader's, for good: whatever it calls asks `settings()`.

    Raises:
        UsageError: a value cannot be read.
    """
    _Process.reads = True
    settings.cache_clear()
    return settings()


@cache
def settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        UsageError: a value cannot be read; the message names the variable.
    """
    try:
        found = Settings()  # type: ignore[call-arg]
        return found.as_reader() if _Process.reads else found
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"LAKEHOUSE_{name.upper()}: {said}. `lakehouse settings` lists them all.") from None
    except SettingsError as error:
        field = re.search(r'field "(\w+)"', str(error))
        name = field[1] if field else "?"
        example = '{"calls": "CALL_TOPIC"}' if name == "topics" else '["one", "another"]'
        raise UsageError(f"LAKEHOUSE_{name.upper()} must be JSON, such as {example}") from None
