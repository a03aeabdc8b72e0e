"""Longer ways through the page: an account is protected, money leaves, staff decide."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.running import RunningSystem
from tests.web import steps
from tests.web.conftest import Visitor

Visit = Callable[..., Visitor]

ADDRESS = "xb1qjourneyofatestacrosstheworld"


def test_an_owner_protects_the_account_and_hands_out_a_key(visit: Visit, exchange: RunningSystem) -> None:
    owner = visit("/trade/BTCUSDT")
    page = owner.page
    email = steps.sign_up(owner)

    # The link of the mail works once, and leaves nothing in the address.
    link = steps.mailed_link(exchange, email)
    page.goto(link)
    expect(page.get_by_text("Your address is confirmed.")).to_be_visible()
    assert "token" not in page.url

    page.get_by_role("link", name="Account").click()
    authenticator = steps.turn_on_second_factor(page)
    steps.sign_out(page)
    steps.sign_in(page, email, authenticator)

    page.get_by_role("link", name="Account").click()
    sessions = page.get_by_role("table", name="Sessions")
    expect(sessions.get_by_role("row", name=re.compile("Chrome, Linux This one"))).to_be_visible()

    # A key that may withdraw needs an address; its secret is shown once.
    page.get_by_role("link", name="API keys").click()
    page.get_by_role("button", name="Create key").click()
    dialog = page.get_by_role("dialog", name="Create key")
    dialog.get_by_label("Label").fill("my bot")
    dialog.get_by_label("Trade").check()
    dialog.get_by_label("Withdraw", exact=True).check()
    dialog.get_by_role("button", name="Create key").click()
    expect(dialog.get_by_text("A key that may withdraw needs an allowed address.")).to_be_visible()
    dialog.get_by_label("Allowed addresses").fill("203.0.113.7")
    dialog.get_by_role("button", name="Create key").click()
    made = page.get_by_role("dialog", name="Your new key")
    expect(made.locator(".copyable code")).to_have_count(2)
    key, secret = made.locator(".copyable code").all_inner_texts()
    assert len(key) == len(secret) == 64
    made.get_by_role("button", name="Done").click()
    keys = page.get_by_role("table", name="API keys")
    expect(
        keys.get_by_role("row", name=re.compile(rf"my bot {key[:10]}… Read, Trade, Withdraw 203.0.113.7"))
    ).to_be_visible()
    expect(page.get_by_text(secret)).to_have_count(0)
    page.get_by_role("button", name="Delete key my bot").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No API keys yet.")).to_be_visible()

    page.get_by_role("link", name="Activity").click()
    activity = page.get_by_role("table", name="Activity")
    for what in ("Login", "Second factor enabled", "Api key created", "Api key deleted"):
        expect(activity.get_by_role("cell", name=what, exact=True).first).to_be_visible()


def test_money_leaves_when_staff_say_so_and_markets_halt(visit: Visit, exchange: RunningSystem, tmp_path: Path) -> None:
    owner, staff = visit("/trade/BTCUSDT"), visit("/trade/BTCUSDT")
    email = steps.sign_up(owner)
    steps.take_play_money(owner)
    owner.page.get_by_role("link", name="Account").click()
    authenticator = steps.turn_on_second_factor(owner.page)
    owner.page.get_by_role("link", name="Wallet").click()
    _withdraw(owner.page, "BTC · Bitcoin", "0.2", authenticator)
    _withdraw(owner.page, "USDT · Tether USD", "100", authenticator)
    withdrawals = owner.page.get_by_role("table", name="Withdrawals")
    expect(withdrawals.get_by_role("row")).to_have_count(3)

    steps.become_staff(staff, exchange)
    _decide(staff.page)
    expect(withdrawals.get_by_role("row", name=re.compile("USDT 99 .* Rejected: not to this address"))).to_be_visible()
    expect(withdrawals.get_by_role("row", name=re.compile("BTC 0.19995 .* Completed"))).to_be_visible()
    owner.page.get_by_role("link", name="Statement").click()
    with owner.page.expect_download() as started:
        owner.page.get_by_role("button", name="Download").click()
    started.value.save_as(tmp_path / "statement.csv")
    statement = (tmp_path / "statement.csv").read_text()
    assert re.search(r",BTC,-0\.\d+,0\.30000000,", statement), statement

    _freeze_and_let_go(staff.page, owner, email)
    _halt_and_open(staff.page, owner.page)
    _find_in_audit(staff.page)


def _withdraw(page: Page, asset: str, amount: str, authenticator: steps.Authenticator) -> None:
    page.get_by_role("link", name="Withdraw", exact=True).click()
    page.get_by_label("Asset").select_option(label=asset)
    page.get_by_label("Address", exact=True).fill(ADDRESS)
    page.get_by_label(re.compile("^Amount")).fill(amount)
    page.get_by_role("button", name="Withdraw", exact=True).click()
    dialog = page.get_by_role("dialog", name="Send this?")
    dialog.get_by_role("textbox", name="Code").fill(authenticator.code())
    dialog.get_by_role("button", name="Withdraw", exact=True).click()
    expect(dialog).to_have_count(0)


def _decide(page: Page) -> None:
    """One withdrawal is sent, the other one is not."""
    page.get_by_role("link", name="Withdrawals").click()
    title = "Was the withdrawal of 0.19995 BTC sent?"
    page.get_by_role("button", name=title).click()
    steps.give_reason(page, title, "Mark as sent", "sent by hand", Transaction="4a5e1e4b")
    expect(page.get_by_role("row", name=re.compile("0.19995 BTC .* Completed"))).to_be_visible()
    title = "Reject the withdrawal of 99 USDT?"
    page.get_by_role("button", name=title).click()
    steps.give_reason(page, title, "Reject", "not to this address")
    expect(page.get_by_role("row", name=re.compile("99 USDT .* Rejected"))).to_be_visible()


def _freeze_and_let_go(page: Page, owner: Visitor, email: str) -> None:
    page.get_by_role("link", name="Users").click()
    page.get_by_label("Account id or part of the address").fill(email)
    page.get_by_role("row", name=re.compile(re.escape(email))).get_by_role("link").click()
    expect(page.get_by_role("row", name=re.compile("^BTC 0.3 0 0$"))).to_be_visible()
    page.get_by_role("button", name="Freeze", exact=True).click()
    steps.give_reason(page, "", "Freeze", "a stolen phone")
    expect(page.get_by_text("Frozen", exact=True)).to_be_visible()
    steps.go(owner.page, "/wallet/withdraw")
    expect(owner.page.get_by_text("This account is frozen.")).to_be_visible()
    page.get_by_role("button", name="Unfreeze", exact=True).click()
    steps.give_reason(page, "", "Unfreeze", "the phone is back")
    expect(page.get_by_text("Active", exact=True)).to_be_visible()


def _halt_and_open(page: Page, trader: Page) -> None:
    """A market, then all of them; who looks at the Trade page is told without asking."""
    steps.go(trader, "/trade/ETHUSDT")
    halted = trader.get_by_text("This market is halted.")
    expect(trader.get_by_role("button", name="Buy ETH")).to_be_visible()
    page.get_by_role("link", name="Markets").click()
    page.get_by_role("button", name="Halt ETHUSDT?").click()
    steps.give_reason(page, "Halt ETHUSDT?", "Halt", "prices look wrong")
    expect(halted).to_be_visible()
    page.get_by_role("button", name="Open ETHUSDT?").click()
    steps.give_reason(page, "Open ETHUSDT?", "Open", "prices are right")
    expect(page.get_by_role("button", name="Halt ETHUSDT?")).to_be_visible()
    page.get_by_role("button", name="Pull the kill switch").click()
    steps.give_reason(page, "Stop trading everywhere?", "Pull the kill switch", "a drill")
    expect(page.get_by_text("Halted", exact=True)).to_be_visible()
    page.get_by_role("button", name="Open again").click()
    steps.give_reason(page, "Let trading go on?", "Open again", "end of the drill")
    expect(page.get_by_role("button", name="Pull the kill switch")).to_be_visible()
    expect(halted).to_have_count(0)


def _find_in_audit(page: Page) -> None:
    page.get_by_role("link", name="Audit").click()
    audit = page.get_by_role("table", name="Audit")
    done = {
        "Settle withdrawal": "sent by hand",
        "Reject withdrawal": "not to this address",
        "Freeze account": "a stolen phone",
        "Unfreeze account": "the phone is back",
        "Set market status": "prices look wrong",
        "Set venue status": "a drill",
    }
    for action, reason in done.items():
        expect(audit.get_by_role("row", name=re.compile(f"{action} .*{reason}")).first).to_be_visible()
