"""freqtrade in its own environment, told in its configuration where the exchange is, and nothing else.

It lists markets, downloads candles, trades dry, and trades for real.
"""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.local.internal import Account
from tests.api.trader import Trader
from tests.clients.conftest import NewAccount, TradeAt, ccxt_addresses
from tests.clients.environments import Unavailable, executable
from tests.running import RunningSystem, wait_until

pytestmark = pytest.mark.slow

STRATEGY = Path(__file__).with_name("always.py")
COMMAND_TIMEOUT_S = 120.0
# The first candle is complete after a minute, and it takes no others.
CANDLE_TIMEOUT_S = 120.0
TRADE_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 60.0
# After these many rounds it has looked at what it placed in the first.
ROUNDS = 3


class Freqtrade:
    """One installation with its files in a directory of its own."""

    def __init__(self, program: Path, directory: Path, urls: dict[str, Any]) -> None:
        self._program = program
        self._directory = directory
        self._urls = urls
        self.database = directory / "trades.sqlite"
        (directory / "strategies").mkdir()
        shutil.copy(STRATEGY, directory / "strategies")

    def configure(self, account: Account | None = None) -> None:
        """Trade dry, or for real with an account."""
        exchange = {
            "name": "binance",
            "key": account.api_key if account else "",
            "secret": account.secret_key if account else "",
            "ccxt_config": {"urls": self._urls},
            "pair_whitelist": ["BTC/USDT"],
            "pair_blacklist": [],
            # Candles by REST, and none from elsewhere.
            "enable_ws": False,
            "only_from_ccxt": True,
        }
        pricing = {"price_side": "other", "use_order_book": True, "order_book_top": 1}
        chosen = {
            "strategy": "Always",
            "dry_run": account is None,
            "dry_run_wallet": 1000,
            "db_url": f"sqlite:///{self.database}",
            "max_open_trades": 1,
            "stake_currency": "USDT",
            "stake_amount": 100,
            "trading_mode": "spot",
            "exchange": exchange,
            "entry_pricing": pricing,
            "exit_pricing": pricing,
            "order_types": {
                "entry": "limit",
                "exit": "limit",
                "emergency_exit": "market",
                "stoploss": "limit",
                "stoploss_on_exchange": account is not None,
            },
            "pairlists": [{"method": "StaticPairList"}],
            "initial_state": "running",
            "internals": {"process_throttle_secs": 1, "heartbeat_interval": 1},
            "dataformat_ohlcv": "json",
        }
        self._config.write_text(json.dumps(chosen))

    def run(self, *arguments: str) -> str:
        """Return what a command printed."""
        done = subprocess.run(
            self._command(*arguments), env=self._environment, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def candles(self, pair: str, timeframe: str) -> list[list[float]]:
        """What was downloaded."""
        found = self._directory / "data" / "binance" / f"{pair.replace('/', '_')}-{timeframe}.json"
        content: list[list[float]] = json.loads(found.read_text())
        return content

    @contextlib.contextmanager
    def trading(self) -> Iterator[None]:
        """Trade until it has gone round a few times, and stop it in the end."""
        log = self._directory / "trade.log"
        with log.open("wb") as output:
            bot = subprocess.Popen(
                self._command("trade"), env=self._environment, stdout=output, stderr=subprocess.STDOUT
            )
        try:
            wait_until(
                lambda: log.read_text().count("Bot heartbeat") >= ROUNDS or bot.poll() is not None, TRADE_TIMEOUT_S
            )
            assert bot.poll() is None, log.read_text()
            # Looked at before it is stopped: a signal in the middle of a commit to its own database is an error to it.
            assert " - ERROR - " not in log.read_text()
            yield
            # As Ctrl-C would, but that does not reach who is started in the background.
            bot.send_signal(signal.SIGTERM)
            bot.wait(STOP_TIMEOUT_S)
        except BaseException as error:
            error.add_note(log.read_text())
            raise
        finally:
            bot.kill()
            bot.wait()
        printed = log.read_text()
        assert "SIGINT received" in printed, printed

    def trades(self) -> list[tuple[Any, ...]]:
        """Pair, whether it is open, the price it was entered at."""
        with contextlib.closing(sqlite3.connect(self.database)) as database:
            return database.execute("SELECT pair, is_open, open_rate FROM trades").fetchall()

    @property
    def _config(self) -> Path:
        return self._directory / "config.json"

    @property
    def _environment(self) -> dict[str, str]:
        return os.environ | {"HOME": str(self._directory), "COLUMNS": "500"}

    def _command(self, name: str, *arguments: str) -> list[str]:
        places = ("--config", str(self._config), "--userdir", str(self._directory))
        return [str(self._program), name, *places, *arguments]


@pytest.fixture
def freqtrade(tmp_path: Path, exchange_url: str) -> Freqtrade:
    try:
        program = executable("freqtrade", "freqtrade")
    except Unavailable as reason:
        pytest.skip(str(reason))
    urls = ccxt_addresses(exchange_url, exchange_url.replace("http", "ws", 1))
    return Freqtrade(program, tmp_path, urls)


@pytest.fixture
def market(system: RunningSystem, new_account: NewAccount, trade_at: TradeAt) -> None:
    """BTC/USDT has traded at 40,000 for more than a minute, and there is somebody on either side."""
    trade_at("40000")
    with httpx.Client(base_url=system.base_url, trust_env=False) as http:
        maker = Trader(http, new_account(USDT="100000", BTC="10"))
        maker.sell("1", "40001")
        maker.buy("1", "39999")
        wait_until(lambda: len(maker.get("klines", symbol="BTCUSDT", interval="1m")) > 1, CANDLE_TIMEOUT_S)


def test_it_lists_the_markets(freqtrade: Freqtrade) -> None:
    freqtrade.configure()
    printed = freqtrade.run("list-markets", "--print-json")
    assert set(json.loads(printed.splitlines()[-1])) >= {"BTC/USDT", "ETH/USDT", "ETH/BTC"}
    assert json.loads(freqtrade.run("list-pairs", "--quote", "BTC", "--print-json").splitlines()[-1]) == ["ETH/BTC"]
    assert "1m" in freqtrade.run("list-timeframes", "--one-column").split()


def test_it_downloads_candles(freqtrade: Freqtrade, market: None, system: RunningSystem) -> None:
    freqtrade.configure()
    freqtrade.run("download-data", "--timeframes", "1m", "--days", "1")
    downloaded = freqtrade.candles("BTC/USDT", "1m")
    asked = httpx.get(
        f"{system.base_url}/api/v3/klines",
        params={"symbol": "BTCUSDT", "interval": "1m", "limit": 1000},
        trust_env=False,
    ).json()
    expected = {candle[0]: [float(candle[place]) for place in (1, 2, 3, 4, 5)] for candle in asked}
    assert downloaded
    assert all(candle[1:] == expected[int(candle[0])] for candle in downloaded)


def test_it_trades_dry(freqtrade: Freqtrade, market: None) -> None:
    freqtrade.configure()
    with freqtrade.trading():
        pass
    # A dry run fills its order at the price of the exchange's book.
    assert freqtrade.trades() == [("BTC/USDT", 1, 40_001.0)]


def test_it_trades(freqtrade: Freqtrade, market: None, system: RunningSystem, new_account: NewAccount) -> None:
    account = new_account(USDT="1000")
    freqtrade.configure(account)
    with httpx.Client(base_url=system.base_url, trust_env=False) as http:
        trader = Trader(http, account)
        with freqtrade.trading():
            bought, stop = trader.get("allOrders", symbol="BTCUSDT")
    assert (bought["side"], bought["status"], bought["price"]) == ("BUY", "FILLED", "40001.00000000")
    assert (stop["side"], stop["status"], stop["type"]) == ("SELL", "NEW", "STOP_LOSS_LIMIT")
    # What is left after the fee, in whole lots, ten percent below.
    assert (bought["executedQty"], stop["origQty"]) == ("0.00249000", "0.00248000")
    assert stop["stopPrice"] == "36000.90000000"
    assert freqtrade.trades() == [("BTC/USDT", 1, 40_001.0)]
