"""The seam between the supervisor and the servers: what a server has to say about itself."""

import json
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakehouse.settings import Settings

LOOPBACK = "127.0.0.1"
# A healthy server answers in milliseconds; the supervisor asks them in turn and must not hang on one that is stuck.
PROBE_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Site:
    """Where a stack lives: its settings as the servers will see them, its folder (absolute) and all its ports."""

    settings: Settings
    folder: Path
    ports: Mapping[str, int]

    def folder_of(self, name: str) -> Path:
        """A server's own folder, made if it is missing, closed to other users."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def log_of(self, name: str) -> Path:
        """The file that holds what a server prints."""
        return self.folder / "logs" / f"{name}.log"


class Server(ABC):
    """One process of the stack.

    The supervisor calls `prepare`, starts `command`, asks `healthy` until it says yes, calls `settle` once, and counts
    the server as up. After a crash it goes through the same steps again, so that each of them must bear repetition.
    """

    name: str
    title: str
    after: tuple[str, ...] = ()
    """Names of the servers that must be up before this one starts."""
    port_names: tuple[str, ...] = ()
    """Its ports in `Site.ports`, those that clients use first."""
    external = False
    """Whether somebody else runs it: then it is only asked for its health."""
    stop_limit_s = 20.0
    """Seconds it may take to end after SIGTERM, before SIGKILL."""
    takes_settings = False
    """Whether it is a process of ours, which reads settings; others are given what they need and no more."""
    yields = 0
    """Its niceness: how far it stands back where processors are short."""

    def __init__(self, site: Site) -> None:
        """Remember where the stack lives; nothing is written yet."""
        self.site = site
        self.settings = site.settings

    @property
    def ports(self) -> dict[str, int]:
        """Its ports by name."""
        return {name: self.site.ports[name] for name in self.port_names if name in self.site.ports}

    def prepare(self) -> None:  # noqa: B027 - most servers need nothing
        """Write its configuration below the stack's folder."""

    @abstractmethod
    def command(self) -> list[str]:
        """The program and its arguments."""

    def environment(self) -> dict[str, str]:
        """Variables on top of the supervisor's own."""
        return {}

    def working_folder(self) -> Path:
        """The folder it runs in."""
        return self.site.folder_of(self.name)

    @abstractmethod
    def healthy(self) -> bool:
        """Whether it answers clients now. Must return within a few seconds and never raise."""

    def settle(self) -> None:  # noqa: B027 - most servers need nothing
        """What is to be done once it answers. A LakehouseError or OSError counts as not up yet; it is called again."""


def exchange(port: int, message: bytes, size: int = 64) -> bytes:
    """Send a few bytes to a local port and return the first bytes of the answer; empty if nobody answers."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=PROBE_TIMEOUT_S) as connection:
            connection.sendall(message)
            return connection.recv(size)
    except OSError:
        return b""


def ask(
    url: str,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = PROBE_TIMEOUT_S,
    authority: Path | None = None,
) -> Any:
    """GET a URL, or POST a form to it, and return the decoded JSON; None if there is no such answer.

    Args:
        authority: whose certificate is to be shown over https; None: one that the machine trusts.
    """
    body = urllib.parse.urlencode(form).encode() if form is not None else None
    request = urllib.request.Request(url, data=body, headers=dict(headers or {}))
    try:
        context = ssl.create_default_context(cafile=authority) if url.startswith("https:") else None
        with urllib.request.urlopen(request, timeout=timeout_s, context=context) as response:
            return json.loads(response.read())
    except (OSError, ValueError, urllib.error.URLError):
        return None


def host_of(url: str) -> str:
    """The host of a URL or of the first `host:port` in a list of them."""
    text = url.split(",")[0]
    return urllib.parse.urlsplit(text if "//" in text else f"//{text}").hostname or ""


def is_local(url: str) -> bool:
    """Whether a URL names this machine's loopback, so that the server is ours to start."""
    return host_of(url) in {"127.0.0.1", "localhost", "::1"}
