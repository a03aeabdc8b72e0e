"""Every market stream as a client sees it: the shape of its payload, and what it says after known trades."""

import asyncio
from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest

from tests.api.conftest import NewTrader
from tests.api.trader import Trader
from tests.running import RunningSystem
from tests.streams.stream_socket import open_streams

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
