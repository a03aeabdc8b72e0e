"""A real Chromium, the exchange that it looks at, and visitors: browser contexts with nothing in common.

Whatever the page complains of in its console fails the test that made it do so: a blocked style, a failed request, an
exception. Tests that break the connection on purpose say what they expect.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.running import RunningSystem
from tests.web.browser import arguments, find_browser

DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
# Everything here may be slow: two cores run the exchange, the tests and the browser.
PATIENCE_MS = 45_000
expect.set_options(timeout=PATIENCE_MS)


class Visitor:
    """One person's browser. ``complaints`` is what the console said that nobody expected."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.complaints: list[str] = []
        self.expected: re.Pattern[str] | None = None
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "warning"}:
            return
        if self.expected is None or not self.expected.search(message.text):
            self.complaints.append(f"{message.type}: {message.text}")


@pytest.fixture(scope="session")
def exchange(session_directory: Path, wide_markets: Path, migrated_cluster: Path) -> Iterator[RunningSystem]:
    """An exchange without bots where everybody who signs up may take play money."""
    environment = {"CROSSBOOK_MARKETS_FILE": str(wide_markets)}
    root = session_directory / "terminal"
    running = RunningSystem(
        root, "--no-demo", "--demo-funds", environment=environment, cluster=migrated_cluster
    ).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def browser(exchange: RunningSystem) -> Iterator[Browser]:
    """One for a module, after the exchange: Playwright keeps an event loop running in this thread, which nothing that
    starts a loop of its own would bear.
    """
    path = find_browser()
    if path is None:
        pytest.skip("no Chromium here; `python -m tests.web.browser` tries to get one")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=arguments())
        yield started
        started.close()


@pytest.fixture
def visit(browser: Browser, exchange: RunningSystem) -> Iterator[Callable[..., Visitor]]:
    """Open the exchange in a browser that nobody has used: ``visit("/status", color_scheme="light")``."""
    visitors: list[Visitor] = []

    def arrive(path: str = "/", *, viewport: dict[str, int] = DESKTOP, color_scheme: str = "dark") -> Visitor:
        context = browser.new_context(
            base_url=exchange.base_url,
            viewport={"width": viewport["width"], "height": viewport["height"]},
            color_scheme="light" if color_scheme == "light" else "dark",
            reduced_motion="reduce",
        )
        visitor = Visitor(context)
        visitors.append(visitor)
        visitor.page.goto(path, wait_until="domcontentloaded")
        return visitor

    yield arrive
    for visitor in visitors:
        visitor.context.close()
    for visitor in visitors:
        assert visitor.complaints == []
