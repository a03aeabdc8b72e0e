"""``make screenshots``: pictures of the main pages into docs/screenshots, desktop and phone, dark and light.

A demo exchange with its bots runs for a while first, so that there is something to see, and one visitor trades on it.
"""

import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from services.local.page import SOURCE
from tests.running import RunningSystem
from tests.web.browser import arguments, find_browser

TARGET = SOURCE.parent / "docs" / "screenshots"
SIZES = {"desktop": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
THEMES = ("dark", "light")
PAGES = {"trade": "/trade/BTCUSDT", "wallet": "/wallet/deposit", "security": "/account", "status": "/status"}
WARM_UP_S = 240
SETTLE_MS = 4_000
COLOURS = 192


def main() -> None:
    path = find_browser()
    if path is None:
        sys.exit("no Chromium here; `python -m tests.web.browser` tries to get one")
    TARGET.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="crossbook-screenshots-") as root:
        exchange = RunningSystem(Path(root) / "exchange", "--demo").start()
        try:
            time.sleep(WARM_UP_S)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=path, args=arguments())
                take_all(browser, exchange.base_url)
                browser.close()
        finally:
            exchange.stop()


def take_all(browser: Browser, base_url: str) -> None:
    """One visitor, seen in every size and theme."""
    context = browser.new_context(base_url=base_url)
    page = context.new_page()
    page.goto("/trade/BTCUSDT", wait_until="domcontentloaded")
    page.get_by_role("button", name="1m", exact=True).click()
    page.get_by_role("button", name="Try it with play money").click()
    page.get_by_role("tab", name="Open orders").wait_for()
    trade_a_little(page)
    for theme in THEMES:
        page.emulate_media(color_scheme="light" if theme == "light" else "dark")
        for size, (width, height) in {name: (one["width"], one["height"]) for name, one in SIZES.items()}.items():
            page.set_viewport_size({"width": width, "height": height})
            for name, path in PAGES.items():
                page.goto(path, wait_until="domcontentloaded")
                page.wait_for_timeout(SETTLE_MS)
                keep(page.screenshot(), TARGET / f"{name}-{size}-{theme}.png")


def trade_a_little(page: Page) -> None:
    form = page.get_by_role("form", name="Order")
    form.get_by_role("button", name="Market", exact=True).click()
    form.locator("input[name=total]").fill("600")
    page.get_by_role("button", name="Buy BTC").click()
    form.get_by_role("button", name="Limit", exact=True).click()
    for price, quantity in (("58500", "0.05"), ("57900", "0.1")):
        form.locator("input[name=price]").fill(price)
        form.locator("input[name=quantity]").fill(quantity)
        page.get_by_role("button", name="Buy BTC").click()
        page.wait_for_timeout(1_500)
    form.locator("input[name=price]").fill("59000")
    form.get_by_role("button", name="25%").click()
    page.wait_for_timeout(6_000)


def keep(png: bytes, path: Path) -> None:
    """With few colours, which is all that the page has: a tenth of the size."""
    with Image.open(BytesIO(png)) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main()
