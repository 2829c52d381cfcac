"""Settle ports and secrets of a stack, and write them to `<data_dir>/stack.env`, where every command reads them."""

import re
import secrets
import shutil
from pathlib import Path

from dotenv import dotenv_values

from lakehouse.errors import LakehouseError, UsageError
from lakehouse.settings import PREFIX, STACK_FILE, Settings, origins, settings
from lakehouse.stack.certificates import ensure
from lakehouse.stack.ports import INTERNAL, PUBLIC, choose, is_free, sockets_of
from lakehouse.stack.private import write_private
from lakehouse.stack.server import LOOPBACK, Site, is_local

_PORT_PREFIX = "LAKEHOUSE_PORT_"
# which setting carries a public port
_FIELDS = {
    "kafka": "kafka_bootstrap",
    "s3": "s3_endpoint",
    "catalog": "catalog_url",
    "redis": "redis_url",
    "trino": "trino_url",
    "clickhouse": "clickhouse_url",
    "dashboard": "dashboard_url",
}
# each secret, with the setting that says whether its server is ours
_SECRETS = {
    "s3_access_key": "s3_endpoint",
    "s3_secret_key": "s3_endpoint",
    "s3_reader_access_key": "s3_endpoint",
    "s3_reader_secret_key": "s3_endpoint",
    "clickhouse_password": "clickhouse_url",
    "clickhouse_reader_password": "clickhouse_url",
    "clickhouse_federation_password": "clickhouse_url",
    "trino_password": "trino_url",
    "trino_reader_password": "trino_url",
    "redis_password": "redis_url",
    "redis_reader_password": "redis_url",
    "kafka_sasl_password": "kafka_bootstrap",
    "kafka_producer_password": "kafka_bootstrap",
    "kafka_reader_password": "kafka_bootstrap",
    "dashboard_token": "dashboard_url",
}
# Kafka's first segments, SeaweedFS's first volumes, ClickHouse's system tables, and some room to see what is wrong.
_ROOM_BYTES = 300_000_000
_USER_SAID = ("environment", ".env")


def make_folder() -> Path:
    """The folder of the stack, absolute, closed to other users.

    Raises:
        LakehouseError: it cannot be made, or its disk is as good as full.
    """
    folder = settings().data_dir.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)  # one that was there may be open
        (folder / "logs").mkdir(exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise unwritable(folder, error) from error
    if free < _ROOM_BYTES:
        raise LakehouseError(
            f"only {free / 1e6:.0f} MB are free in {folder}, a stack needs {_ROOM_BYTES / 1e6:.0f} MB to begin with. "
            "Make room there, or set LAKEHOUSE_DATA_DIR to another folder."
        )
    return folder


def settle_site(free_ports: bool) -> Site:
    """The stack of `settings().data_dir`, its ports and secrets chosen and written down.

    Ports that an earlier start wrote down are kept, those the user set are obeyed; with `free_ports` the others are
    chosen anew if something else listens there. Secrets are made once.

    Raises:
        LakehouseError: the folder cannot be written.
    """
    folder = make_folder()
    before = settings()
    values = _secrets(before) | _urls(before, _choose_ports(before, free_ports, _internal(folder)))
    try:
        _write(folder / STACK_FILE, values | _doors(before, folder))
    except OSError as error:
        raise unwritable(folder, error) from error
    settings.cache_clear()
    return read_site()


def read_site() -> Site:
    """The stack as its file says, without changing anything."""
    folder = settings().data_dir.absolute()
    internal = _internal(folder)
    public = {name: port for name, read in PUBLIC.items() if (port := read(settings())) is not None}
    return Site(settings(), folder, {**INTERNAL, **internal, **public})


def unwritable(folder: Path, error: OSError) -> LakehouseError:
    """One sentence for a full or read-only disk, or something else that stands in the way."""
    if isinstance(error, FileExistsError | NotADirectoryError):
        return UsageError(f"LAKEHOUSE_DATA_DIR is {folder}, which is no folder and can't be made one.")
    return LakehouseError(
        f"{error.filename or folder}: {error.strerror}; the stack keeps its data in {folder}. "
        "Make room there, or set LAKEHOUSE_DATA_DIR to another folder."
    )


def _internal(folder: Path) -> dict[str, int]:
    written = dotenv_values(folder / STACK_FILE)
    names = {name: written.get(_PORT_PREFIX + name.upper()) for name in INTERNAL}
    return {name: int(port) for name, port in names.items() if port}


def _choose_ports(now: Settings, free_ports: bool, internal: dict[str, int]) -> dict[str, int]:
    """All ports: as they are, or where `free_ports` says so, random ones that nobody listens on."""
    origin = origins()
    public = {name: port for name, read in PUBLIC.items() if (port := read(now)) is not None}
    for name in PUBLIC.keys() - public.keys():
        if is_local(str(getattr(now, _FIELDS[name]))):
            raise UsageError(f"{PREFIX}{_FIELDS[name].upper()} names this machine but no port; write host:port")
    ports = {**INTERNAL, **internal, **public}
    if not free_ports:
        return ports
    first = not internal
    for name in ports:
        fixed = name in _FIELDS and origin[_FIELDS[name]] in _USER_SAID
        # the first time every port is chosen anew, or a stack on the usual ports could not be started beside this one
        if not fixed and (first or not all(map(is_free, sockets_of(name, ports[name])))):
            ports[name] = choose(name, (used for one in ports for used in sockets_of(one, ports[one])))
    return ports


def _secrets(now: Settings) -> dict[str, str]:
    """Every secret, made where there is none. Hexadecimal, so that it needs no quoting in any of the servers' files."""
    values = {}
    for name, server in _SECRETS.items():
        value = getattr(now, name)
        text = value if isinstance(value, str) else value.get_secret_value()
        if is_local(getattr(now, server)):  # those of other people's servers are not ours to write down
            values[name] = text or secrets.token_hex(10 if name.endswith("access_key") else 24)
    return values


def _doors(now: Settings, folder: Path) -> dict[str, str]:
    """How our own servers are spoken to: Trino by https under the stack's authority, Kafka with passwords unless it is open."""
    values = {}
    if is_local(now.trino_url):
        values["trino_ca"] = str(ensure(folder).authority)
    if is_local(now.kafka_bootstrap):
        values["kafka_security_protocol"] = "PLAINTEXT" if now.kafka_open else "SASL_PLAINTEXT"
    return values


def _urls(now: Settings, ports: dict[str, int]) -> dict[str, str]:
    """The settings that carry a port, with the ports chosen; servers that are somewhere else keep their address."""
    values = {}
    for name, field in _FIELDS.items():
        text = str(getattr(now, field))
        if not is_local(text):
            continue
        elif name == "kafka":
            values[field] = f"{LOOPBACK}:{ports[name]}"
        else:
            values[field] = re.sub(r":\d+(?=/|$)", f":{ports[name]}", text, count=1)
        if name == "trino":  # a stack of before spoke http
            values[field] = values[field].replace("http://", "https://")
    internal = {f"port_{name}": str(ports[name]) for name in INTERNAL}
    return values | internal


def _write(file: Path, values: dict[str, str]) -> None:
    """Replace the file, readable by its owner alone."""
    text = "# Ports and secrets of this stack, written by `lakehouse up`. Delete it only together with the data.\n"
    text += "".join(f"{PREFIX}{name.upper()}={value}\n" for name, value in values.items())
    write_private(file, text)
