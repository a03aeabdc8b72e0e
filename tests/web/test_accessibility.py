"""Every main page through axe, in both themes: nothing serious, nothing critical."""

import re
from collections.abc import Callable
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from services.local.page import SOURCE
from tests.running import RunningSystem
from tests.web import steps
from tests.web.conftest import PHONE, Visitor

Visit = Callable[..., Visitor]

AXE = SOURCE / "node_modules" / "axe-core" / "axe.min.js"
FOR_ALL = (
    *("/trade/BTCUSDT", "/sign-in", "/sign-up", "/forgot-password", "/status", "/nowhere"),
    *("/confirm-email", "/reset-password"),
)
FOR_OWNERS = (
    *("/trade/BTCUSDT", "/wallet", "/wallet/deposit", "/wallet/withdraw", "/wallet/addresses", "/wallet/statement"),
    *("/account", "/account/api-keys", "/account/notices", "/account/activity"),
)
FOR_STAFF = ("/operator", "/operator/withdrawals", "/operator/markets", "/operator/audit")
THEMES: tuple[Literal["dark"], Literal["light"]] = ("dark", "light")
FIND = """() => axe.run(document, {resultTypes: ["violations"]}).then(({violations}) =>
    violations.filter(({impact}) => impact === "serious" || impact === "critical")
        .map(({id, nodes}) => `${id}: ${nodes.slice(0, 4).map(({html}) => html.slice(0, 160)).join(" | ")}`))"""


def findings(page: Page) -> list[str]:
    """What axe holds to be serious, once nothing loads any more."""
    expect(page.locator("main .spinner")).to_have_count(0)
    # Not subject to the page's policy, which would keep the page itself from running text.
    page.evaluate(AXE.read_text())
    found: list[str] = page.evaluate(FIND)
    return [f"{page.url}: {one}" for one in found]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_pages_for_all_have_no_serious_finding(visit: Visit, theme: str) -> None:
    page = visit("/status", color_scheme=theme).page
    found = []
    for path in FOR_ALL:
        steps.go(page, path)
        found += findings(page)
    assert found == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_pages_of_an_account_have_no_serious_finding(visit: Visit, theme: str) -> None:
    visitor = visit("/trade/BTCUSDT", color_scheme=theme)
    page = visitor.page
    steps.sign_up(visitor)
    steps.take_play_money(visitor)
    steps.fill(page, price="100", quantity="1")
    steps.submit(page, "Buy")
    steps.open_orders_are(page, 1)
    found = []
    for path in FOR_OWNERS:
        steps.go(page, path)
        found += findings(page)
    page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    steps.go(page, "/trade/BTCUSDT")
    found += findings(page)
    assert found == []


def test_pages_for_staff_have_no_serious_finding(visit: Visit, exchange: RunningSystem) -> None:
    visitor = visit("/trade/BTCUSDT")
    page = visitor.page
    steps.become_staff(visitor, exchange)
    address = page.get_by_role("link", name=re.compile("^Show account")).first.get_attribute("href")
    assert address is not None
    page.get_by_role("link", name="Markets").click()
    page.get_by_role("button", name="Halt BTCUSDT?").click()
    found = findings(page)
    page.keyboard.press("Escape")
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        for path in (*FOR_STAFF, address):
            steps.go(page, path)
            found += findings(page)
    assert found == []


def test_a_keyboard_is_enough_to_place_an_order(visit: Visit) -> None:
    visitor = visit("/trade/ETHUSDT")
    page = visitor.page
    steps.sign_up(visitor)
    steps.take_play_money(visitor)
    page.locator("input[name=price]").focus()
    page.keyboard.type("1000")
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('name')") == "quantity":
            break
    page.keyboard.type("0.5")
    page.keyboard.press("Enter")
    steps.open_orders_are(page, 1)
