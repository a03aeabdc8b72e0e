"""``make web-budget``: what the terminal costs, measured in a real Chromium on a demo exchange.

Bytes of script that the first page loads (as gzip), first contentful paint, and how busy the main thread is while the
book of one market changes 50 times a second.
"""

import gzip
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import ccxt  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Request, sync_playwright

from tests.running import RunningSystem
from tests.web.browser import arguments, find_browser

RUNS = 5
WATCH_S = 10.0
CHANGES_PER_S = 50
# One client alone waits too long for each answer.
TRADERS = 4
SETTLE_MS = 4_000


def main() -> None:
    path = find_browser()
    if path is None:
        sys.exit("no Chromium here; `python -m tests.web.browser` tries to get one")
    with tempfile.TemporaryDirectory(prefix="crossbook-budget-") as root, sync_playwright() as playwright:
        exchange = RunningSystem(Path(root) / "exchange", "--no-demo").start()
        browser = playwright.chromium.launch(executable_path=path, args=arguments())
        try:
            print_first_load(browser, exchange.base_url)
            print_busy(browser, exchange)
        finally:
            browser.close()
            exchange.stop()


def print_first_load(browser: Browser, base_url: str) -> None:
    paints, sizes = zip(*(load_once(browser, base_url) for _ in range(RUNS)), strict=True)
    print(f"initial JavaScript, gzip: {max(sizes) / 1024:.0f} KB (budget 250)")
    print(f"first contentful paint: median {statistics.median(paints):.0f} ms of {RUNS} (budget 1500)")


def load_once(browser: Browser, base_url: str) -> tuple[float, int]:
    """Milliseconds to the first paint of a browser with an empty cache, and bytes of script."""
    context = browser.new_context(base_url=base_url)
    page = context.new_page()
    loaded: list[Request] = []
    page.on("requestfinished", lambda request: loaded.append(request))
    page.goto("/trade/BTCUSDT")
    page.wait_for_timeout(SETTLE_MS)
    paint: float = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    size = sum(map(weigh, loaded))
    context.close()
    return paint, size


def weigh(request: Request) -> int:
    """Bytes of a script as gzip would send it; 0 of anything else."""
    response = request.response() if request.resource_type == "script" else None
    return 0 if response is None else len(gzip.compress(response.body(), 9))


def print_busy(browser: Browser, exchange: RunningSystem) -> None:
    account = exchange.create_account({"USDT": "1000000"})
    context = browser.new_context(base_url=exchange.base_url, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto("/trade/BTCUSDT")
    page.wait_for_timeout(SETTLE_MS)
    session = context.new_cdp_session(page)
    session.send("Performance.enable")
    idle = busy_s(session)
    page.wait_for_timeout(WATCH_S * 1000)
    idle = busy_s(session) - idle
    stop = threading.Event()
    sent: list[int] = []
    traders = [
        threading.Thread(target=change_book, args=(exchange.base_url, account, stop, sent)) for _ in range(TRADERS)
    ]
    for trader in traders:
        trader.start()
    page.wait_for_timeout(2_000)
    count, began, busy = len(sent), time.monotonic(), busy_s(session)
    page.wait_for_timeout(WATCH_S * 1000)
    busy, elapsed_s, count = busy_s(session) - busy, time.monotonic() - began, len(sent) - count
    stop.set()
    for trader in traders:
        trader.join()
    print(f"main thread, still book: {idle / WATCH_S:.1%}")
    print(f"main thread at {count / elapsed_s:.0f} changes of the book a second: {busy / elapsed_s:.1%} (budget 30 %)")
    context.close()


def busy_s(session: Any) -> float:
    """Seconds that the main thread has spent on tasks."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(float(metric["value"]) for metric in metrics if metric["name"] == "TaskDuration")


def change_book(base_url: str, account: Any, stop: threading.Event, sent: list[int]) -> None:
    """Place and cancel far from each other, one change at a time, as evenly as clients can."""
    api = {"public": f"{base_url}/api/v3", "private": f"{base_url}/api/v3"}
    options = {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False}
    keys = {"apiKey": account.api_key, "secret": account.secret_key}
    exchange = ccxt.binance({**keys, "urls": {"api": api}, "options": options, "enableRateLimit": False})
    exchange.load_markets()
    turn = 0
    due = time.monotonic()
    while not stop.is_set():
        price = 50_000 + turn % 40
        placed = exchange.create_order("BTC/USDT", "limit", "buy", 0.001 * (1 + turn % 7), price)
        sent.append(turn)
        due = pause(due)
        if turn % 3:
            exchange.cancel_order(placed["id"], "BTC/USDT")
            sent.append(turn)
            due = pause(due)
        turn += 1


def pause(due: float) -> float:
    due = max(due + TRADERS / CHANGES_PER_S, time.monotonic())
    time.sleep(max(0.0, due - time.monotonic()))
    return due


if __name__ == "__main__":
    main()
