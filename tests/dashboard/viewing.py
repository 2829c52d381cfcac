"""A page of the dashboard in a browser, and a subscriber whose record tries to be more than text."""

from dataclasses import dataclass, field

from playwright.sync_api import Page

from bench.browser import wait_until

SARA = "+201000000077"
# Whoever shows this as markup runs it.
HOSTILE = "<img src=x onerror=\"document.title='hurt'\">"


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
        wait_until(self.page)

    def value(self, panel: str) -> float:
        """The figure of a number."""
        return float(self.page.locator(f'[data-panel="{panel}"] .value').get_attribute("data-value") or "nan")
