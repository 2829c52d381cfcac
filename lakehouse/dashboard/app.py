"""The dashboard's web application: a page, and JSON for it. Reads only."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from lakehouse.dashboard import rejections, subscribers
from lakehouse.dashboard.door import Door, access_log, hosts
from lakehouse.dashboard.exports import FORMATS
from lakehouse.dashboard.model import Measure, Model
from lakehouse.dashboard.panels import Panels
from lakehouse.dashboard.parameters import shown, text, whole
from lakehouse.dashboard.query import panel_query, rows_query
from lakehouse.dashboard.scope import Scope, scope_of
from lakehouse.dashboard.state import State
from lakehouse.errors import LakehouseError, Retry, UsageError
from lakehouse.settings import Settings

log = logging.getLogger(__name__)
STATIC = Path(__file__).parent / "static"
# Rows are shown 200 at a time: nobody pages so far.
_FURTHEST = 10**9
_EVENT_LOOK_S, _HEARTBEAT_S = 0.25, 15.0
_SAFE = {
    # nothing from other machines, no script but ours
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:;"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
Answer = Callable[[Request], Any]


class Dashboard:
    """The routes, over what answers them."""

    def __init__(self, settings: Settings, panels: Panels, state: State, messages: rejections.Messages) -> None:
        self._settings = settings
        self._panels = panels
        self._state = state
        self._messages = messages
        self._version = _version()

    def app(self) -> Starlette:
        """The ASGI application."""
        paths: dict[str, Answer] = {
            "/api/model": self.model,
            "/api/panel/{page}/{panel}": self.panel,
            "/api/rows/{cube}": self.rows,
            "/api/values/{page}/{dimension}": self.values,
            "/api/pipeline": self.pipeline,
            "/api/subscribers": self.subscribers,
            "/api/subscriber/{phone}": self.subscriber,
            "/api/reason/{source}": self.reason,
            "/api/message/{source}": self.message,
        }
        routes = [Route(path, _json(answer)) for path, answer in paths.items()]
        return Starlette(
            routes=[
                Route("/", _guarded(self.page)),
                *routes,
                Route("/api/export/panel/{page}/{panel}.{form}", _guarded(self.export_panel)),
                Route("/api/export/rows/{cube}.{form}", _guarded(self.export_rows)),
                Route("/api/events", self.events),
                Mount("/static", StaticFiles(directory=STATIC)),
            ],
            middleware=[
                Middleware(Door, settings=self._settings, log=access_log(self._settings.data_dir / "logs")),
                Middleware(TrustedHostMiddleware, allowed_hosts=hosts(self._settings)),
                Middleware(GZipMiddleware, minimum_size=4096, compresslevel=1),
            ],
            exception_handlers={LakehouseError: _told, Exception: _failed},
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        self._state.start()
        yield
        self._state.stop()

    def page(self, request: Request) -> Response:
        """The one HTML page; its scripts carry a version, so that browsers may keep them."""
        html = (STATIC / "index.html").read_text().replace("{version}", self._version)
        return HTMLResponse(html, headers={**_SAFE, "Cache-Control": "no-cache"})

    def model(self, request: Request) -> Any:
        """Pages, panels, figures and dimensions."""
        model: Model = self._panels.model
        return {
            "zone": self._settings.time_zone,
            "pages": [asdict(page) for page in model.pages.values()],
            "kpis": {name: _defined(model, name) for name in model.kpis},
            "cubes": {
                name: {
                    "title": cube.title,
                    "tables": cube.tables,
                    "dimensions": {n: {"title": d.title, "type": d.type} for n, d in cube.dimensions.items()},
                }
                for name, cube in model.cubes.items()
            },
        }

    def panel(self, request: Request) -> Any:
        """Figures of a panel, with the state of the copies behind them."""
        panel = self._panels.panel(request.path_params["page"], request.path_params["panel"])
        told = self._panels.answer(panel, self._scope(request), request.query_params.get("compare") == "1")
        return {**told, "state": self._state.of(self._panels.model.cubes[panel.cube].tables)}

    def rows(self, request: Request) -> Any:
        """Rows behind the figures."""
        offset = whole(request.query_params.get("offset", "0"), "offset", _FURTHEST)
        return self._panels.rows(self._panels.cube(request.path_params["cube"]), self._scope(request), offset)

    def values(self, request: Request) -> Any:
        """What a filter offers, under the other filters."""
        page = self._panels.page(request.path_params["page"])
        dimension = request.path_params["dimension"]
        cubes = self._panels.model.cubes
        own = cubes[page.cube]
        cube = (
            own if dimension in own.dimensions else next((c for c in cubes.values() if dimension in c.dimensions), own)
        )
        return self._panels.values(cube, dimension, self._scope(request))

    def pipeline(self, request: Request) -> Any:
        """How the line stands."""
        self._state.looked_at()
        return {**self._state.line, "copies": self._state.copies, "copies_error": self._state.error}

    def subscribers(self, request: Request) -> Any:
        """Who is meant."""
        wanted = text(request.query_params.get("q", ""), "q")
        if len(wanted.strip()) < 3:
            raise UsageError("type at least three characters of a number, a user id or a name")
        return subscribers.find(self._panels, wanted)

    def subscriber(self, request: Request) -> Any:
        """The history of one number."""
        return subscribers.profile(self._panels, text(request.path_params["phone"], "the number"))

    def reason(self, request: Request) -> Any:
        """Reasons of a rejection in words."""
        codes = text(request.query_params.get("codes", ""), "codes").split(", ")
        earliest: datetime = self._settings.earliest_event_time
        source = text(request.path_params["source"], "the source")
        return [{"code": code, **rejections.reason_in_words(source, code, earliest)} for code in codes if code]

    def message(self, request: Request) -> Any:
        """One message as it was sent."""
        said = request.query_params
        return self._messages.message(
            request.path_params["source"],
            *(said.get(name, "") for name in ("topic_id", "partition", "offset", "taken")),
        )

    def export_panel(self, request: Request) -> Response:
        """A panel's figures as a file."""
        panel = self._panels.panel(request.path_params["page"], request.path_params["panel"])
        scope = self._panels.with_money(panel, self._scope(request))
        return self._file(request, panel_query(self._panels.model, panel, scope, moments=True), panel.name)

    def export_rows(self, request: Request) -> Response:
        """The rows behind the figures as a file."""
        cube = self._panels.cube(request.path_params["cube"])
        return self._file(request, rows_query(cube, self._scope(request), limit=None), f"{cube.name}-rows")

    def _file(self, request: Request, query: Any, name: str) -> Response:
        form = request.path_params["form"]
        if form not in FORMATS:
            raise UsageError(f"a file is {' or '.join(FORMATS)}, not {shown(form)}")
        bom = request.query_params.get("bom", "1")
        if bom not in ("0", "1"):
            raise UsageError("bom is 0 (a CSV file without a byte-order mark) or 1")
        headers = {**_SAFE, "Content-Disposition": f'attachment; filename="{name}.{form}"'}
        pieces = self._panels.export(query, form, self._settings.time_zone, bom == "1")
        return StreamingResponse(pieces, media_type=FORMATS[form][1], headers=headers)

    async def events(self, request: Request) -> Response:
        """Server-sent events: the version of the state, at once and whenever it changes."""

        async def told() -> AsyncIterator[bytes]:
            sent, silent_s = -1, 0.0
            while True:
                self._state.looked_at()
                if self._state.version != sent:
                    sent, silent_s = self._state.version, 0.0
                    yield b"data: " + orjson.dumps(self._news()) + b"\n\n"
                elif silent_s >= _HEARTBEAT_S:
                    silent_s = 0.0
                    yield b": still here\n\n"
                await asyncio.sleep(_EVENT_LOOK_S)
                silent_s += _EVENT_LOOK_S

        return StreamingResponse(told(), media_type="text/event-stream", headers={**_SAFE, "Cache-Control": "no-store"})

    def _news(self) -> dict[str, Any]:
        closing = self._state.copies.get("*", {})
        return {
            "build": closing.get("build"),
            "copied_at": closing.get("at"),
            "error": self._state.error,
            "line_error": self._state.line["error"],
            "problems": self._state.line["problems"],
            "waiting": sum(one["waiting"] for one in self._state.line["layers"] if one["unit"] == "events"),
            "notable": self._state.line.get("notable", []),
        }

    def _scope(self, request: Request) -> Scope:
        return scope_of(request.query_params.multi_items(), self._panels.model, self._settings.time_zone)


