"""The market definition file: TOML with decimal strings, read once when an engine becomes active."""

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from services.domain.market import Market, MarketStatus
from services.domain.money import parse_e8
from services.domain.orders import SelfTradePrevention

_FIELDS = frozenset(field.name for field in msgspec.structs.fields(Market))


class MarketsFileInvalid(ValueError):
    """The file cannot be used; the message names the market and the key."""


def read_markets(path: Path) -> list[Market]:
    """Return the markets in the file; raise MarketsFileInvalid on any defect."""
    try:
        tables = tomllib.loads(path.read_text())["market"]
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise MarketsFileInvalid(f"{path}: cannot be read as a list of [[market]] tables: {error!r}") from error
    markets = [_market(table) for table in tables]
    symbols = [market.symbol for market in markets]
    repeated = {symbol for symbol in symbols if symbols.count(symbol) > 1}
    if repeated:
        raise MarketsFileInvalid(f"{path}: listed more than once: {', '.join(sorted(repeated))}")
    return markets


def _market(table: dict[str, Any]) -> Market:
    name = table.get("symbol", "a market without symbol")
    fields: dict[str, Any] = {}
    for key, value in table.items():
        try:
            if f"{key}_e8" in _FIELDS:
                fields[f"{key}_e8"] = parse_e8(value)
            elif key == "status":
                fields[key] = MarketStatus(value)
            elif key == "default_self_trade_prevention":
                fields[key] = SelfTradePrevention(value)
            elif key == "allowed_self_trade_prevention":
                fields[key] = tuple(SelfTradePrevention(mode) for mode in value)
            else:
                fields[key] = value
        except (TypeError, ValueError) as error:
            raise MarketsFileInvalid(f"{name}: {key} = {value!r} is not valid: {error}") from error
    try:
        market = Market(**fields)
    except TypeError as error:
        raise MarketsFileInvalid(f"{name}: {error}") from error
    if defects := market.defects():
        raise MarketsFileInvalid(f"{name}: {'; '.join(defects)}")
    return market
