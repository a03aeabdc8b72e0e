"""What people do on the page, in the words of the tests. Everything is found as a screen reader finds it."""

import itertools
import re
import time

import httpx
import pyotp
from playwright.sync_api import Locator, Page, expect

from tests.running import RunningSystem, wait_until
from tests.web.conftest import PATIENCE_MS, Visitor

PASSWORD = "correct horse battery staple 7"
STAFF_ROLES = ("support", "treasurer", "operator")
_numbers = itertools.count(1)


class Authenticator:
    """What an owner has at hand: an app that knows the secret, and recovery codes on paper. Each code works once."""

    def __init__(self, secret: str) -> None:
        self.recovery_codes: list[str] = []
        self._totp = pyotp.TOTP(secret)
        self._last = 0

    def code(self) -> str:
        """Of this or the next half minute, which the exchange takes too; else one from the paper, so nobody waits."""
        now = int(time.time()) // self._totp.interval
        step = max(now, self._last + 1)
        if step > now + 1:
            return self.recovery_codes.pop()
        self._last = step
        return self._totp.generate_otp(step)


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


def go(page: Page, path: str) -> None:
    """As a link does: without loading everything again."""
    page.evaluate("path => { history.pushState({}, '', path); dispatchEvent(new PopStateEvent('popstate')) }", path)
    page.wait_for_url(f"**{path}")


def mailed_link(exchange: RunningSystem, email: str) -> str:
    """The newest one to that address in the outbox."""
    links: list[str] = []

    def has_come() -> bool:
        kept = httpx.get(f"{exchange.base_url}/outbox.json", timeout=20, trust_env=False).json()
        links[:] = [link for mail in kept if mail["recipient"] == email for link in mail["links"]]
        return bool(links)

    wait_until(has_come, PATIENCE_MS / 1000)
    return links[0]


def turn_on_second_factor(page: Page) -> Authenticator:
    """On the Account page."""
    page.get_by_role("button", name="Turn on").click()
    dialog = page.get_by_role("dialog", name="Second factor")
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Turn on").click()
    expect(dialog.get_by_role("img", name="QR code for the authenticator app")).to_be_visible()
    authenticator = Authenticator(dialog.locator(".copyable code").inner_text())
    dialog.get_by_role("textbox", name="Code").fill(authenticator.code())
    dialog.get_by_role("button", name="Confirm").click()
    codes = page.get_by_role("dialog", name="Recovery codes")
    expect(codes.get_by_role("listitem").first).to_be_visible()
    authenticator.recovery_codes = codes.get_by_role("listitem").all_inner_texts()
    codes.get_by_role("button", name="Done").click()
    expect(page.get_by_text(f"{len(authenticator.recovery_codes)} recovery codes left")).to_be_visible()
    return authenticator


def sign_out(page: Page) -> None:
    """On a page for owners only, which then asks who is there."""
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")


def sign_in(page: Page, email: str, authenticator: Authenticator) -> None:
    go(page, "/sign-in")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("textbox", name="Code").fill(authenticator.code())
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="Wallet")).to_be_visible()


def become_staff(visitor: Visitor, exchange: RunningSystem) -> str:
    """Sign up, get every role as an operator of the machine gives it, and sign in so that it counts."""
    email = sign_up(visitor)
    page = visitor.page
    page.get_by_role("link", name="Account").click()
    authenticator = turn_on_second_factor(page)
    bearer = {"Authorization": f"Bearer {exchange.internal_token}"}
    with httpx.Client(base_url=exchange.auth_url, headers=bearer, timeout=20, trust_env=False) as auth:
        (found,) = auth.get("/internal/accounts", params={"query": email}).json()
        given = auth.put(f"/internal/accounts/{found['accountId']}/roles", json={"roles": STAFF_ROLES})
        assert given.is_success, given.text
    sign_out(page)
    sign_in(page, email, authenticator)
    page.get_by_role("link", name="Operator").click()
    expect(page.get_by_role("heading", name="Operator")).to_be_visible()
    return email


def give_reason(page: Page, title: str, submit: str, reason: str, **fields: str) -> None:
    """In the dialog that asks for it."""
    dialog = page.get_by_role("dialog", name=title)
    for label, text in fields.items():
        dialog.get_by_label(label).fill(text)
    dialog.get_by_label("Reason").fill(reason)
    dialog.get_by_role("button", name=submit, exact=True).click()
    expect(dialog).to_have_count(0)