def _defined(model: Model, name: str) -> dict[str, Any]:
    """A figure with its formula in the copies' own words."""
    kpi = model.kpis[name]
    measures = model.cubes[kpi.cube].measures
    formula = "  /  ".join(_formula(measures[m]) for m in (kpi.numerator, kpi.denominator) if m)
    return {**asdict(kpi), "factor": kpi.factor, "formula": formula, "from": model.cubes[kpi.cube].tables}


def _formula(measure: Measure) -> str:
    if measure.distinct is not None:
        return f"different {measure.distinct}" + (" of the activity window" if measure.window else "")
    return f"{measure.sql} in one currency" if measure.money else measure.sql


def _json(answer: Answer) -> Callable[[Request], Response]:
    """A route of JSON."""

    return _guarded(lambda request: _encoded(answer(request)))


def _guarded(answer: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """A route that always answers, an error too; Starlette runs it in a thread, since it waits for ClickHouse."""

    def respond(request: Request) -> Response:
        try:
            return answer(request)
        except LakehouseError as error:
            return _told(request, error)
        except Exception as error:
            return _failed(request, error)

    return respond


def _encoded(told: Any, status: int = 200) -> Response:
    headers = {**_SAFE, "Cache-Control": "no-store"}
    return Response(orjson.dumps(told, default=str), status, headers, "application/json")


def _told(request: Request, error: Exception) -> Response:
    """An error as a sentence: 503 where a server does not answer, 400 where the viewer is mistaken."""
    status = 503 if isinstance(error, Retry) else 400 if isinstance(error, UsageError) else 502
    return _encoded({"error": str(error)}, status)


def _failed(request: Request, error: Exception) -> Response:
    """A fault of ours: all of it for the log, and nothing of it for the viewer."""
    log.error("%s %r could not be answered", request.method, request.url.path, exc_info=error)
    return _encoded({"error": "The dashboard could not answer that. Its log says why."}, 500)


def _version() -> str:
    """A short sum over the static files: a new version of them is a new address."""
    found = hashlib.sha256()
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            found.update(path.read_bytes())
    return found.hexdigest()[:12]
