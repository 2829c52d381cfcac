"""Who may see the dashboard, and what was seen: a token for everybody, and a line a request in the access log.

The token is in `stack.env`. A program sends it as `Authorization: Bearer …`. A browser opens `/?token=…` once (`lakehouse
dashboard --open` does) and is given a cookie that scripts can't read, and that other sites' pages don't make it send with what
they ask.
"""

import hashlib
import hmac
import json
import logging
import os
import time
from collections.abc import Mapping
from html import escape
from io import FileIO, TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lakehouse.clock import now
from lakehouse.errors import UsageError
from lakehouse.settings import Settings

HEALTH = "/api/health"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
# A line is some 200 bytes: 64 MB are a month of a page that is looked at all day; one older file is kept beside.
_LOG_BYTES, _LOGS = 64 * 1024 * 1024, 1
# An address can be as long as a viewer likes; the log keeps so much of it.
_ADDRESS, _VALUE, _PAIRS = 2_000, 200, 50
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Lakehouse dashboard</title>
<body style="font: 16px system-ui; max-width: 34em; margin: 4em auto">
<h1 style="font-size: 1.3em">This dashboard wants to know who is there</h1>
<p>{says} <code>lakehouse dashboard --open</code> opens it with the token of its stack; <code>--link</code> prints that address.
Or paste LAKEHOUSE_DASHBOARD_TOKEN of <code>stack.env</code>:</p>
<form action="/"><input name="token" type="password" size="40" autofocus> <button>Open</button></form>"""
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}


def listens_on(settings: Settings) -> str:
    """The address that the dashboard listens on."""
    return settings.dashboard_host or urlsplit(settings.dashboard_url).hostname or "127.0.0.1"


def link(settings: Settings) -> str:
    """The address that lets a browser in: to be given to those who may see everything."""
    token = settings.dashboard_token.get_secret_value()
    return f"{settings.dashboard_url.rstrip('/')}/" + (f"?{urlencode({'token': token})}" if token else "")


def hosts(settings: Settings) -> list[str]:
    """Names under which it may be asked: a page of another site must not read this one through a name of its own.

    Loopback's are among them while nobody else can reach it; whoever comes from elsewhere could say them, too.
    """
    own = urlsplit(settings.dashboard_url).hostname or "127.0.0.1"
    beyond = listens_on(settings) not in LOOPBACK
    if beyond and own in LOOPBACK:
        return sorted(settings.dashboard_hosts)
    return sorted({own, *settings.dashboard_hosts, *(() if beyond else LOOPBACK)})


def require_token(settings: Settings) -> None:
    """Raises:
    UsageError: there is no token, and the dashboard is not open on loopback.
    """
    host = listens_on(settings)
    if not settings.dashboard_token.get_secret_value() and not (settings.dashboard_open and host in LOOPBACK):
        raise UsageError(
            f"the dashboard on {host} needs LAKEHOUSE_DASHBOARD_TOKEN, which its viewers must show"
            " (`lakehouse up` makes one); LAKEHOUSE_DASHBOARD_OPEN=1 does without, on loopback, for all on this machine"
        )


class Door:
    """ASGI middleware: asks who is there, before anything else, and writes down what was asked for."""

    def __init__(self, app: ASGIApp, settings: Settings, log: logging.Logger) -> None:
        """Args:
        log: takes the lines, as JSON.

        Raises:
            UsageError: there is no token, and it is not open on loopback.
        """
        self._app = app
        self._log = log
        self._token = settings.dashboard_token.get_secret_value()
        self._open = settings.dashboard_open and listens_on(settings) in LOOPBACK
        url = urlsplit(settings.dashboard_url)
        # cookies know no ports: two stacks on one machine need two names
        self._cookie, self._safe = f"lakehouse-{url.port or 80}", url.scheme == "https"
        require_token(settings)
        self._seal = hmac.digest(self._token.encode(), b"lakehouse dashboard", hashlib.sha256).hex()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        if scope["path"] == HEALTH:
            await JSONResponse({"up": True})(scope, receive, send)
            return
        began, status, size = time.monotonic(), 0, 0

        async def counted(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).setdefault("X-Content-Type-Options", "nosniff")
            else:
                size += len(message.get("body", b""))
            await send(message)

        known = self._knows(request)
        try:
            app = self._app if known else self._refusal(request)
            await app(scope, receive, counted)
        finally:
            if not scope["path"].startswith("/static/") or not known:
                self._log.info("%s", _line(request, known, status, size, time.monotonic() - began))

    def _knows(self, request: Request) -> bool:
        said = request.headers.get("Authorization", "")
        return self._open or (
            _same(said.removeprefix("Bearer "), self._token)
            if said.startswith("Bearer ")
            else _same(request.cookies.get(self._cookie, ""), self._seal)
        )

    def _refusal(self, request: Request) -> Response:
        """What somebody gets who has not shown the token: a cookie, if he shows it now."""
        shown = request.query_params.get("token", "")
        if shown and request.url.path == "/" and _same(shown, self._token):
            rest = urlencode([pair for pair in parse_qsl(request.url.query) if pair[0] != "token"])
            answer = RedirectResponse(f"/?{rest}" if rest else "/", 303, {"Referrer-Policy": "no-referrer"})
            answer.set_cookie(self._cookie, self._seal, httponly=True, samesite="lax", secure=self._safe)
            return answer
        says = "The token is another one." if shown else ""
        if request.url.path == "/":
            return HTMLResponse(_PAGE.format(says=escape(says)), 401, _PAGE_HEADERS)
        told = (
            "who is there? Send the token of stack.env: `Authorization: Bearer …`, or open `lakehouse dashboard --link`"
        )
        return JSONResponse({"error": told}, 401, {"WWW-Authenticate": "Bearer", "Cache-Control": "no-store"})


def _same(shown: str, wanted: str) -> bool:
    """Whether two secrets are one, in a time that does not tell how much of them is; an empty one is none."""
    return bool(wanted) and hmac.compare_digest(shown.encode(errors="replace"), wanted.encode())


def _line(request: Request, known: bool, status: int, size: int, seconds: float) -> str:
    """Who from where asked for what, and what became of it."""
    said = [(name[:_VALUE], value[:_VALUE]) for name, value in request.query_params.multi_items() if name != "token"]
    line: Mapping[str, object] = {
        "at": now().isoformat(timespec="milliseconds"),
        "who": "token" if known else None,
        "from": request.client.host if request.client else None,
        "forwarded_for": request.headers.get("X-Forwarded-For"),
        "method": request.method,
        "path": str(request.scope["path"])[:_ADDRESS],
        "query": urlencode(said[:_PAIRS], errors="replace"),
        "status": status,
        "bytes": size,
        "ms": round(seconds * 1000, 1),
    }
    return json.dumps(line)


def access_log(folder: Path) -> logging.Logger:
    """The log in a folder, `access.ndjson`, for its owner alone; moved aside at 64 MB, one older file is kept."""
    log = logging.getLogger("lakehouse.dashboard.access")
    log.setLevel(logging.INFO)
    log.propagate = False
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / "access.ndjson"
    log.handlers = [_PrivateFile(file, maxBytes=_LOG_BYTES, backupCount=_LOGS, encoding="utf-8")]
    return log


class _PrivateFile(RotatingFileHandler):
    """Files that nobody else may read, each new one, too."""

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return TextIOWrapper(FileIO(descriptor, "a"), self.encoding, write_through=True)
