"""cryptofeed's Binance feed, which refuses streams without TLS, in its own environment.

It is told where the exchange is, and the certificate to trust, as `docs/operators.md` says.
"""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.trader import Trader
from tests.clients.conftest import NewAccount, TradeAt
from tests.clients.environments import Unavailable, executable
from tests.running import RunningSystem, free_port, wait_until

SCRIPT = Path(__file__).with_name("feedhandler.py")
TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0

Json = dict[str, Any]
Start = Callable[..., "Feed"]


class Feed:
    """The client in its process; ``told`` is everything it has said so far."""

    def __init__(self, *arguments: str, certificate: Path, log: Path) -> None:
        self.told: list[Json] = []
        self._log = log
        environment = {**os.environ, "SSL_CERT_FILE": str(certificate), "NO_PROXY": "*", "no_proxy": "*"}
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                (executable("cryptofeed", "python"), "-P", SCRIPT, *arguments),
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                cwd=log.parent,
            )
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def of(self, kind: str) -> list[Json]:
        return [one for one in self.told if one["kind"] == kind]

    def until(self, holds: Callable[[], bool], meanwhile: Callable[[], object] = lambda: None) -> None:
        def look() -> bool:
            if not holds():
                assert self._process.poll() is None, f"it ended: {self._log.read_text()}"
                meanwhile()
            return holds()

        try:
            wait_until(look, TIMEOUT_S)
        except TimeoutError as error:
            error.add_note(f"{self.told[-5:]}\n{self._log.read_text()}")
            raise

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        finally:
            self._process.kill()
            self._reading.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self.told.append(json.loads(line))


@pytest.fixture(scope="module")
def system(session_directory: Path, wide_markets: Path, migrated_cluster: Path) -> Iterator[RunningSystem]:
    """One that listens with TLS."""
    try:
        executable("cryptofeed", "python")
    except Unavailable as reason:
        pytest.skip(str(reason))
    environment = {"CROSSBOOK_MARKETS_FILE": str(wide_markets)}
    arguments = ("--no-demo", "--lean", "--tls", "--tls-port", str(free_port()))
    root = session_directory / "cryptofeed"
    running = RunningSystem(root, *arguments, environment=environment, cluster=migrated_cluster)
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
def trader(system: RunningSystem, new_account: NewAccount) -> Iterator[Trader]:
    with httpx.Client(base_url=system.base_url, timeout=TIMEOUT_S, trust_env=False) as http:
        yield Trader(http, new_account(USDT="1000000", BTC="10"))


@pytest.fixture
def start(system: RunningSystem, tmp_path: Path) -> Iterator[Start]:
    started: list[Feed] = []

    def start(rest_url: str, *credentials: str) -> Feed:
        streams = system.state.tls_url.replace("https", "wss", 1)
        certificate, log = system.directory.tls_certificate, tmp_path / "cryptofeed.log"
        started.append(Feed(rest_url, streams, *credentials, certificate=certificate, log=log))
        return started[-1]

    yield start
    for feed in started:
        feed.stop()


@pytest.fixture
def feed(start: Start, exchange_url: str) -> Feed:
    """Of what is public."""
    return start(exchange_url)


def test_it_follows_a_market(feed: Feed, trader: Trader, trade_at: TradeAt) -> None:
    """What comes before it is connected is missed, so there are trades until it has heard of each kind."""
    trader.buy("0.5", "29000")
    kinds = ("trade", "ticker", "candle", "book")
    feed.until(lambda: all(feed.of(kind) for kind in kinds), lambda: trade_at("30000", "0.002"))
    assert {"price": "30000.00000000", "amount": "0.00200000", "side": "buy"}.items() <= feed.of("trade")[-1].items()
    assert feed.of("candle")[-1]["close"] == "30000.00000000"
    feed.until(lambda: feed.of("ticker")[-1]["bid"] == "29000.00000000")


def test_its_book_is_the_exchange_s(feed: Feed, trader: Trader) -> None:
    def change(number: int) -> None:
        trader.buy("0.01", str(20_000 + number % 50))
        trader.sell("0.02", str(60_000 + number % 70))
        if number % 30 == 29:
            trader.cancel_everything()

    changes = iter(range(10_000))
    feed.until(lambda: len(feed.of("book")) >= 20, lambda: change(next(changes)))
    trader.buy("0.3", "25000")
    trader.sell("0.3", "55000")
    there = trader.get("depth", symbol="BTCUSDT", limit=1000)
    feed.until(lambda: feed.of("book")[-1]["sequence"] >= there["lastUpdateId"])
    kept = feed.of("book")[-1]
    assert kept["sequence"] == there["lastUpdateId"]
    assert (kept["bids"], kept["asks"]) == (there["bids"], there["asks"])
    assert (kept["bids"][0], kept["asks"][0]) == (["25000.00000000", "0.30000000"], ["55000.00000000", "0.30000000"])


def test_its_orders_and_balances(start: Start, system: RunningSystem, trader: Trader) -> None:
    feed = start(system.base_url, trader.api_key, trader.secret_key)
    placed: list[Json] = []

    def place() -> None:
        placed.append(trader.buy("0.01", "20000"))
        trader.cancel_everything()

    feed.until(lambda: bool(feed.of("public only") or (feed.of("order") and feed.of("balance"))), place)
    if feed.of("public only"):
        pytest.skip("this release of cryptofeed knows nothing of accounts")
    last = str(placed[-1]["orderId"])
    feed.until(lambda: [told["status"] for told in feed.of("order") if told["id"] == last] == ["NEW", "CANCELED"])
    locked = {told["locked"] for told in feed.of("balance") if told["asset"] == "USDT"}
    assert locked == {"200.00000000", "0.00000000"}
