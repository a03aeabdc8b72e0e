"""What people do on the page, in the words of the tests. Everything is found as a screen reader finds it."""

import itertools
import re

from playwright.sync_api import Locator, Page, expect

from tests.web.conftest import PATIENCE_MS, Visitor

PASSWORD = "correct horse battery staple 7"
_numbers = itertools.count(1)


def sign_up(visitor: Visitor) -> str:
    """Open an account and return its address."""
    email = f"trader{next(_numbers)}@example.com"
    page = visitor.page
    page.get_by_role("link", name="Sign up").click()
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Open account").click()
    expect(page.get_by_role("tab", name="Open orders")).to_be_visible(timeout=PATIENCE_MS)
    return email


def take_play_money(visitor: Visitor) -> None:
    visitor.page.get_by_role("button", name="Get play money").click()
    expect(available(visitor.page)).to_have_text("25,000.00 USDT", timeout=PATIENCE_MS)


def available(page: Page) -> Locator:
    return page.get_by_test_id("available")


def choose(page: Page, side: str, kind: str) -> None:
    form = page.get_by_role("form", name="Order")
    form.get_by_role("button", name=side, exact=True).click()
    form.get_by_role("button", name=kind, exact=True).click()


def fill(page: Page, **fields: str) -> None:
    form = page.get_by_role("form", name="Order")
    for name, text in fields.items():
        form.locator(f"input[name={name}]").fill(text)


def submit(page: Page, side: str, asset: str = "BTC") -> None:
    page.get_by_role("button", name=f"{side} {asset}", exact=True).click()


def open_orders_are(page: Page, count: int) -> None:
    name = re.compile(rf"^Open orders \({count}\)$" if count else "^Open orders$")
    expect(page.get_by_role("tab", name=name)).to_be_visible(timeout=PATIENCE_MS)
