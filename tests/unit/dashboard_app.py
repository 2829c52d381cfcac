"""The dashboard's application over servers that a test plays."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import IO, Any

from pydantic import SecretStr

from lakehouse.dashboard.app import Dashboard
from lakehouse.dashboard.model import model
from lakehouse.dashboard.panels import Panels
from lakehouse.dashboard.rejections import Messages
from lakehouse.dashboard.state import State
from lakehouse.settings import settings

TOKEN = SecretStr("t")
HEADERS = [(b"host", b"127.0.0.1"), (b"authorization", b"Bearer t")]


@dataclass
class PlayedServer:
    """ClickHouse, or Trino: keeps what it was asked, and gives one row of one column, or raises.

    Attributes:
        asked: statements with their parameters.
        fails: raised at each question.
    """

    asked: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    fails: Exception | None = None

    def _take(self, sql: str, parameters: Mapping[str, Any]) -> None:
        self.asked.append((sql, parameters))
        if self.fails is not None:
            raise self.fails

    def answer(self, sql: str, parameters: Mapping[str, Any], form: str, limits: Any, most_bytes: int) -> bytes:
        self._take(sql, parameters)
        if sql.startswith("describe"):
            return b'["name", "type"]\n["String", "String"]\n["n", "UInt64"]\n'
        return b'["n"]\n["UInt64"]\n["1"]\n'

    def stream(self, sql: str, parameters: Mapping[str, Any], form: str, limits: Mapping[str, Any]) -> IO[bytes]:
        self._take(sql, parameters)
        return BytesIO(b"1\n")

    def query(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        self._take(sql, parameters)
        return [("EGP",)]

    def run(self, sql: str) -> list[list[Any]]:
        self._take(sql, {})
        return [["e30=", None]]


class PlayedDashboard:
    """The application; `clickhouse` and `trino` are what it asks."""

    def __init__(self, clickhouse: Any = None) -> None:
        self.clickhouse, self.trino = clickhouse or PlayedServer(), PlayedServer()
        messages = Messages(settings())
        messages._engine = self.trino  # type: ignore[assignment]
        panels = Panels(self.clickhouse, model())
        state = State(self.clickhouse, dict)
        now = settings().model_copy(update={"dashboard_token": TOKEN})
        self.app = Dashboard(now, panels, state, messages).app()

    def get(self, path: str, query: str | bytes = b"") -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer.

        Args:
            path: as the web server hands it on: decoded.
            query: still encoded.
        """
        told: list[Any] = []
        received: list[bool] = []
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": path, "raw_path": b"", "root_path": "", "headers": HEADERS,
            "query_string": query.encode() if isinstance(query, str) else query, "server": ("127.0.0.1", 80),
        }  # fmt: skip

        async def receive() -> dict[str, Any]:
            if received:
                await asyncio.Event().wait()  # who asks stays until all is told
            received.append(True)
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            told.append(message)

        asyncio.run(self.app(scope, receive, send))
        headers = {name.decode(): value.decode() for name, value in told[0]["headers"]}
        return told[0]["status"], headers, b"".join(one.get("body", b"") for one in told[1:])
