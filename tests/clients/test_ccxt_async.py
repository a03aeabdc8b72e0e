"""ccxt's asynchronous client with its stock settings, told nothing but where the exchange is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import ccxt.async_support as ccxt  # type: ignore[import-untyped]
import pytest

from tests.clients.conftest import NewAccount

Exchange = Any
NewExchange = Callable[..., Exchange]


@pytest.fixture
async def new_exchange(ccxt_urls: dict[str, Any], new_account: NewAccount) -> AsyncIterator[NewExchange]:
    exchanges = []

    def opened(**amounts: str) -> Exchange:
        account = new_account(**amounts)
        exchanges.append(ccxt.binance({"apiKey": account.api_key, "secret": account.secret_key, "urls": ccxt_urls}))
        return exchanges[-1]

    yield opened
    for exchange in exchanges:
        await exchange.close()


async def test_markets_and_balance(new_exchange: NewExchange) -> None:
    exchange = new_exchange(USDT="1000")
    markets = await exchange.load_markets()
    assert {"BTC/USDT", "ETH/USDT", "ETH/BTC"} <= markets.keys()
    assert (await exchange.fetch_balance())["USDT"] == {"free": 1000.0, "used": 0.0, "total": 1000.0}


async def test_the_life_of_a_limit_order(new_exchange: NewExchange) -> None:
    exchange = new_exchange(USDT="100000")
    placed = await exchange.create_order("BTC/USDT", "limit", "buy", 0.1, 25_000)
    assert placed["status"] == "open"
    assert (await exchange.fetch_order(placed["id"], "BTC/USDT"))["id"] == placed["id"]
    assert [order["id"] for order in await exchange.fetch_open_orders("BTC/USDT")] == [placed["id"]]
    assert (await exchange.fetch_order_book("BTC/USDT"))["bids"] == [[25_000, 0.1]]
    assert (await exchange.cancel_order(placed["id"], "BTC/USDT"))["status"] == "canceled"
    assert (await exchange.fetch_order(placed["id"], "BTC/USDT"))["status"] == "canceled"


async def test_trading(new_exchange: NewExchange) -> None:
    buyer, seller = new_exchange(USDT="100000"), new_exchange(BTC="10")
    await seller.create_order("BTC/USDT", "limit", "sell", 1, 40_000)
    by_amount = await buyer.create_order("BTC/USDT", "market", "buy", 0.25)
    by_cost = await buyer.create_market_buy_order_with_cost("BTC/USDT", 1000)
    assert [order["filled"] for order in (by_amount, by_cost)] == [0.25, 0.025]
    assert [trade["amount"] for trade in await buyer.fetch_my_trades("BTC/USDT")] == [0.25, 0.025]
    assert len(await seller.cancel_all_orders("BTC/USDT")) == 1
    assert (await seller.fetch_balance())["USDT"]["free"] == 10_989


async def test_orders_sent_together_are_all_placed(new_exchange: NewExchange) -> None:
    exchange = new_exchange(USDT="100000")
    await exchange.load_markets()
    prices = [25_000 + step for step in range(20)]
    placed = await asyncio.gather(*(exchange.create_order("BTC/USDT", "limit", "buy", 0.1, price) for price in prices))
    assert len({order["id"] for order in placed}) == len(prices)
    assert sorted(order["price"] for order in placed) == prices
    assert len(await exchange.fetch_open_orders("BTC/USDT")) == len(prices)
    assert len(await exchange.cancel_all_orders("BTC/USDT")) == len(prices)


async def test_errors_are_what_ccxt_makes_of_binances(new_exchange: NewExchange) -> None:
    exchange = new_exchange(USDT="1000")
    with pytest.raises(ccxt.InsufficientFunds):
        await exchange.create_order("BTC/USDT", "limit", "buy", 10, 25_000)
    with pytest.raises(ccxt.InvalidOrder, match="LOT_SIZE"):
        await exchange.create_order("BTC/USDT", "limit", "buy", 9001, 1)
    with pytest.raises(ccxt.OrderNotFound):
        await exchange.fetch_order("4611686018427387904", "BTC/USDT")
    with pytest.raises(ccxt.OrderNotFound):
        await exchange.cancel_all_orders("BTC/USDT")
    exchange.secret = "x" * 64
    with pytest.raises(ccxt.AuthenticationError):
        await exchange.fetch_balance()
