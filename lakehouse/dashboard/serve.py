"""Serves the dashboard: `python -m lakehouse.dashboard.serve`, or `lakehouse dashboard`."""

import contextlib
import logging
import signal
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import uvicorn

from lakehouse.copies.server import Server
from lakehouse.dashboard.app import Dashboard
from lakehouse.dashboard.door import listens_on, require_token
from lakehouse.dashboard.model import model
from lakehouse.dashboard.panels import Panels
from lakehouse.dashboard.pipeline import Pipeline
from lakehouse.dashboard.rejections import Messages
from lakehouse.dashboard.state import State
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings, hold_reader_rights


def server(now: Settings) -> uvicorn.Server:
    """The web server on the address of LAKEHOUSE_DASHBOARD_URL; `run` it.

    Raises:
        UsageError: a file of the dashboard can't be read, or there is no token.
    """
    require_token(now)
    url = urlsplit(now.dashboard_url)
    reader = Server(now)
    pipeline: list[Pipeline] = []

    def line() -> dict[str, object]:
        if not pipeline:
            pipeline.append(Pipeline(now))  # not before the catalog answers
        return pipeline[0].line()

    state = State(Server(now), line)
    panels = Panels(reader, model(), state.standing)
    state.prepare = panels.prepare
    dashboard = Dashboard(now, panels, state, Messages(now))
    config = uvicorn.Config(
        dashboard.app(),
        host=listens_on(now),
        port=url.port or 80,
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # the access log says who really connected, and beside it what a proxy says
        timeout_graceful_shutdown=1,  # pages hold a stream open for ever
        lifespan="on",
    )
    return uvicorn.Server(config)


def serve(now: Settings, ready: Callable[[], object]) -> None:
    """Serve until SIGTERM or Ctrl-C, with the reader's rights: see `hold_reader_rights`.

    Args:
        ready: called once it is about to listen.
    Raises:
        LakehouseError: a file of the dashboard can't be read, or the port is taken.
    """
    web = server(now)
    url = urlsplit(now.dashboard_url)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((web.config.host, web.config.port))
        except OSError as error:
            raise LakehouseError(
                f"the dashboard can't listen on {web.config.host}:{url.port or 80}: {error.strerror}."
                " Set LAKEHOUSE_DASHBOARD_URL to another port."
            ) from None
    ready()
    with contextlib.suppress(KeyboardInterrupt):
        web.run()


def main() -> None:
    """`python -m lakehouse.dashboard.serve`, as `lakehouse up` starts it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("pyiceberg").setLevel(logging.WARNING)
    try:
        serve(hold_reader_rights(), lambda: None)
    except LakehouseError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    main()
