"""Pictures of every page of the dashboard, light, dark, on a phone: `make screenshots`; the stack is up with events in it."""

import sys
from pathlib import Path

from playwright.sync_api import Browser

from bench.browser import chromium, wait_until
from lakehouse.dashboard import door
from lakehouse.dashboard.model import model
from lakehouse.settings import settings

FOLDER = Path(__file__).parent / "screenshots"
LOOKS = {
    "light": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "is_mobile": True, "has_touch": True},
}


def take(browser: Browser, site: str) -> list[Path]:
    """Take all of them; gives the files."""
    made = []
    for look, options in LOOKS.items():
        context = browser.new_context(**options)  # type: ignore[arg-type]
        context.request.get(door.link(settings()))  # the browser's cookie
        page = context.new_page()
        page.goto(f"{site}/?page=subscribers&range=7d")
        known = page.evaluate("fetch('api/rows/calls?range=7d').then((answer) => answer.json())")
        number = dict(zip(known["columns"], known["rows"][0], strict=True))["from_phone_number"]
        for name in model().pages:
            chosen = f"&f.subscriber=%2B{number.removeprefix('+')}" if name == "subscribers" else ""
            page.goto(f"{site}/?page={name}&range=7d{'&compare=1' if name == 'overview' else ''}{chosen}")
            wait_until(page)
            page.wait_for_timeout(300)  # fonts
            made.append(FOLDER / f"{name}-{look}.jpg")
            page.screenshot(path=made[-1], type="jpeg", quality=72)
        context.close()
    return made


def main() -> None:
    """Write them beside this file."""
    with chromium() as browser:
        if browser is None:
            sys.exit("error: no chromium here: apt install chromium")
        FOLDER.mkdir(exist_ok=True)
        for file in take(browser, settings().dashboard_url):
            print(f"written: {file.relative_to(FOLDER.parent.parent)}")


if __name__ == "__main__":
    main()
