"""Payloads of market streams, encoded (section 7.3 of the dialect reference). ``unit`` divides microseconds."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from services.domain.events import BookChanged, OrderFilled
from services.domain.money import format_e8
from services.domain.protocol import Depth
from services.trading import render
from services.trading.tickers import Statistics, Window, changes
from services.trading.views.aggregate import AggregateTrade
from services.trading.views.book import Best
from services.trading.views.candle import OpenCandle

Json = dict[str, Any]
_UNUSED: Final = "0"
encode: Final = msgspec.json.Encoder().encode


def trade(event: OrderFilled, event_us: int, unit: int) -> bytes:
    return encode(
        {
            "e": "trade",
            "E": event_us // unit,
            "s": event.symbol,
            "t": event.trade_id,
            "p": format_e8(event.price_e8),
            "q": format_e8(event.quantity_e8),
            "T": event.taker.updated_us // unit,
            "m": event.buyer_is_maker,
            "M": True,
        }
    )


def aggregate_trade(symbol: str, aggregate: AggregateTrade, event_us: int, unit: int) -> bytes:
    return encode(
        {
            "e": "aggTrade",
            "E": event_us // unit,
            "s": symbol,
            "a": aggregate.aggregate_id,
            "p": format_e8(aggregate.price_e8),
            "q": format_e8(aggregate.quantity_e8),
            "f": aggregate.first_trade_id,
            "l": aggregate.last_trade_id,
            "T": aggregate.time_us // unit,
            "m": aggregate.buyer_is_maker,
            "M": True,
        }
    )


def book_ticker(symbol: str, update_id: int, best: Best) -> bytes:
    return encode({"u": update_id, "s": symbol, **_best(best)})


def partial_depth(depth: Depth) -> bytes:
    return encode(render.depth(depth))


def diff_depth(change: BookChanged, first_update_id: int, event_us: int, unit: int) -> bytes:
    """``change`` may be several taken together."""
    return encode(
        {
            "e": "depthUpdate",
            "E": event_us // unit,
            "s": change.symbol,
            "U": first_update_id,
            "u": change.update_id,
            "b": [(format_e8(price), format_e8(quantity)) for price, quantity in change.bids],
            "a": [(format_e8(price), format_e8(quantity)) for price, quantity in change.asks],
        }
    )


def kline(symbol: str, interval: str, shown: OpenCandle, *, is_closed: bool, event_us: int, unit: int) -> bytes:
    open_us, end_us, sums = shown.candle
    candle = {
        "t": open_us // unit,
        "T": end_us // unit - 1,
        "s": symbol,
        "i": interval,
        "f": shown.first_trade_id,
        "L": shown.last_trade_id,
        "o": format_e8(sums.open_e8),
        "c": format_e8(sums.close_e8),
        "h": format_e8(sums.high_e8),
        "l": format_e8(sums.low_e8),
        "v": format_e8(sums.volume_e8),
        "n": sums.trade_count,
        "x": is_closed,
        "q": format_e8(sums.quote_volume_e8),
        "V": format_e8(sums.taker_buy_e8),
        "Q": format_e8(sums.taker_buy_quote_e8),
        "B": _UNUSED,
    }
    return encode({"e": "kline", "E": event_us // unit, "s": symbol, "k": candle})


def average_price(symbol: str, minutes: int, price_e8: int, last_trade_us: int, event_us: int, unit: int) -> bytes:
    return encode(
        {
            "e": "avgPrice",
            "E": event_us // unit,
            "s": symbol,
            "i": f"{minutes}m",
            "w": format_e8(price_e8),
            "T": last_trade_us // unit,
        }
    )


def mini_ticker(found: Statistics, event_us: int, unit: int) -> bytes:
    return encode(
        {
            "e": "24hrMiniTicker",
            "E": event_us // unit,
            "s": found.symbol,
            "c": format_e8(found.last_e8),
            **_range(found),
            "v": format_e8(found.volume_e8),
            "q": format_e8(found.quote_volume_e8),
        }
    )


def day_ticker(found: Statistics, best: Best, window: Window, event_us: int, unit: int) -> bytes:
    change, percent, average = changes(found)
    return encode(
        {
            "e": "24hrTicker",
            "E": event_us // unit,
            "s": found.symbol,
            "p": change,
            "P": percent,
            "w": average,
            "x": format_e8(found.previous_close_e8 or found.open_e8),
            "c": format_e8(found.last_e8),
            "Q": format_e8(found.last_quantity_e8),
            **_best(best),
            **_range(found),
            **_end(found, window, unit),
        }
    )


def window_ticker(name: str, found: Statistics, window: Window, event_us: int, unit: int) -> bytes:
    """``name`` is the window's, ``1h`` for example."""
    change, percent, average = changes(found)
    return encode(
        {
            "e": f"{name}Ticker",
            "E": event_us // unit,
            "s": found.symbol,
            "p": change,
            "P": percent,
            **_range(found),
            "c": format_e8(found.last_e8),
            "w": average,
            **_end(found, window, unit),
        }
    )


def array(messages: Iterable[bytes]) -> bytes:
    return b"[%b]" % b",".join(messages)


def server_shutdown(event_us: int, unit: int) -> bytes:
    return encode({"e": "serverShutdown", "E": event_us // unit})


def _best(best: Best) -> Json:
    return {
        "b": format_e8(best.bid[0]),
        "B": format_e8(best.bid[1]),
        "a": format_e8(best.ask[0]),
        "A": format_e8(best.ask[1]),
    }


def _range(found: Statistics) -> Json:
    return {"o": format_e8(found.open_e8), "h": format_e8(found.high_e8), "l": format_e8(found.low_e8)}


def _end(found: Statistics, window: Window, unit: int) -> Json:
    return {
        "v": format_e8(found.volume_e8),
        "q": format_e8(found.quote_volume_e8),
        "O": window.start_us // unit,
        "C": window.end_us // unit,
        "F": found.first_trade_id,
        "L": found.last_trade_id,
        "n": found.trade_count,
    }
