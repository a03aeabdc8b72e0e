"""Public market data as a client sees it: what it says after known trades, and what it refuses."""

import itertools
import time
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.api.conftest import NewTrader
from tests.api.trader import Trader, error_of, exchange, now_ms, succeeded

DAY_MS = 86_400_000
TICKERS = ("ticker/24hr", "ticker/tradingDay", "ticker")


@pytest.fixture
def taker(new_trader: NewTrader) -> Trader:
    """Has bought from three orders at two prices, and sold: the last price is 3001."""
    maker = new_trader(ETH="10", USDT="100000")
    for quantity, price in (("1", "3000"), ("0.5", "3000"), ("2", "3002")):
        maker.sell(quantity, price, symbol="ETHUSDT")
    maker.buy("3", "2900", symbol="ETHUSDT")
    taker = new_trader(ETH="10", USDT="100000")
    taker.buy("2", "3002", symbol="ETHUSDT")
    maker.buy("1", "3001", symbol="ETHUSDT")
    taker.sell("1", "3001", symbol="ETHUSDT")
    return taker


def refused(trader: Trader, path: str, **parameters: object) -> tuple[int, int, str]:
    return error_of(trader.send("GET", path, parameters))


def test_trades_from_an_id(taker: Trader) -> None:
    newest = taker.get("historicalTrades", symbol="ETHUSDT", limit=4)
    assert [trade["price"] for trade in newest] == [f"{price}.00000000" for price in (3000, 3000, 3002, 3001)]
    assert newest == taker.get("trades", symbol="ETHUSDT", limit=4)
    ids = [trade["id"] for trade in newest]
    assert ids == list(range(ids[0], ids[0] + 4))
    assert taker.get("historicalTrades", symbol="ETHUSDT", fromId=ids[0], limit=2) == newest[:2]
    assert taker.get("historicalTrades", symbol="ETHUSDT", fromId=ids[-1]) == newest[-1:]
    assert taker.get("historicalTrades", symbol="ETHUSDT", fromId=ids[-1] + 1) == []


def test_fills_of_one_order_at_one_price_are_one_aggregate(taker: Trader) -> None:
    trades = taker.get("trades", symbol="ETHUSDT", limit=4)
    found = taker.get("aggTrades", symbol="ETHUSDT", limit=3)
    assert [(a["p"], a["q"], a["f"], a["l"], a["m"]) for a in found] == [
        ("3000.00000000", "1.50000000", trades[0]["id"], trades[1]["id"], False),
        ("3002.00000000", "0.50000000", trades[2]["id"], trades[2]["id"], False),
        ("3001.00000000", "1.00000000", trades[3]["id"], trades[3]["id"], True),
    ]
    first = found[0]["a"]
    assert [a["a"] for a in found] == [first, first + 1, first + 2]
    assert taker.get("aggTrades", symbol="ETHUSDT", fromId=first, limit=2) == found[:2]
    started, ended = found[1]["T"], found[2]["T"]
    assert found[2] in taker.get("aggTrades", symbol="ETHUSDT", startTime=started, endTime=ended)
    assert taker.get("aggTrades", symbol="ETHUSDT", endTime=ended)[-1] == found[-1]
    assert taker.get("aggTrades", symbol="ETHUSDT", startTime=ended + DAY_MS) == []
    for more in ({"startTime": started}, {"endTime": ended}):
        assert refused(taker, "aggTrades", symbol="ETHUSDT", fromId=first, **more)[1] == -1128


def test_candles_hold_what_was_just_traded(taker: Trader) -> None:
    last = taker.get("trades", symbol="ETHUSDT", limit=1)[0]
    for interval, length_ms in (("1m", 60_000), ("1h", 3_600_000), ("1d", DAY_MS), ("1s", 1000)):
        candles = taker.get("klines", symbol="ETHUSDT", interval=interval, startTime=last["time"] - 3 * length_ms)
        (holder,) = [c for c in candles if c[0] <= last["time"] <= c[6]]
        assert holder[6] - holder[0] == length_ms - 1
        assert holder[0] % length_ms == 0
        assert holder[4] == "3001.00000000" and holder[11] == "0"
        assert all(one[6] + 1 == other[0] for one, other in itertools.pairwise(candles))
    assert taker.get("uiKlines", symbol="ETHUSDT", interval="1d") == taker.get(
        "klines", symbol="ETHUSDT", interval="1d"
    )
    (month,) = taker.get("klines", symbol="ETHUSDT", interval="1M", timeZone="8", limit=1)
    assert (month[0] + 8 * 3_600_000) % DAY_MS == 0
    assert len(taker.get("klines", symbol="ETHUSDT", interval="1s", limit=5000)) <= 1000
    assert taker.get("klines", symbol="ETHUSDT", interval="1m", startTime=now_ms() + DAY_MS) == []


