"""Names of market streams (section 7.3 of the dialect reference): what each asks for.

Symbols in names are lower case. A name that is not one of these is no error: it is a stream in which nothing is said.
"""

import re
from enum import Enum
from typing import Final, NamedTuple

from services.trading.candles import Grid, Interval, parse_time_zone

_INTERVALS: Final = {interval.value: interval for interval in Interval}
_name = re.compile(r"([a-z0-9_.-]{1,32})@(\w{1,32})(?:@(.{1,16}))?")
_KLINE: Final = "kline_"
_partial_depth = re.compile(r"depth(5|10|20)", re.ASCII)
_DEPTH_CADENCES_MS: Final = {None: 1000, "1000ms": 1000, "100ms": 100}


class Kind(Enum):
    """What a stream is about; the value is its name, or how that begins."""

    AGGREGATE_TRADE = "aggTrade"
    TRADE = "trade"
    BOOK_TICKER = "bookTicker"
    AVERAGE_PRICE = "avgPrice"
    KLINE = "kline"
    DIFF_DEPTH = "depth"
    PARTIAL_DEPTH = "depth<n>"
    MINI_TICKER = "miniTicker"
    TICKER = "ticker"
    TICKER_HOUR = "ticker_1h"
    TICKER_4_HOURS = "ticker_4h"
    TICKER_DAY = "ticker_1d"


TICKERS: Final = frozenset({Kind.MINI_TICKER, Kind.TICKER, Kind.TICKER_HOUR, Kind.TICKER_4_HOURS, Kind.TICKER_DAY})
_PLAIN: Final = {
    kind.value: kind for kind in (Kind.AGGREGATE_TRADE, Kind.TRADE, Kind.BOOK_TICKER, Kind.AVERAGE_PRICE, *TICKERS)
}
_OF_ALL_MARKETS: Final = {f"!{kind.value}@arr": kind for kind in TICKERS}


class Stream(NamedTuple):
    """Names that mean the same give the same stream. ``symbol`` is "" where all markets are meant."""

    kind: Kind
    symbol: str
    grid: Grid | None = None
    levels: int = 0
    cadence_ms: int = 1000


def parse(name: str) -> Stream | None:
    """What a name asks for; None if it is no market stream."""
    if name in _OF_ALL_MARKETS:
        return Stream(_OF_ALL_MARKETS[name], "")
    match = _name.fullmatch(name)
    if match is None:
        return None
    symbol, kind, option = match[1].upper(), match[2], match[3]
    if kind in _PLAIN:
        return Stream(_PLAIN[kind], symbol) if option is None else None
    if kind.startswith(_KLINE):
        return _kline(symbol, kind.removeprefix(_KLINE), option)
    return _depth(symbol, kind, option)


def _kline(symbol: str, interval: str, zone: str | None) -> Stream | None:
    offset_us = parse_time_zone(zone or "0")
    if interval not in _INTERVALS or offset_us is None:
        return None
    chosen = _INTERVALS[interval]
    cadence_ms = 1000 if chosen is Interval.SECOND else 2000
    return Stream(Kind.KLINE, symbol, Grid(chosen, offset_us), cadence_ms=cadence_ms)


def _depth(symbol: str, kind: str, cadence: str | None) -> Stream | None:
    if cadence not in _DEPTH_CADENCES_MS:
        return None
    cadence_ms = _DEPTH_CADENCES_MS[cadence]
    if kind == Kind.DIFF_DEPTH.value:
        return Stream(Kind.DIFF_DEPTH, symbol, cadence_ms=cadence_ms)
    match = _partial_depth.fullmatch(kind)
    return Stream(Kind.PARTIAL_DEPTH, symbol, levels=int(match[1]), cadence_ms=cadence_ms) if match else None
