"""ccxt with its stock settings, told nothing but where the exchange is."""

from typing import Any

import ccxt  # type: ignore[import-untyped]
import pytest

from tests.clients.conftest import Connect, Exchange, NewAccount, NewExchange


@pytest.fixture
def buyer(new_exchange: NewExchange) -> Exchange:
    return new_exchange(USDT="100000")


@pytest.fixture
def seller(new_exchange: NewExchange) -> Exchange:
    return new_exchange(BTC="10")


def test_markets_load_with_stock_settings(buyer: Exchange, ccxt_urls: dict[str, Any]) -> None:
    markets = buyer.load_markets()
    assert {"BTC/USDT", "ETH/USDT", "ETH/BTC"} <= markets.keys()
    market = markets["BTC/USDT"]
    assert (market["spot"], market["active"]) == (True, True)
    assert market["precision"] == {**market["precision"], "amount": 0.00001, "price": 0.01}
    assert market["limits"]["amount"] == {"min": 0.00001, "max": 9000.0}
    assert market["limits"]["cost"] == {"min": 5.0, "max": 9_000_000.0}
    assert {"BTC", "ETH", "USDT"} <= buyer.currencies.keys()
    without_keys = ccxt.binance({"urls": ccxt_urls})
    assert without_keys.load_markets().keys() == markets.keys()


def test_the_balance(new_exchange: NewExchange) -> None:
    exchange = new_exchange(USDT="1000", BTC="0.5")
    assert exchange.fetch_balance()["free"] == {"BTC": 0.5, "ETH": 0.0, "USDT": 1000.0}
    exchange.create_order("BTC/USDT", "limit", "buy", 0.01, 25_000)
    assert exchange.fetch_balance()["USDT"] == {"free": 750.0, "used": 250.0, "total": 1000.0}


def test_the_life_of_a_limit_order(buyer: Exchange) -> None:
    placed = buyer.create_order("BTC/USDT", "limit", "buy", 0.1, 25_000)
    assert placed["clientOrderId"].startswith("x-TKT5PX2F")
    assert (placed["status"], placed["type"], placed["side"]) == ("open", "limit", "buy")
    fetched = buyer.fetch_order(placed["id"], "BTC/USDT")
    for name in ("id", "clientOrderId", "status", "price", "amount", "filled", "remaining", "timestamp", "timeInForce"):
        assert fetched[name] == placed[name]
    assert [order["id"] for order in buyer.fetch_open_orders("BTC/USDT")] == [placed["id"]]
    by_client_id = buyer.fetch_order(None, "BTC/USDT", {"clientOrderId": placed["clientOrderId"]})
    assert by_client_id["id"] == placed["id"]
    cancelled = buyer.cancel_order(placed["id"], "BTC/USDT")
    assert (cancelled["id"], cancelled["status"]) == (placed["id"], "canceled")
    assert buyer.fetch_open_orders("BTC/USDT") == []
    assert [order["id"] for order in buyer.fetch_canceled_orders("BTC/USDT")] == [placed["id"]]


def test_all_orders_are_cancelled_at_once(buyer: Exchange) -> None:
    placed = {buyer.create_order("BTC/USDT", "limit", "buy", 0.1, price)["id"] for price in (25_000, 25_001)}
    other = buyer.create_order("ETH/USDT", "limit", "buy", 1, 1000)["id"]
    assert {order["id"] for order in buyer.cancel_all_orders("BTC/USDT")} == placed
    buyer.options["fetchOpenOrders"]["warnWithoutSymbol"] = False
    assert [order["id"] for order in buyer.fetch_open_orders()] == [other]
    with pytest.raises(ccxt.OrderNotFound):
        buyer.cancel_all_orders("BTC/USDT")


def test_market_orders_by_amount_and_by_cost(buyer: Exchange, seller: Exchange) -> None:
    resting = seller.create_order("BTC/USDT", "limit", "sell", 1, 40_000)
    by_amount = buyer.create_order("BTC/USDT", "market", "buy", 0.25)
    assert (by_amount["status"], by_amount["filled"], by_amount["cost"]) == ("closed", 0.25, 10_000)
    assert by_amount["average"] == 40_000
    assert by_amount["fees"] == [{"currency": "BTC", "cost": 0.00025}]
    assert [trade["amount"] for trade in by_amount["trades"]] == [0.25]
    by_cost = buyer.create_market_buy_order_with_cost("BTC/USDT", 1000)
    assert (by_cost["status"], by_cost["filled"], by_cost["cost"]) == ("closed", 0.025, 1000)
    assert seller.fetch_order(resting["id"], "BTC/USDT")["filled"] == 0.275
    assert buyer.fetch_balance()["BTC"]["total"] == 0.274725
    trades = buyer.fetch_my_trades("BTC/USDT")
    assert [trade["order"] for trade in trades] == [by_amount["id"], by_cost["id"]]
    assert [trade["takerOrMaker"] for trade in trades] == ["taker", "taker"]
    assert {trade["takerOrMaker"] for trade in seller.fetch_my_trades("BTC/USDT")} == {"maker"}
    assert [order["id"] for order in buyer.fetch_closed_orders("BTC/USDT")] == [by_amount["id"], by_cost["id"]]
    assert [trade["amount"] for trade in buyer.fetch_order_trades(by_cost["id"], "BTC/USDT")] == [0.025]


