"""binance-connector 3 in its own environment, for it and python-binance both install a package called ``binance``."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from services.local.internal import Account
from tests.clients.conftest import NewAccount, TradeAt
from tests.clients.environments import Unavailable, executable

STOP_TIMEOUT_S = 30.0
BTC: dict[str, Any] = {"symbol": "BTCUSDT", "quantity": "0.1"}
BUY: dict[str, Any] = {**BTC, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "30000"}


class Refused(Exception):
    """Status, code and message."""


class Connector:
    """A ``binance.spot.Spot`` in another process: its methods are this one's."""

    def __init__(self, address: str, account: Account) -> None:
        try:
            python = executable("binance-connector", "python")
        except Unavailable as reason:
            pytest.skip(str(reason))
        script = Path(__file__).with_name("connector.py")
        self._process = subprocess.Popen(
            (python, script, address, account.api_key, account.secret_key),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*positional: object, **named: object) -> Any:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps([name, positional, named]) + "\n")
            self._process.stdin.flush()
            told = json.loads(self._process.stdout.readline())
            if "error" in told:
                raise Refused(*told["error"])
            return told["answer"]

        return call

    def close(self) -> None:
        self._process.communicate(timeout=STOP_TIMEOUT_S)
        assert self._process.returncode == 0


@pytest.fixture
def client(exchange_url: str, new_account: NewAccount, trade_at: TradeAt) -> Iterator[Connector]:
    """Holds both assets, in a market that last traded at 40,000."""
    trade_at("40000")
    connector = Connector(exchange_url, new_account(USDT="100000", BTC="10"))
    yield connector
    connector.close()


def test_market_data(client: Connector) -> None:
    assert client.ping() == {}
    assert client.time()["serverTime"] > 0
    assert client.exchange_info(symbol="BTCUSDT")["symbols"][0]["baseAsset"] == "BTC"
    assert len(client.exchange_info(symbols=["BTCUSDT", "ETHBTC"])["symbols"]) == 2
    assert client.exchange_info(permissions=["SPOT"])["symbols"] != []
    client.new_order(**BUY)
    assert client.depth("BTCUSDT", limit=5)["bids"] == [["30000.00000000", "0.10000000"]]
    newest = client.trades("BTCUSDT", limit=1)[0]
    assert client.historical_trades("BTCUSDT", fromId=newest["id"]) == [newest]
    assert client.agg_trades("BTCUSDT", limit=1)[0]["l"] == newest["id"]
    assert client.klines("BTCUSDT", "1m", limit=1)[0][4] == "40000.00000000"
    assert client.ui_klines("BTCUSDT", "1h", limit=1)[0][4] == "40000.00000000"
    assert client.avg_price("BTCUSDT")["mins"] == 5


def test_tickers(client: Connector) -> None:
    for ticker in (client.ticker_24hr, client.trading_day_ticker, client.rolling_window_ticker):
        assert ticker("BTCUSDT")["lastPrice"] == "40000.00000000"
        assert len(ticker(symbols=["BTCUSDT", "ETHBTC"])) == 2
    assert client.rolling_window_ticker("BTCUSDT", windowSize="1h")["lastPrice"] == "40000.00000000"
    assert client.ticker_price("BTCUSDT")["price"] == "40000.00000000"
    assert len(client.ticker_price(symbols=["BTCUSDT", "ETHBTC"])) == 2
    assert client.book_ticker("BTCUSDT")["symbol"] == "BTCUSDT"


def test_orders(client: Connector) -> None:
    """It sends everything in the query, with an empty body that is called JSON."""
    assert client.new_order_test(**BUY) == {}
    placed = client.new_order(**BUY)
    assert client.get_order("BTCUSDT", orderId=placed["orderId"])["status"] == "NEW"
    replaced = client.cancel_and_replace(**BUY, cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=placed["orderId"])
    order_id = replaced["newOrderResponse"]["orderId"]
    assert [order["orderId"] for order in client.get_open_orders("BTCUSDT")] == [order_id]
    assert len(client.get_open_orders()) == 1
    assert client.cancel_order("BTCUSDT", orderId=order_id)["status"] == "CANCELED"
    client.new_order(**BTC, side="SELL", type="STOP_LOSS", stopPrice="35000")
    client.new_order(**BTC, side="SELL", type="TAKE_PROFIT", trailingDelta=500)
    assert len(client.cancel_open_orders("BTCUSDT")) == 2
    assert len(client.get_orders("BTCUSDT")) == 4


def test_order_lists(client: Connector) -> None:
    pair = client.new_oco_order(
        **BTC, side="SELL", aboveType="LIMIT_MAKER", abovePrice="50000", belowType="STOP_LOSS", belowStopPrice="35000"
    )
    working = ("BTCUSDT", "LIMIT", "BUY", 30000, 0.1, "SELL", 0.1)
    client.new_oto_order(*working[:5], "LIMIT_MAKER", *working[5:], workingTimeInForce="GTC", pendingPrice="60000")
    client.new_otoco_order(
        *working,
        "LIMIT_MAKER",
        workingTimeInForce="GTC",
        pendingAbovePrice="60000",
        pendingBelowType="STOP_LOSS",
        pendingBelowStopPrice="20000",
    )
    assert len(client.get_oco_open_orders()) == 3
    assert client.get_oco_order(orderListId=pair["orderListId"])["contingencyType"] == "OCO"
    assert client.cancel_oco_order("BTCUSDT", orderListId=pair["orderListId"])["listOrderStatus"] == "ALL_DONE"
    assert len(client.get_oco_orders()) == 3


def test_the_account(client: Connector) -> None:
    assert client.account(omitZeroBalances="true")["canTrade"] is True
    client.new_order(**BTC, side="SELL", type="LIMIT", timeInForce="GTC", price="39000")
    client.new_order(**BTC, side="BUY", type="LIMIT", timeInForce="GTC", price="39000", selfTradePreventionMode="NONE")
    trades = client.my_trades("BTCUSDT")
    assert {trade["isMaker"] for trade in trades} == {True, False}, "both sides of one trade"
    assert client.get_order_rate_limit() == []
    assert client.query_prevented_matches("BTCUSDT", orderId=trades[0]["orderId"]) == []
    assert client.query_allocations("BTCUSDT") == []
    assert client.query_commission_rates("BTCUSDT")["standardCommission"]["maker"] == "0.00100000"


def test_the_wallet(client: Connector) -> None:
    assert client.system_status() == {"status": 0, "msg": "normal"}
    assert {coin["coin"] for coin in client.coin_info()} >= {"BTC", "USDT"}
    assert client.account_status() == {"data": "Normal"}
    assert client.api_trading_status()["data"]["isLocked"] is False
    assert client.api_key_permissions()["enableReading"] is True
    assert client.trade_fee(symbol="BTCUSDT")[0]["takerCommission"] == "0.00100000"
    assert client.deposit_history() == client.withdraw_history() == client.delist_schedule_symbols() == []


def test_errors(client: Connector) -> None:
    with pytest.raises(Refused) as caught:
        client.cancel_order("BTCUSDT", orderId=2**62)
    assert caught.value.args == (400, -2011, "Unknown order sent.")
    with pytest.raises(Refused) as caught:
        client.new_order(**BUY | {"quantity": "100"})
    assert caught.value.args[:2] == (400, -2010)
