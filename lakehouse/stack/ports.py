"""Which port each server listens on, and whether it is free."""

import random
import socket
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

import psutil

from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings
from lakehouse.stack.server import LOOPBACK

# SeaweedFS puts a gRPC port that far above each of its ports.
_GRPC_ABOVE = 10_000
# Below the range from which Linux takes ports for outgoing connections (32768 up), also with gRPC's distance added:
# one of those could take a chosen port between the choice and the start.
_FREE_RANGE = range(10_240, 22_500)

PUBLIC: dict[str, Callable[[Settings], int | None]] = {
    "kafka": lambda s: _port(f"//{s.kafka_bootstrap.split(',')[0]}"),
    "s3": lambda s: _port(s.s3_endpoint),
    "catalog": lambda s: _port(s.catalog_url),
    "redis": lambda s: _port(s.redis_url),
    "trino": lambda s: _port(s.trino_url),
    "clickhouse": lambda s: _port(s.clickhouse_url),
    "dashboard": lambda s: _port(s.dashboard_url),
}
"""Ports that clients use, read from the settings."""

INTERNAL = {"kafka_controller": 9093, "weed_master": 9333, "weed_volume": 9340, "weed_filer": 8888, "weed_admin": 9360}
"""Ports that only the servers themselves use, with what they are unless chosen freely."""

_WITH_GRPC = ("s3", "weed_master", "weed_volume", "weed_filer", "weed_admin")


def _port(url: str) -> int | None:
    return urlsplit(url).port


def sockets_of(name: str, port: int) -> tuple[int, ...]:
    """The port numbers that a named port takes: itself, and gRPC's for SeaweedFS."""
    return (port, port + _GRPC_ABOVE) if name in _WITH_GRPC else (port,)


def is_free(port: int) -> bool:
    """Whether a server could listen on it now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # else a port just closed counts as taken
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def choose(name: str, taken: Iterable[int]) -> int:
    """A random free port for a name, clear of those chosen already."""
    others = set(taken)
    for port in random.sample(_FREE_RANGE, len(_FREE_RANGE)):
        wanted = sockets_of(name, port)
        if not others.intersection(wanted) and all(map(is_free, wanted)):
            return port
    raise LakehouseError("no free port was found; end some of the programs on this machine")


def require_free(titles: Mapping[str, str], ports: Mapping[str, int]) -> None:
    """Refuse to start over somebody else's server.

    Args:
        titles: for each name of a port, what would listen there.
    Raises:
        LakehouseError: a port is in use; the message names port, server, holder and the way out.
    """
    for name, title in titles.items():
        for port in sockets_of(name, ports[name]):
            if not is_free(port):
                raise LakehouseError(
                    f"port {port}, which {title} needs, is in use{_holder(port)}. End that program, "
                    "or use --free-ports (of `lakehouse up` and `demo`), which picks other ports and remembers them."
                )


def _holder(port: int) -> str:
    try:
        for one in psutil.net_connections("tcp"):
            if one.status == psutil.CONN_LISTEN and one.laddr.port == port and one.pid:
                return f" by {psutil.Process(one.pid).name()} (process {one.pid})"
    except psutil.Error:
        pass
    return ""