def test_a_market_order_sells_too(buyer: Exchange, seller: Exchange) -> None:
    buyer.create_order("BTC/USDT", "limit", "buy", 1, 40_000)
    sold = seller.create_order("BTC/USDT", "market", "sell", 0.5)
    assert (sold["status"], sold["filled"], sold["cost"]) == ("closed", 0.5, 20_000)
    assert seller.fetch_balance()["USDT"]["free"] == 19_980
    with_cost = seller.create_market_sell_order_with_cost("BTC/USDT", 4000)
    assert (with_cost["filled"], with_cost["cost"]) == (0.1, 4000)


def test_the_order_book(buyer: Exchange, seller: Exchange) -> None:
    for price in (24_000, 25_000):
        buyer.create_order("BTC/USDT", "limit", "buy", 0.1, price)
    seller.create_order("BTC/USDT", "limit", "sell", 0.3, 60_000)
    book = buyer.fetch_order_book("BTC/USDT")
    assert book["bids"] == [[25_000, 0.1], [24_000, 0.1]]
    assert book["asks"] == [[60_000, 0.3]]
    assert book["nonce"] > 0
    assert buyer.fetch_order_book("BTC/USDT", 1)["bids"] == [[25_000, 0.1]]
    best = buyer.fetch_bids_asks(["BTC/USDT"])["BTC/USDT"]
    assert (best["bid"], best["bidVolume"], best["ask"], best["askVolume"]) == (25_000, 0.1, 60_000, 0.3)


def test_times_in_force(buyer: Exchange, seller: Exchange) -> None:
    seller.create_order("BTC/USDT", "limit", "sell", 0.1, 40_000)
    with pytest.raises(ccxt.OrderImmediatelyFillable):
        buyer.create_order("BTC/USDT", "limit", "buy", 0.1, 41_000, {"postOnly": True})
    maker = buyer.create_order("BTC/USDT", "limit", "buy", 0.1, 39_000, {"postOnly": True})
    assert buyer.fetch_order(maker["id"], "BTC/USDT")["postOnly"] is True
    killed = buyer.create_order("BTC/USDT", "limit", "buy", 0.2, 40_000, {"timeInForce": "FOK"})
    assert (killed["status"], killed["filled"]) == ("expired", 0)
    partly = buyer.create_order("BTC/USDT", "limit", "buy", 0.2, 40_000, {"timeInForce": "IOC"})
    assert (partly["status"], partly["filled"]) == ("expired", 0.1)


def test_trying_an_order(buyer: Exchange) -> None:
    buyer.create_order("BTC/USDT", "limit", "buy", 0.1, 25_000, {"test": True})
    assert buyer.fetch_orders("BTC/USDT") == []


def test_what_else_ccxt_asks_on_ordinary_paths(buyer: Exchange) -> None:
    assert buyer.fetch_status()["status"] == "ok"
    assert abs(buyer.fetch_time() - buyer.milliseconds()) < 60_000
    fee = buyer.fetch_trading_fee("BTC/USDT")
    assert (fee["maker"], fee["taker"]) == (0.001, 0.001)
    assert buyer.fetch_trading_fees()["ETH/BTC"]["maker"] == 0.001
    assert buyer.fetch_last_prices(["BTC/USDT"])["BTC/USDT"]["symbol"] == "BTC/USDT"


def test_errors_are_what_ccxt_makes_of_binances(buyer: Exchange) -> None:
    with pytest.raises(ccxt.InsufficientFunds):
        buyer.create_order("BTC/USDT", "limit", "buy", 10, 25_000)
    with pytest.raises(ccxt.InvalidOrder, match="LOT_SIZE"):
        buyer.create_order("BTC/USDT", "limit", "buy", 9001, 1)
    with pytest.raises(ccxt.InvalidOrder, match="PRICE_FILTER"):
        buyer.create_order("BTC/USDT", "limit", "buy", 0.001, 2_000_000)
    with pytest.raises(ccxt.BadRequest, match="NOTIONAL"):
        buyer.create_order("BTC/USDT", "limit", "buy", 0.0001, 25_000)
    with pytest.raises(ccxt.BadSymbol):
        buyer.public_get_depth({"symbol": "NOPE"})
    with pytest.raises(ccxt.BadRequest):
        buyer.public_get_trades({"symbol": "BTCUSDT", "limit": "many"})
    for call in (buyer.fetch_order, buyer.cancel_order):
        with pytest.raises(ccxt.OrderNotFound):
            call("4611686018427387904", "BTC/USDT")
    buyer.create_order("BTC/USDT", "limit", "buy", 0.1, 25_000, {"clientOrderId": "mine"})
    with pytest.raises(ccxt.InvalidOrder, match="Duplicate order sent"):
        buyer.create_order("BTC/USDT", "limit", "buy", 0.1, 25_000, {"clientOrderId": "mine"})


def test_wrong_credentials(connect: Connect, new_account: NewAccount) -> None:
    account = new_account()
    for api_key, secret_key in ((account.api_key, "x" * 64), ("x" * 64, account.secret_key), ("x", "x")):
        with pytest.raises(ccxt.AuthenticationError):
            connect(api_key, secret_key).fetch_balance()


def test_a_clock_that_is_wrong(buyer: Exchange) -> None:
    buyer.options["timeDifference"] = 120_000
    with pytest.raises(ccxt.InvalidNonce):
        buyer.fetch_balance()
    buyer.load_time_difference()
    assert buyer.fetch_balance()["USDT"]["free"] == 100_000
