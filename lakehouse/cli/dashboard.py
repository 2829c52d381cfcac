"""`lakehouse dashboard`."""

import json
import urllib.request
import webbrowser

import click

from lakehouse.cli.options import JSON
from lakehouse.settings import settings


@click.command("dashboard")
@click.option("--open", "in_browser", is_flag=True, help="Open it in a browser.")
@JSON
def dashboard_command(in_browser: bool, as_json: bool) -> None:
    """Say where the dashboard is; where none answers there, serve it until Ctrl-C.

    `lakehouse up` serves it already. It reads ClickHouse as the read-only user, at LAKEHOUSE_DASHBOARD_URL (default
    http://127.0.0.1:8050). It has no log-in: whoever reaches that address sees subscribers' data, so it listens on this
    machine alone; docs/dashboard.md says how to put it behind a proxy.

    With --json it says `url` and `serving` (whether one answered there already) before it serves.
    """
    url = settings().dashboard_url
    answers = _answers(url)
    if as_json:
        click.echo(json.dumps({"url": url, "serving": answers}))
    else:
        click.echo(f"the dashboard is at {url}" + ("" if answers else "; Ctrl-C ends it"))
    if in_browser and answers:
        webbrowser.open(url)
    if answers:
        return
    from lakehouse.dashboard.serve import serve

    serve(settings(), (lambda: webbrowser.open(url)) if in_browser else (lambda: None))


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/api/health", timeout=3) as answer:
            return bool(json.load(answer).get("up"))
    except (OSError, ValueError):
        return False
