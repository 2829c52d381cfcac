"""A proxy before the catalog or S3 that answers wrongly, late or not at all, as a drill wants it."""

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from yarl import URL

_COMMIT = re.compile(r"/namespaces/[^/]+/tables/[^/]+$")
_MOST_BYTES = 1 << 30
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}
_FOR_PROXIES = {"connection", "expect", "transfer-encoding"}
# A request that is held up goes on after this long, though no other commit has passed.
_HELD_AT_MOST_S = 20.0


def is_commit(request: web.Request) -> bool:
    """Whether a request changes a table of the catalog."""
    return request.method == "POST" and _COMMIT.search(request.path) is not None


def is_upload(request: web.Request) -> bool:
    """Whether a request writes an object."""
    return request.method in ("PUT", "POST") and "/v1/" not in request.path


@dataclass(frozen=True)
class Fault:
    """What happens to a request.

    Attributes:
        kind: `status` is answered at once and nothing forwarded; `slow` is forwarded after a pause; `unanswered` is forwarded,
            and the connection closed instead of an answer; `late` is forwarded, and answered after a pause; `held` is closed at
            once and forwarded only after the next commit of the same table; `cut` forwards half of a body, and closes.
    """

    kind: str
    status: int = 503
    pause_s: float = 0.0


Plan = Callable[[web.Request], Fault | None]


@dataclass
class Proxy:
    """One proxy, on a thread of its own.

    Attributes:
        done: faults by kind.
        behind: what the target itself answered, where the client did not see it in time: `unanswered, 200`.
    """

    target: str
    plan: Plan = lambda request: None
    done: Counter[str] = field(default_factory=Counter)
    behind: Counter[str] = field(default_factory=Counter)
    address: str = ""

    def start(self) -> None:
        """Listen on a free port."""
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True, name="proxy")
        self._thread.start()
        if not ready.wait(10):
            raise RuntimeError("the proxy does not start")

    def stop(self) -> None:
        """Stop listening, after what is held up has been let go."""
        asyncio.run_coroutine_threadsafe(self._let_go(), self._loop).result(_HELD_AT_MOST_S + 10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    @contextmanager
    def faults(self, plan: Plan) -> Iterator[None]:
        """Go wrong by a plan for a while."""
        self.plan = plan
        try:
            yield
        finally:
            self.plan = lambda request: None

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        ready.set()
        self._loop.run_forever()

    async def _serve(self) -> None:
        self._passed: dict[str, asyncio.Event] = {}
        self._late: set[asyncio.Task[object]] = set()
        self._session = aiohttp.ClientSession(
            auto_decompress=False, timeout=aiohttp.ClientTimeout(total=120), connector=aiohttp.TCPConnector(limit=0)
        )
        app = web.Application(client_max_size=_MOST_BYTES)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        self.address = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[attr-defined]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        fault = self.plan(request)
        if fault is None:
            return await self._forward(request, body)
        self.done[fault.kind if fault.kind != "status" else str(fault.status)] += 1
        if fault.kind == "status":
            return web.Response(status=fault.status, text="a drill")
        if fault.kind == "slow":
            await asyncio.sleep(fault.pause_s)
            return await self._forward(request, body)
        if fault.kind == "late":
            answer = await self._forward(request, body)
            self.behind[f"late, {answer.status}"] += 1
            await asyncio.sleep(fault.pause_s)
            return answer
        if fault.kind == "held":
            later = asyncio.ensure_future(self._after_next(request, body))
            self._late.add(later)
            later.add_done_callback(self._late.discard)
        elif fault.kind == "cut":
            await self._half(request, body)
        else:
            answer = await self._forward(request, body)
            self.behind[f"unanswered, {answer.status}"] += 1
        return _hung_up(request)

    async def _forward(self, request: web.Request, body: bytes) -> web.StreamResponse:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _FOR_PROXIES}
        try:
            async with self._session.request(
                request.method, _url(self.target, request.raw_path), data=body, headers=headers, allow_redirects=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            ) as answer:  # fmt: skip
                content = await answer.read()
                kept = [(k, v) for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP]
                length = answer.headers.get("Content-Length")
                status = answer.status
        except aiohttp.ClientError:
            return _hung_up(request)
        if is_commit(request) and status < 300:
            self._passed.setdefault(request.path, asyncio.Event()).set()
            self._passed[request.path] = asyncio.Event()
        if request.method == "HEAD" and length is not None:
            kept.append(("Content-Length", length))
        told = web.Response(status=status, body=content if request.method != "HEAD" else None)
        for name, value in kept:
            told.headers.add(name, value) if name.lower() != "content-type" else told.headers.update({name: value})
        return told

    async def _after_next(self, request: web.Request, body: bytes) -> None:
        """Forward a request that its sender has given up, once another commit of the table has passed."""
        waiting = self._passed.setdefault(request.path, asyncio.Event())
        with suppress(TimeoutError):
            await asyncio.wait_for(waiting.wait(), _HELD_AT_MOST_S)
        answer = await self._forward(request, body)
        self.behind[f"held, {answer.status}"] += 1

    async def _let_go(self) -> None:
        await asyncio.gather(*self._late, return_exceptions=True)
        await self._runner.cleanup()
        await self._session.close()

    async def _half(self, request: web.Request, body: bytes) -> None:
        """Send half of what the header promises, and hang up."""
        url = urlsplit(self.target)
        _, writer = await asyncio.open_connection(url.hostname, url.port)
        head = [f"{request.method} {request.raw_path} HTTP/1.1", *(f"{k}: {v}" for k, v in request.headers.items())]
        writer.write("\r\n".join([*head, "", ""]).encode() + body[: len(body) // 2])
        await writer.drain()
        writer.close()


def _url(target: str, raw_path: str) -> URL:
    return URL(target.rstrip("/") + raw_path, encoded=True)


def _hung_up(request: web.Request) -> web.Response:
    """No answer: the connection is closed under it."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
