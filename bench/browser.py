"""A real Chromium on the dashboard, without a window: for the bench, the pictures in the docs and the tests."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

# Every panel shows what the address says.
DRAWN = """
    [...new URLSearchParams(document.body.dataset.loaded)].sort().join() ===
    [...new URLSearchParams(location.search)].sort().join() && !document.querySelector("[aria-busy]")
"""
# a build on cold servers is in it
_LIMIT_S, _LOOK_S = 180.0, 0.02


@contextmanager
def chromium() -> Iterator[Browser | None]:
    """Debian's Chromium, or Chrome; None where neither is installed."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        yield None
        return
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def wait_until(page: Page, holds: str = DRAWN, given: object = None) -> None:
    """Wait until an expression holds. Playwright's own waiting evaluates in the page, which the page forbids.

    Raises:
        TimeoutError: it does not within 180 s.
    """
    limit = time.monotonic() + _LIMIT_S
    while not page.evaluate(holds, given):
        if time.monotonic() > limit:
            raise TimeoutError(f"not within {_LIMIT_S:.0f} s: {holds}")
        time.sleep(_LOOK_S)
