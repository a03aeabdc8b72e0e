"""Every market stream as a client sees it: the shape of its payload, and what it says after known trades."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tests.api.conftest import NewTrader
from tests.api.trader import Trader
from tests.running import RunningSystem
from tests.streams.stream_socket import open_streams
from tests.streams.trading_process import trading_process

DECIMAL = {"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{8}$"}
PERCENT = {"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{3}$"}
INTEGER = {"type": "integer"}
FLAG = {"type": "boolean"}
LEVELS = {"type": "array", "items": {"type": "array", "prefixItems": [DECIMAL, DECIMAL], "minItems": 2, "maxItems": 2}}
SYMBOL = {"const": "ETHUSDT"}


def payload(**fields: Any) -> dict[str, Any]:
    """Exactly these fields."""
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


TRADED = {"p": DECIMAL, "q": DECIMAL, "T": INTEGER, "m": FLAG, "M": {"const": True}}
WINDOW = {"v": DECIMAL, "q": DECIMAL, "O": INTEGER, "C": INTEGER, "F": INTEGER, "L": INTEGER, "n": INTEGER}
RANGE = {"o": DECIMAL, "h": DECIMAL, "l": DECIMAL}
BEST = {"b": DECIMAL, "B": DECIMAL, "a": DECIMAL, "A": DECIMAL}


def event(name: str, **fields: Any) -> dict[str, Any]:
    return payload(e={"const": name}, E=INTEGER, s=SYMBOL, **fields)


def kline(interval: str) -> dict[str, Any]:
    candle = payload(
        **dict.fromkeys("tTfLn", INTEGER),
        **dict.fromkeys("ochlvqVQ", DECIMAL),
        s=SYMBOL,
        i={"const": interval},
        x=FLAG,
        B={"const": "0"},
    )
    return event("kline", k=candle)


MINI_TICKER = event("24hrMiniTicker", c=DECIMAL, **RANGE, v=DECIMAL, q=DECIMAL)
TICKER = event(
    "24hrTicker", p=DECIMAL, P=PERCENT, w=DECIMAL, x=DECIMAL, c=DECIMAL, Q=DECIMAL, **BEST, **RANGE, **WINDOW
)
PARTIAL_DEPTH = payload(lastUpdateId=INTEGER, bids=LEVELS, asks=LEVELS)
DIFF_DEPTH = event("depthUpdate", U=INTEGER, u=INTEGER, b=LEVELS, a=LEVELS)


def window_ticker(name: str) -> dict[str, Any]:
    return event(f"{name}Ticker", p=DECIMAL, P=PERCENT, **RANGE, c=DECIMAL, w=DECIMAL, **WINDOW)


INTERVALS = ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M")
STREAMS = {
    "ethusdt@trade": event("trade", t=INTEGER, **TRADED),
    "ethusdt@aggTrade": event("aggTrade", a=INTEGER, f=INTEGER, l=INTEGER, **TRADED),
    "ethusdt@bookTicker": payload(u=INTEGER, s=SYMBOL, **BEST),
    "ethusdt@avgPrice": event("avgPrice", i={"const": "5m"}, w=DECIMAL, T=INTEGER),
    "ethusdt@miniTicker": MINI_TICKER,
    "ethusdt@ticker": TICKER,
    **{f"ethusdt@ticker_{name}": window_ticker(name) for name in ("1h", "4h", "1d")},
    **{f"ethusdt@depth{levels}{cadence}": PARTIAL_DEPTH for levels in (5, 10, 20) for cadence in ("", "@100ms")},
    **{f"ethusdt@depth{cadence}": DIFF_DEPTH for cadence in ("", "@100ms", "@1000ms")},
    **{f"ethusdt@kline_{interval}": kline(interval) for interval in INTERVALS},
    "ethusdt@kline_1d@+08:00": kline("1d"),
}
ARRAYS = {
    "!miniTicker@arr": MINI_TICKER,
    "!ticker@arr": TICKER,
    **{f"!ticker_{name}@arr": window_ticker(name) for name in ("1h", "4h", "1d")},
}


@pytest.fixture
def maker(new_trader: NewTrader) -> Trader:
    return new_trader(ETH="1000", USDT="1000000")


@pytest.fixture
def taker(new_trader: NewTrader) -> Trader:
    return new_trader(ETH="1000", USDT="1000000")


def trade(maker: Trader, taker: Trader) -> None:
    """Three fills of one order at two prices; the last price is 602."""
    for quantity, price in (("1", "600"), ("2", "600"), ("1", "602"), ("5", "610")):
        maker.sell(quantity, price, symbol="ETHUSDT")
    maker.buy("1", "590", symbol="ETHUSDT")
    taker.buy("3.5", "602", symbol="ETHUSDT")


def of(stream: str) -> Callable[[Any], bool]:
    return lambda message: bool(message["stream"] == stream)


async def test_every_stream_has_its_payload(system: RunningSystem, maker: Trader, taker: Trader) -> None:
    async with open_streams(system.base_url, "/stream?streams=" + "/".join(STREAMS)) as socket:
        assert await socket.ask("LIST_SUBSCRIPTIONS") == list(STREAMS)
        await asyncio.to_thread(trade, maker, taker)
        for stream, schema in STREAMS.items():
            found = await socket.until(of(stream))
            jsonschema_rs.validator_for(schema).validate(found["data"])


async def test_arrays_have_every_market_at_first(system: RunningSystem, maker: Trader, taker: Trader) -> None:
    await asyncio.to_thread(trade, maker, taker)
    async with open_streams(system.base_url, "/stream?streams=" + "/".join(ARRAYS)) as socket:
        for stream, schema in ARRAYS.items():
            found = await socket.until(of(stream))
            (ours,) = [ticker for ticker in found["data"] if ticker["s"] == "ETHUSDT"]
            jsonschema_rs.validator_for(schema).validate(ours)
            assert ours["c"] == "602.00000000"
            assert len(found["data"]) == len({ticker["s"] for ticker in found["data"]}) > 1


async def test_streams_agree_with_rest(system: RunningSystem, maker: Trader, taker: Trader) -> None:
    """Everything at rest after trades, so both must say the same; what differs by nature is when it was said."""
    names = ["trade", "aggTrade", "miniTicker", "ticker", "ticker_1h", "avgPrice", "kline_1d", "kline_1M@+08:00"]
    names += ["depth20@100ms", "bookTicker", "kline_1h@-03:30"]
    async with open_streams(
        system.base_url, "/stream?streams=" + "/".join(f"ethusdt@{name}" for name in names)
    ) as socket:
        await asyncio.to_thread(trade, maker, taker)
        rest = {path: await asyncio.to_thread(maker.get, path, symbol="ETHUSDT", **more) for path, more in REST.items()}
        newest = rest["trades"][-1]
        latest = {}
        for name in names:
            said = await socket.until(all_of(f"ethusdt@{name}", newest["id"], rest))
            latest[name] = said["data"]
    check_trades(latest["trade"], latest["aggTrade"], rest)
    check_tickers(latest, rest)
    assert (latest["avgPrice"]["w"], latest["avgPrice"]["T"]) == (
        rest["avgPrice"]["price"],
        rest["avgPrice"]["closeTime"],
    )
    assert (latest["depth20@100ms"]["bids"], latest["depth20@100ms"]["asks"]) == (
        rest["depth"]["bids"][:20],
        rest["depth"]["asks"][:20],
    )
    for name, zone in (("kline_1d", "0"), ("kline_1M@+08:00", "8"), ("kline_1h@-03:30", "-3:30")):
        interval = name.split("@")[0].removeprefix("kline_")
        (candle,) = await asyncio.to_thread(
            maker.get, "klines", symbol="ETHUSDT", interval=interval, timeZone=zone, limit=1
        )
        shown = latest[name]["k"]
        assert [shown[field] for field in "tohlcvTqnVQB"] == candle
        assert shown["L"] == newest["id"] and shown["f"] == newest["id"] - shown["n"] + 1


REST: dict[str, dict[str, object]] = {
    "trades": {"limit": 3},
    "aggTrades": {"limit": 2},
    "depth": {"limit": 5000},
    "ticker/24hr": {},
    "ticker": {"windowSize": "1h"},
    "ticker/bookTicker": {},
    "avgPrice": {},
}


def all_of(stream: str, last_trade_id: int, rest: dict[str, Any]) -> Callable[[Any], bool]:
    """Whether a message is of this stream, and knows of the last trade and the last change of the book."""
    last_aggregate_id, update_id = rest["aggTrades"][-1]["a"], rest["depth"]["lastUpdateId"]

    def holds(message: Any) -> bool:
        data = message["data"]
        if message["stream"] != stream:
            return False
        match data.get("e"):
            case "trade":
                return bool(data["t"] == last_trade_id)
            case "aggTrade":
                return bool(data["a"] == last_aggregate_id)
            case "kline":
                return bool(data["k"]["L"] == last_trade_id)
            case "24hrTicker":
                best = rest["ticker/bookTicker"]
                return bool(data["L"] == last_trade_id and (data["b"], data["A"]) == (best["bidPrice"], best["askQty"]))
            case "1hTicker":
                return bool(data["L"] == last_trade_id)
            case "24hrMiniTicker":
                return bool(data["v"] == rest["ticker/24hr"]["volume"])
            case "avgPrice":
                return bool(data["T"] == rest["avgPrice"]["closeTime"])
        return bool(data.get("u", data.get("lastUpdateId")) == update_id)

    return holds


def check_trades(trade: Any, aggregate: Any, rest: dict[str, Any]) -> None:
    newest = rest["trades"][-1]
    assert (trade["p"], trade["q"], trade["T"], trade["m"]) == tuple(
        newest[name] for name in ("price", "qty", "time", "isBuyerMaker")
    )
    assert {name: aggregate[name] for name in "apqflTmM"} == rest["aggTrades"][-1]


def check_tickers(latest: dict[str, Any], rest: dict[str, Any]) -> None:
    names = {"p": "priceChange", "P": "priceChangePercent", "w": "weightedAvgPrice", "c": "lastPrice"}
    names |= {"o": "openPrice", "h": "highPrice", "l": "lowPrice", "v": "volume", "q": "quoteVolume"}
    names |= {"F": "firstId", "L": "lastId", "n": "count"}
    day = names | {
        "x": "prevClosePrice",
        "Q": "lastQty",
        "b": "bidPrice",
        "B": "bidQty",
        "a": "askPrice",
        "A": "askQty",
    }
    for stream, path, fields in (
        ("ticker", "ticker/24hr", day),
        ("ticker_1h", "ticker", names),
        ("miniTicker", "ticker/24hr", {name: names[name] for name in "cohlvq"}),
    ):
        said = latest[stream]
        assert {name: said[name] for name in fields} == {name: rest[path][full] for name, full in fields.items()}
    best = rest["ticker/bookTicker"]
    assert [latest["bookTicker"][name] for name in "bBaA"] == [best[day[name]] for name in "bBaA"]


async def test_a_candle_closes_and_the_next_one_opens(system: RunningSystem, maker: Trader, taker: Trader) -> None:
    """Seconds with trades and without: each once with ``x``, one after the other, as REST has them."""
    async with open_streams(system.base_url, "/ws/ethusdt@kline_1s") as socket:
        await asyncio.to_thread(trade, maker, taker)
        newest = (await asyncio.to_thread(maker.get, "trades", symbol="ETHUSDT", limit=1))[0]
        with_trades = await socket.until(lambda event: event["k"]["x"] and event["k"]["L"] == newest["id"])
        empty = await socket.until(lambda event: event["k"]["x"] and event["k"]["t"] == with_trades["k"]["t"] + 2000)
        closed = [event["k"] for event in socket.events if event["k"]["x"]]
    assert [candle["t"] - closed[0]["t"] for candle in closed] == [1000 * number for number in range(len(closed))]
    assert (empty["k"]["n"], empty["k"]["f"], empty["k"]["L"], empty["k"]["o"]) == (0, -1, -1, newest["price"])
    candles = await asyncio.to_thread(
        maker.get, "klines", symbol="ETHUSDT", interval="1s", startTime=closed[0]["t"], endTime=closed[-1]["t"]
    )
    assert [[candle[field] for field in "tohlcvTqnVQB"] for candle in closed] == candles


async def test_newcomers_are_told_the_state(system: RunningSystem, maker: Trader, taker: Trader) -> None:
    """A quiet market says nothing for long; who comes late gets what was said last, of states and not of trades."""
    names = ["trade", "bookTicker", "ticker", "depth5", "depth", "kline_1M"]
    path = "/stream?streams=" + "/".join(f"ethusdt@{name}" for name in names)
    async with open_streams(system.base_url, path) as first:
        await asyncio.to_thread(trade, maker, taker)
        for name in names:
            await first.until(of(f"ethusdt@{name}"))
        async with open_streams(system.base_url, "/ws") as second:
            await second.ask("SET_PROPERTY", "combined", True)
            await second.ask("SUBSCRIBE", *(f"ethusdt@{name}" for name in names))
            for name in ("bookTicker", "ticker", "depth5", "kline_1M"):
                await second.until(of(f"ethusdt@{name}"))
            assert not any(of("ethusdt@trade")(event) for event in second.events)


async def test_every_trading_process_says_the_same(
    system: RunningSystem, maker: Trader, taker: Trader, tmp_path: Path
) -> None:
    path = "/stream?streams=ethusdt@trade/ethusdt@aggTrade/ethusdt@bookTicker"
    with trading_process(system, tmp_path / "trading.log") as other_url:
        async with open_streams(system.base_url, path) as here, open_streams(other_url, path) as there:
            # Views load, and say so by the best bid and ask that they find.
            for socket in (here, there):
                await socket.until(of("ethusdt@bookTicker"))
                socket.events.clear()
            await asyncio.to_thread(trade, maker, taker)
            (newest,) = await asyncio.to_thread(maker.get, "trades", symbol="ETHUSDT", limit=1)
            for socket in (here, there):
                await socket.until(lambda event: bool(event["data"].get("l") == newest["id"]))
                await socket.until(lambda event: bool(event["data"].get("t") == newest["id"]))
            by_stream = [
                {
                    name: [event for event in socket.events if of(f"ethusdt@{name}")(event)]
                    for name in ("trade", "aggTrade")
                }
                for socket in (here, there)
            ]
    assert by_stream[0] == by_stream[1]
    assert len(by_stream[0]["trade"]) == 3 and len(by_stream[0]["aggTrade"]) == 2