def test_candles_in_microseconds(taker: Trader) -> None:
    headers = {"X-MBX-TIME-UNIT": "MICROSECOND"}
    parameters = {"symbol": "ETHUSDT", "interval": "1h", "limit": "1"}
    (candle,) = succeeded(taker.send("GET", "klines", parameters, headers=headers))
    assert candle[6] - candle[0] == 3_600_000_000 - 1


def test_the_average_price_lies_between_the_prices(taker: Trader) -> None:
    average = taker.get("avgPrice", symbol="ETHUSDT")
    assert average["mins"] == 5
    trades = taker.get("trades", symbol="ETHUSDT", limit=1000)
    assert average["closeTime"] == trades[-1]["time"]
    # Others may have traded here, too.
    prices = [Decimal(trade["price"]) for trade in trades if trade["time"] > average["closeTime"] - 5 * 60_000]
    assert min(prices) <= Decimal(average["price"]) <= max(prices)


@pytest.mark.parametrize("path", TICKERS)
def test_the_numbers_of_a_ticker_agree(path: str, taker: Trader) -> None:
    asked = time.time_ns() // 1_000_000
    ticker = taker.get(path, symbol="ETHUSDT")
    value = {name: Decimal(text) for name, text in ticker.items() if isinstance(text, str) and name != "symbol"}
    assert value["lastPrice"] == Decimal(3001)
    assert value["priceChange"] == value["lastPrice"] - value["openPrice"]
    percent = value["priceChange"] * 100 / value["openPrice"]
    assert abs(value["priceChangePercent"] - percent) <= Decimal("0.0005")
    assert value["lowPrice"] * value["volume"] <= value["quoteVolume"] <= value["highPrice"] * value["volume"]
    assert value["lowPrice"] <= value["weightedAvgPrice"] <= value["highPrice"]
    assert ticker["lastId"] - ticker["firstId"] + 1 == ticker["count"] >= 4
    assert ticker["openTime"] % 60_000 == 0
    if path == "ticker/24hr":
        assert value["bidPrice"] < value["askPrice"]
        assert value["lastQty"] == 1
    if path == "ticker/tradingDay":
        assert ticker["closeTime"] - ticker["openTime"] == DAY_MS - 1
        assert ticker["openTime"] % DAY_MS == 0
    else:
        assert asked <= ticker["closeTime"] <= asked + 5_000
        assert DAY_MS <= ticker["closeTime"] - ticker["openTime"] < DAY_MS + 60_000
    mini = taker.get(path, symbols='["ETHUSDT"]', type="MINI")[0]
    assert {name: ticker[name] for name in mini if not name.endswith("Time")} == {
        name: mini[name] for name in mini if not name.endswith("Time")
    }


def test_a_window_of_the_clients_choice(taker: Trader) -> None:
    ticker = taker.get("ticker", symbol="ETHUSDT", windowSize="5m")
    assert 300_000 <= ticker["closeTime"] - ticker["openTime"] < 360_000
    local = taker.get("ticker/tradingDay", symbol="ETHUSDT", timeZone="05:45")
    assert (local["openTime"] + 345 * 60_000) % DAY_MS == 0
    assert local["openTime"] <= now_ms() <= local["closeTime"]


def test_every_market_has_a_ticker(taker: Trader) -> None:
    symbols = [market["symbol"] for market in taker.get("exchangeInfo")["symbols"]]
    assert [ticker["symbol"] for ticker in taker.get("ticker/24hr")] == symbols
    assert [ticker["symbol"] for ticker in taker.get("ticker/24hr", symbolStatus="TRADING")] == symbols
    assert taker.get("ticker/24hr", symbolStatus="BREAK") == []
    listed = '["ETHUSDT", "BTCUSDT"]'
    for path in (*TICKERS, "ticker/price", "ticker/bookTicker"):
        assert [one["symbol"] for one in taker.get(path, symbols=listed)] == ["ETHUSDT", "BTCUSDT"]
        assert taker.get(path, symbols=listed, symbolStatus="HALT") == []


SYMBOL_ERRORS: list[tuple[dict[str, str], int]] = [
    ({"symbol": "ETHUSDT", "symbols": '["ETHUSDT"]'}, -1128),
    ({"symbols": '["ETHUSDT","ETHUSDT"]'}, -1151),
    ({"symbols": '["ETHUSDT","NONE"]'}, -1121),
    ({"symbol": "NONE"}, -1121),
    ({"symbol": "ethusdt"}, -1100),
    ({"symbols": "ETHUSDT"}, -1100),
    ({"symbol": "ETHUSDT", "symbolStatus": "HALT"}, -1220),
    ({"symbol": "ETHUSDT", "symbolStatus": "OPEN"}, -1122),
]


