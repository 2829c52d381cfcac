"""Events to look at, the dashboard of the shared stack, and a browser."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from playwright.sync_api import Browser
from viewing import HOSTILE, SARA, Viewer

from lakehouse.dashboard import door
from lakehouse.settings import settings

_SUBSCRIBER = {
    "phone_number": SARA, "user_id": "U-SARA", "name": "سارة محمود", "city": HOSTILE, "plan_type": "Postpaid",
    "status": "active", "effective_from": "2020-01-01T00:00:00Z",
}  # fmt: skip
Get = Callable[..., Any]


@pytest.fixture(scope="session")
def events(lakehouse: Any, settled: Any) -> None:
    """12,000 events of ten days, a tenth of them with every defect, and one subscriber with a name from right to left."""
    lakehouse("reference", "users", "-", stdin=json.dumps(_SUBSCRIBER, ensure_ascii=False))
    lakehouse(
        "generate", "--events", "12000", "--days", "10", "--users", "400", "--seed", "11", "--defects", "0.1", "--json"
    )
    settled()


@pytest.fixture(scope="session")
def site(stack: dict[str, str]) -> str:
    """The dashboard's address."""
    return stack["LAKEHOUSE_DASHBOARD_URL"]


@pytest.fixture(scope="session")
def get(site: str) -> Get:
    """Ask the dashboard's server; gives what it answers, or the error it tells."""
    token = settings().dashboard_token.get_secret_value()

    def ask(path: str, *pairs: tuple[str, Any], raw: bool = False) -> Any:
        address = f"{site}/{quote(path)}?{urlencode(pairs)}"
        try:
            asked = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"})
            with urllib.request.urlopen(asked, timeout=60) as answer:
                said = answer.read()
        except urllib.error.HTTPError as refused:
            return {"status": refused.code, **json.load(refused)}
        return said if raw else json.loads(said)

    return ask


@pytest.fixture
def viewer(browser: Browser, site: str, events: None) -> Iterator[Viewer]:
    """A viewer; what it should not have met fails the test in the end."""
    context = browser.new_context(viewport={"width": 1500, "height": 950}, locale="en-GB", accept_downloads=True)
    context.request.get(door.link(settings()))  # as `lakehouse dashboard --open` does: the browser is given its cookie
    viewer = Viewer(context.new_page(), site)
    viewer.page.set_default_timeout(90_000)
    viewer.page.on("pageerror", lambda error: viewer.errors.append(error.stack or str(error)))
    viewer.page.on("console", lambda said: viewer.errors.append(said.text) if said.type == "error" else None)
    viewer.page.on("request", lambda asked: viewer.foreign.append(asked.url) if not _own(asked.url, site) else None)
    yield viewer
    context.close()
    assert viewer.errors == []
    assert viewer.foreign == []


def _own(url: str, site: str) -> bool:
    return url.startswith((f"{site}/", "data:", "blob:"))
