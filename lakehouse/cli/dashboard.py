"""`lakehouse dashboard`."""

import json
import os
import urllib.request
import webbrowser
from html import escape

import click

from lakehouse.cli.options import JSON
from lakehouse.settings import hold_reader_rights, settings


@click.command("dashboard")
@click.option("--open", "in_browser", is_flag=True, help="Open it in a browser, which is then let in.")
@click.option("--link", is_flag=True, help="Print the address that lets a browser in: whoever has it sees everything.")
@JSON
def dashboard_command(in_browser: bool, link: bool, as_json: bool) -> None:
    """Say where the dashboard is; where none answers there, serve it until Ctrl-C.

    `lakehouse up` serves it already, at LAKEHOUSE_DASHBOARD_URL (default http://127.0.0.1:8050). A browser must show
    LAKEHOUSE_DASHBOARD_TOKEN of stack.env once: --open does that, or open what --link prints. It reads only, as the servers'
    readers, and listens on this machine alone; docs/dashboard.md says how to put it behind a proxy.

    With --json it says `url` and `serving` (whether one answered there already) before it serves.
    """
    from lakehouse.dashboard import door

    opened = door.link(settings())
    url = opened if link else settings().dashboard_url
    answers = _answers(settings().dashboard_url)
    if not answers or link or in_browser:
        door.require_token(settings())
    if as_json:
        click.echo(json.dumps({"url": url, "serving": answers}))
    else:
        click.echo(f"the dashboard is at {url}" + ("" if answers else "; Ctrl-C ends it"))
    if in_browser and answers:
        _open(opened)
    if answers:
        return
    from lakehouse.dashboard.serve import serve

    serve(hold_reader_rights(), (lambda: _open(opened)) if in_browser else (lambda: None))


def _open(link: str) -> None:
    """Open a link in a browser by a page that leads there: who lists this machine's processes must not see the token."""
    page = settings().data_dir.absolute() / "dashboard.html"
    page.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    page.unlink(missing_ok=True)
    with os.fdopen(os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f'<!doctype html><meta http-equiv="refresh" content="0; url={escape(link)}">')
    webbrowser.open(page.as_uri())


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/api/health", timeout=3) as answer:
            return bool(json.load(answer).get("up"))
    except (OSError, ValueError):
        return False