@pytest.mark.parametrize("path", [*TICKERS, "ticker/price", "ticker/bookTicker"])
@pytest.mark.parametrize(("parameters", "code"), SYMBOL_ERRORS)
def test_tickers_name_what_is_wrong_with_symbols(
    path: str, parameters: dict[str, str], code: int, taker: Trader
) -> None:
    assert refused(taker, path, **parameters)[:2] == (400, code)


@pytest.mark.parametrize(
    ("path", "parameters", "error"),
    [
        ("klines", {"symbol": "ETHUSDT", "interval": "1H"}, (-1120, "Invalid interval.")),
        ("klines", {"symbol": "ETHUSDT", "interval": "2m"}, (-1120, "Invalid interval.")),
        (
            "klines",
            {"symbol": "ETHUSDT"},
            (-1102, "Mandatory parameter 'interval' was not sent, was empty/null, or malformed."),
        ),
        (
            "klines",
            {"symbol": "ETHUSDT", "interval": "1m", "timeZone": "14:01"},
            (-1130, "Data sent for parameter 'timeZone' is not valid."),
        ),
        ("uiKlines", {"symbol": "NONE", "interval": "1m"}, (-1121, "Invalid symbol.")),
        ("aggTrades", {"symbol": "NONE"}, (-1121, "Invalid symbol.")),
        ("historicalTrades", {"symbol": "NONE"}, (-1121, "Invalid symbol.")),
        ("avgPrice", {"symbol": "NONE"}, (-1121, "Invalid symbol.")),
        (
            "historicalBlockTrades",
            {"symbol": "ETHUSDT"},
            (-1102, "Mandatory parameter 'fromId' was not sent, was empty/null, or malformed."),
        ),
        ("ticker/24hr", {"symbol": "ETHUSDT", "type": "TINY"}, (-1139, "Invalid ticker type.")),
        (
            "ticker",
            {"symbol": "ETHUSDT", "windowSize": "8d"},
            (-1130, "Data sent for parameter 'windowSize' is not valid."),
        ),
        ("ticker", {}, (-1102, "Param 'symbol' or 'symbols' must be sent, but both were empty/null!")),
        ("ticker/tradingDay", {}, (-1102, "Param 'symbol' or 'symbols' must be sent, but both were empty/null!")),
        (
            "ticker",
            {"symbols": "[" + ",".join(f'"S{number}"' for number in range(101)) + "]"},
            (-1101, "Too many values sent for parameter 'symbols', maximum allowed up to 100."),
        ),
        ("referencePrice", {"symbol": "ETHUSDT"}, (-2043, "This symbol doesn't have a reference price.")),
        ("referencePrice/calculation", {"symbol": "ETHUSDT"}, (-2043, "This symbol doesn't have a reference price.")),
        ("referencePrice", {"symbol": "NONE"}, (-1121, "Invalid symbol.")),
        (
            "executionRules",
            {"symbol": "ETHUSDT", "symbolStatus": "TRADING"},
            (-1128, "Combination of optional parameters invalid."),
        ),
        (
            "depth",
            {"symbol": "ETHUSDT", "symbolStatus": "BREAK"},
            (-1220, "The symbol's status does not match the requested symbolStatus."),
        ),
    ],
)
def test_refusals(path: str, parameters: dict[str, str], error: tuple[int, str], http: httpx.Client) -> None:
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    assert error_of(exchange(http, "GET", path, query)) == (400, *error)


@pytest.mark.parametrize(
    "parameters", [{}, {"symbol": "ETHUSDT"}, {"symbols": '["ETHUSDT"]'}, {"symbolStatus": "HALT"}]
)
def test_no_market_has_execution_rules(parameters: dict[str, Any], taker: Trader) -> None:
    assert taker.get("executionRules", **parameters) == {"symbolRules": []}


def test_nothing_is_traded_in_blocks(taker: Trader) -> None:
    assert taker.get("historicalBlockTrades", symbol="ETHUSDT", fromId=0) == []


def test_a_start_long_ago_is_clamped(taker: Trader) -> None:
    """Clients ask for everything since the epoch, or since a time they mistook for milliseconds."""
    for start in (0, 1000, 1):
        assert taker.get("klines", symbol="ETHUSDT", interval="1d", startTime=start, limit=1)
        assert taker.get("aggTrades", symbol="ETHUSDT", startTime=start, limit=1)[0]["a"] == 1
