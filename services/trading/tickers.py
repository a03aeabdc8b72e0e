"""Tickers: what happened in a market within a window of time.

Windows are added up from stored candles, so they begin on a minute (the rolling ones at the minute that the window's
start lies in, and so are up to a minute longer than they say). The numbers of one ticker agree with each other:
``priceChange`` is ``lastPrice`` less ``openPrice``, and ``quoteVolume`` lies between ``volume`` at the lowest and at
the highest price. A window without trades is flat at the last price before it; a market that never traded has zeros.
"""

import re
from typing import Any, Final, NamedTuple

from services.domain.money import ONE_E8, format_e8
from services.trading.candles import DAY_US, HOUR_US, MINUTE_US

Json = dict[str, Any]

NO_TRADE_ID: Final = -1
_PERCENT_PLACES: Final = 1000
_window = re.compile(r"([1-9]|[1-5][0-9])m|([1-9]|1[0-9]|2[0-3])h|([1-7])d", re.ASCII)


class Window(NamedTuple):
    """Trades from ``start_us`` on; the ticker says that it closes at ``end_us``."""

    start_us: int
    end_us: int


class Statistics(NamedTuple):
    """Of one market and window. ``previous_close_e8`` is the price before the window, 0 if there was none."""

    symbol: str
    open_e8: int
    high_e8: int
    low_e8: int
    volume_e8: int
    quote_volume_e8: int
    trade_count: int
    first_trade_id: int
    last_trade_id: int
    last_e8: int
    last_quantity_e8: int
    previous_close_e8: int


def parse_window(text: str) -> int | None:
    """``5m``, ``12h`` or ``7d`` in microseconds; None for what is not on offer."""
    match = _window.fullmatch(text)
    if match is None:
        return None
    minutes, hours, days = (int(group or 0) for group in match.groups())
    return minutes * MINUTE_US + hours * HOUR_US + days * DAY_US


def rolling(now_us: int, length_us: int) -> Window:
    start_us = now_us - length_us
    return Window(start_us - start_us % MINUTE_US, now_us)


def flat(symbol: str, last_e8: int, last_quantity_e8: int) -> Statistics:
    """Of a window without trades."""
    return Statistics(
        symbol, last_e8, last_e8, last_e8, 0, 0, 0, NO_TRADE_ID, NO_TRADE_ID, last_e8, last_quantity_e8, last_e8
    )


def mini(found: Statistics, open_time: int, close_time: int) -> Json:
    return {
        "symbol": found.symbol,
        "openPrice": format_e8(found.open_e8),
        "highPrice": format_e8(found.high_e8),
        "lowPrice": format_e8(found.low_e8),
        "lastPrice": format_e8(found.last_e8),
        **_end(found, open_time, close_time),
    }


def full(found: Statistics, open_time: int, close_time: int) -> Json:
    """Of a window of the client's choice."""
    return {
        **_changes(found),
        "openPrice": format_e8(found.open_e8),
        "highPrice": format_e8(found.high_e8),
        "lowPrice": format_e8(found.low_e8),
        "lastPrice": format_e8(found.last_e8),
        **_end(found, open_time, close_time),
    }


def full_day(found: Statistics, book: Json, open_time: int, close_time: int) -> Json:
    """Of 24 hours; ``book`` are best bid and ask."""
    return {
        **_changes(found),
        "prevClosePrice": format_e8(found.previous_close_e8 or found.open_e8),
        "lastPrice": format_e8(found.last_e8),
        "lastQty": format_e8(found.last_quantity_e8),
        **{name: book[name] for name in ("bidPrice", "bidQty", "askPrice", "askQty")},
        "openPrice": format_e8(found.open_e8),
        "highPrice": format_e8(found.high_e8),
        "lowPrice": format_e8(found.low_e8),
        **_end(found, open_time, close_time),
    }


def changes(found: Statistics) -> tuple[str, str, str]:
    """Price change, the same in percent, and the average price weighted by volume."""
    change_e8 = found.last_e8 - found.open_e8
    average_e8 = found.quote_volume_e8 * ONE_E8 // found.volume_e8 if found.volume_e8 else 0
    return format_e8(change_e8), percent_rounded_half_up(change_e8, found.open_e8), format_e8(average_e8)


def _changes(found: Statistics) -> Json:
    change, percent, average = changes(found)
    return {
        "symbol": found.symbol,
        "priceChange": change,
        "priceChangePercent": percent,
        "weightedAvgPrice": average,
    }


def percent_rounded_half_up(part: int, whole: int) -> str:
    """``part`` of ``whole`` in percent with three decimals, a half rounded away from zero."""
    if not whole:
        return "0.000"
    thousandths = (2 * abs(part) * 100 * _PERCENT_PLACES + whole) // (2 * whole)
    sign = "-" if part < 0 and thousandths else ""
    return f"{sign}{thousandths // _PERCENT_PLACES}.{thousandths % _PERCENT_PLACES:03d}"


def _end(found: Statistics, open_time: int, close_time: int) -> Json:
    return {
        "volume": format_e8(found.volume_e8),
        "quoteVolume": format_e8(found.quote_volume_e8),
        "openTime": open_time,
        "closeTime": close_time,
        "firstId": found.first_trade_id,
        "lastId": found.last_trade_id,
        "count": found.trade_count,
    }
