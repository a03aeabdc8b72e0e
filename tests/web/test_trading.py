"""Two people meet on the exchange, each in a browser of their own, and the exchange fails under them."""

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.running import RunningSystem
from tests.web import steps
from tests.web.conftest import PATIENCE_MS, Visitor

Visit = Callable[..., Visitor]


def test_two_people_trade_and_go_on_after_the_trading_process_was_killed(visit: Visit, exchange: RunningSystem) -> None:
    maker, taker = visit("/trade/BTCUSDT"), visit("/trade/BTCUSDT")
    for visitor in (maker, taker):
        steps.sign_up(visitor)
        steps.take_play_money(visitor)

    # A limit order rests in everybody's book, and its money is locked.
    steps.choose(maker.page, "Buy", "Limit")
    steps.fill(maker.page, price="50000", quantity="0.1")
    steps.submit(maker.page, "Buy")
    steps.open_orders_are(maker.page, 1)
    expect(steps.available(maker.page)).to_have_text("20,000.00 USDT")
    expect(taker.page.get_by_test_id("book").get_by_role("button", name="Sell at 50,000.00")).to_be_visible()

    # A market order meets it: fills, trades, chart and balances of both follow, by streams alone.
    steps.choose(taker.page, "Sell", "Market")
    steps.fill(taker.page, quantity="0.04")
    steps.submit(taker.page, "Sell")
    for visitor in (maker, taker):
        tape = visitor.page.get_by_test_id("tape")
        expect(tape.get_by_text("50,000.00").first).to_be_visible()
        expect(visitor.page.get_by_test_id("last-price")).to_have_text("50,000.00")
        expect(visitor.page.get_by_test_id("chart")).to_have_attribute("data-last", "50,000.00")
    expect(maker.page.get_by_role("table", name="Open orders").get_by_text("0.04000")).to_be_visible()
    # 25,000 and 2,000 less the fee of 0.1 %.
    steps.choose(taker.page, "Buy", "Market")
    expect(steps.available(taker.page)).to_have_text("26,998.00 USDT")
    taker.page.get_by_role("tab", name="Trade history").click()
    expect(taker.page.get_by_role("table", name="Trade history").get_by_text("Taker")).to_be_visible()

    # The process that serves page and streams is killed; both pages say so, come back, and know what is.
    before = int(maker.page.get_by_test_id("chart").get_attribute("data-candles") or "0")
    lost = re.compile(r"WebSocket|ERR_CONNECTION|Failed to load resource")
    maker.expected = taker.expected = lost
    exchange.kill_process("trading")
    expect(maker.page.get_by_test_id("connection")).not_to_have_text("Live", timeout=PATIENCE_MS)
    exchange.wait_ready(60)
    for visitor in (maker, taker):
        expect(visitor.page.get_by_test_id("connection")).to_have_text("Live", timeout=PATIENCE_MS)
    steps.open_orders_are(maker.page, 1)

    # What happens from now on arrives again: a trade at another price moves the other's chart.
    steps.choose(maker.page, "Buy", "Limit")
    steps.fill(maker.page, price="50100", quantity="0.01")
    steps.submit(maker.page, "Buy")
    steps.open_orders_are(maker.page, 2)
    steps.choose(taker.page, "Sell", "Limit")
    steps.fill(taker.page, price="50100", quantity="0.01")
    steps.submit(taker.page, "Sell")
    expect(maker.page.get_by_test_id("last-price")).to_have_text("50,100.00", timeout=PATIENCE_MS)
    expect(maker.page.get_by_test_id("chart")).to_have_attribute("data-last", "50,100.00")
    assert int(maker.page.get_by_test_id("chart").get_attribute("data-candles") or "0") >= before

    # Cancelling gives the money back.
    steps.open_orders_are(maker.page, 1)
    maker.page.get_by_role("button", name=re.compile("^Cancel Buy 0.1 BTCUSDT")).click()
    steps.open_orders_are(maker.page, 0)
    expect(steps.available(maker.page)).to_have_text("22,499.00 USDT")


def test_the_form_says_what_is_wrong_before_anything_is_sent(visit: Visit) -> None:
    visitor = visit("/trade/ETHUSDT")
    page = visitor.page
    steps.sign_up(visitor)
    steps.take_play_money(visitor)
    steps.submit(page, "Buy", "ETH")
    expect(page.get_by_text("Please fill this in.").first).to_be_visible()
    steps.fill(page, price="3000.001", quantity="1")
    expect(page.get_by_text("The price goes in steps of 0.01.")).to_be_visible()
    steps.fill(page, price="3000", quantity="100")
    expect(page.get_by_text("You have 25000 USDT available.")).to_be_visible()
    steps.submit(page, "Buy", "ETH")
    steps.open_orders_are(page, 0)

    # A stop, an OCO, amending, cancelling all: what a form can ask for reaches the exchange.
    steps.fill(page, price="2900", quantity="1")
    steps.submit(page, "Buy", "ETH")
    steps.open_orders_are(page, 1)
    page.get_by_role("button", name="Amend Buy 1 ETHUSDT").click()
    dialog = page.get_by_role("dialog", name="Amend order")
    dialog.get_by_label("Amount").fill("0.5")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Amend Buy 0.5 ETHUSDT")).to_be_visible()
    steps.choose(page, "Sell", "Stop-limit")
    steps.fill(page, stopPrice="2500", price="2490", quantity="1")
    steps.submit(page, "Sell", "ETH")
    steps.open_orders_are(page, 2)
    page.get_by_role("button", name="Cancel all (ETHUSDT)").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel all").click()
    steps.open_orders_are(page, 0)


def test_a_session_outlives_the_page_and_ends_when_its_owner_says_so(visit: Visit) -> None:
    visitor = visit("/trade/BTCUSDT")
    page = visitor.page
    email = steps.sign_up(visitor)
    stored = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert "eyJ" not in stored, "no token where scripts can read it"
    assert "refresh" not in stored
    page.reload()
    expect(page.get_by_role("tab", name="Open orders")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("button", name="Menu").click()
    expect(page.get_by_text(email)).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign up")).to_be_visible()
    page.reload()
    expect(page.get_by_role("link", name="Sign up")).to_be_visible()
