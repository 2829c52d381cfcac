"""A page of the dashboard in a browser, and a subscriber whose record tries to be more than text."""

import time
from dataclasses import dataclass, field

from playwright.sync_api import Page

SARA = "+201000000077"
# Whoever shows this as markup runs it.
HOSTILE = "<img src=x onerror=\"document.title='hurt'\">"
# a build on cold servers is in it
_LIMIT_S = 180.0
_DRAWN = """
    [...new URLSearchParams(document.body.dataset.loaded)].sort().join() ===
    [...new URLSearchParams(location.search)].sort().join() && !document.querySelector("[aria-busy]")
"""


@dataclass
class Viewer:
    """A page in a browser, and what went wrong in it."""

    page: Page
    site: str
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def open(self, address: str) -> None:
        """Open an address and wait until all of it is drawn."""
        self.page.goto(f"{self.site}/{address}")
        self.drawn()

    def drawn(self) -> None:
        """Wait until every panel shows what the address says."""
        self.until(_DRAWN)

    def until(self, holds: str, given: object = None) -> None:
        """Wait until an expression holds. Playwright's own waiting evaluates in the page, which the page forbids."""
        limit = time.monotonic() + _LIMIT_S
        while not self.page.evaluate(holds, given):
            assert time.monotonic() < limit, f"not within {_LIMIT_S:.0f} s: {holds}"
            time.sleep(0.05)

    def value(self, panel: str) -> float:
        """The figure of a number."""
        return float(self.page.locator(f'[data-panel="{panel}"] .value').get_attribute("data-value") or "nan")
