"""What ccxt reads of markets and accounts: candles, tickers, trades, fees and balances, checked against each other."""

import itertools

import ccxt  # type: ignore[import-untyped]
import pytest

from tests.clients.conftest import Exchange, NewExchange, TradeAt

SYMBOL = "ETH/USDT"
HOUR_MS = 3_600_000


@pytest.fixture
def exchange(new_exchange: NewExchange, trade_at: TradeAt) -> Exchange:
    """ETH/USDT has traded at three prices, and others of this session may have traded before."""
    for price in ("2000", "2100", "1900"):
        trade_at(price, "0.5", symbol="ETHUSDT")
    exchange = new_exchange(USDT="100000", ETH="10")
    exchange.load_markets()
    return exchange


def test_candles_are_made_of_the_trades(exchange: Exchange) -> None:
    trades = exchange.fetch_trades(SYMBOL, limit=1000)
    assert [trade["price"] for trade in trades[-3:]] == [2000, 2100, 1900]
    if len(trades) == 1000:
        # Of the first minute there may be more.
        trades = [trade for trade in trades if trade["timestamp"] // 60_000 > trades[0]["timestamp"] // 60_000]
    since = trades[0]["timestamp"] // 60_000 * 60_000
    candles = exchange.fetch_ohlcv(SYMBOL, "1m", since=since, limit=1000)
    traded = {
        minute * 60_000: list(group)
        for minute, group in itertools.groupby(trades, lambda trade: trade["timestamp"] // 60_000)
    }
    filled = {candle[0]: candle for candle in candles if candle[5] > 0}
    assert filled.keys() == traded.keys()
    for opened, candle in filled.items():
        prices = [trade["price"] for trade in traded[opened]]
        assert candle[1:5] == [prices[0], max(prices), min(prices), prices[-1]]
        assert candle[5] == pytest.approx(sum(trade["amount"] for trade in traded[opened]))


def test_candles_by_since_until_and_limit(exchange: Exchange) -> None:
    now = exchange.milliseconds()
    candles = exchange.fetch_ohlcv(SYMBOL, "1m", limit=5)
    assert candles[-1][0] <= now < candles[-1][0] + 120_000
    assert {after[0] - before[0] for before, after in itertools.pairwise(candles)} <= {60_000}
    last = candles[-1][0]
    assert [candle[0] for candle in exchange.fetch_ohlcv(SYMBOL, "1m", since=last, limit=1)] == [last]
    until = exchange.fetch_ohlcv(SYMBOL, "1m", None, 1, {"until": last + 59_999})
    assert [candle[0] for candle in until] == [last]
    both = exchange.fetch_ohlcv(SYMBOL, "1m", last, None, {"until": last})
    assert [candle[0] for candle in both] == [last]
    paginated = exchange.fetch_ohlcv(SYMBOL, "1m", last, 1, {"paginate": True, "paginationCalls": 2})
    assert [candle[0] for candle in paginated][:1] == [last]


def test_candles_of_every_interval(exchange: Exchange) -> None:
    for timeframe in exchange.timeframes:
        candle = exchange.fetch_ohlcv(SYMBOL, timeframe)[-1]
        assert candle[3] <= candle[4] <= candle[2]
    with pytest.raises(ccxt.BadRequest):
        exchange.fetch_ohlcv(SYMBOL, "7m")


def test_tickers_agree_with_themselves(exchange: Exchange) -> None:
    exchange.create_order(SYMBOL, "limit", "buy", 1, 1800)
    exchange.create_order(SYMBOL, "limit", "sell", 2, 2200)
    ticker = exchange.fetch_ticker(SYMBOL)
    assert (ticker["bid"], ticker["bidVolume"], ticker["ask"], ticker["askVolume"]) == (1800, 1, 2200, 2)
    assert (ticker["last"], ticker["close"]) == (1900, 1900)
    assert ticker["low"] * ticker["baseVolume"] <= ticker["quoteVolume"] <= ticker["high"] * ticker["baseVolume"]
    assert ticker["change"] == pytest.approx(ticker["last"] - ticker["open"])
    every = exchange.fetch_tickers()
    assert every.keys() == {symbol for symbol, market in exchange.markets.items() if market["spot"]}
    for fetched in (every, exchange.fetch_tickers([SYMBOL, "BTC/USDT"])):
        assert fetched[SYMBOL]["last"] == 1900
    assert exchange.fetch_bids_asks()[SYMBOL]["ask"] == 2200
    assert exchange.fetch_last_prices()[SYMBOL]["price"] == 1900


def test_windows_of_tickers_and_average_prices(exchange: Exchange) -> None:
    assert exchange.fetch_ticker(SYMBOL, {"rolling": True})["last"] == 1900
    assert exchange.public_get_ticker({"symbol": "ETHUSDT", "windowSize": "5m"})["lastPrice"] == "1900.00000000"
    assert exchange.public_get_ticker_tradingday({"symbol": "ETHUSDT"})["lastPrice"] == "1900.00000000"
    assert float(exchange.public_get_avgprice({"symbol": "ETHUSDT"})["price"]) > 0


def test_public_trades_by_time(exchange: Exchange) -> None:
    newest = exchange.fetch_trades(SYMBOL, limit=3)
    assert [trade["price"] for trade in newest] == [2000, 2100, 1900]
    assert [trade["side"] for trade in newest] == ["buy"] * 3
    since = newest[0]["timestamp"]
    assert [trade["id"] for trade in exchange.fetch_trades(SYMBOL, since, 3)] == [trade["id"] for trade in newest]
    earlier = exchange.fetch_trades(SYMBOL, None, 1000, {"until": since})
    assert newest[0]["id"] in [trade["id"] for trade in earlier]
    plain = exchange.fetch_trades(SYMBOL, None, 3, {"fetchTradesMethod": "publicGetTrades"})
    assert [trade["price"] for trade in plain] == [2000, 2100, 1900]
    old = exchange.fetch_trades(
        SYMBOL, None, 1000, {"fetchTradesMethod": "publicGetHistoricalTrades", "fromId": plain[0]["id"]}
    )
    assert [trade["id"] for trade in old] == [trade["id"] for trade in plain]


def test_own_orders_and_trades_by_time(exchange: Exchange, new_exchange: NewExchange) -> None:
    other = new_exchange(ETH="10")
    other.create_order(SYMBOL, "limit", "sell", 3, 2000)
    bought = [exchange.create_order(SYMBOL, "market", "buy", 1) for _ in range(2)]
    kept = exchange.create_order(SYMBOL, "limit", "buy", 1, 1500)
    since = exchange.milliseconds() - HOUR_MS
    assert [order["id"] for order in exchange.fetch_closed_orders(SYMBOL, since)] == [order["id"] for order in bought]
    assert [order["id"] for order in exchange.fetch_open_orders(SYMBOL)] == [kept["id"]]
    assert [order["id"] for order in exchange.fetch_orders(SYMBOL, since, 2)] == [order["id"] for order in bought]
    until = {"until": exchange.milliseconds() + HOUR_MS}
    trades = exchange.fetch_my_trades(SYMBOL, since, 10, until)
    assert [trade["order"] for trade in trades] == [order["id"] for order in bought]
    assert [trade["fee"] for trade in trades] == [{"currency": "ETH", "cost": 0.001}] * 2
    assert exchange.fetch_my_trades(SYMBOL, None, 1)[0]["order"] == bought[1]["id"]


def test_fees_currencies_and_balances(exchange: Exchange) -> None:
    fees = exchange.fetch_trading_fees()
    assert fees.keys() == {symbol for symbol, market in exchange.markets.items() if market["spot"]}
    assert (fees[SYMBOL]["maker"], fees[SYMBOL]["taker"]) == (0.001, 0.001)
    assert exchange.fetch_trading_fee(SYMBOL)["taker"] == 0.001
    assert {"BTC", "ETH", "USDT"} <= exchange.fetch_currencies().keys()
    balance = exchange.fetch_balance({"omitZeroBalances": True})
    assert balance["total"] == {"ETH": 10, "USDT": 100_000}
    commission = exchange.private_get_account_commission({"symbol": "ETHUSDT"})
    assert commission["standardCommission"]["taker"] == "0.00100000"


def test_histories_that_are_empty_here(exchange: Exchange) -> None:
    assert exchange.fetch_deposits() == []
    assert exchange.fetch_withdrawals() == []
    assert exchange.fetch_transfers() == []
    assert exchange.fetch_borrow_interest("USDT") == []


def test_the_exchange_itself(exchange: Exchange) -> None:
    assert exchange.fetch_status()["status"] == "ok"
    assert abs(exchange.fetch_time() - exchange.milliseconds()) < 60_000
    assert exchange.load_time_difference() < 60_000
    assert exchange.public_get_ping() == {}
    assert exchange.fetch_markets()[0]["spot"] is True
