"""The market definition file: TOML with decimal strings, read once when an engine becomes active.

[[market]]                      # one table for each market: the fields of services.domain.market.Market
symbol = "BTCUSDT"
tick_size = "0.01"              # amounts and prices without the suffix _e8

[venue]                         # may be left out: the limits that span markets stay as they are
max_open_orders = 1000
max_order_amounts = { BTC = "100" }
"""

import tomllib
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from services.domain.market import Market, Venue
from services.domain.money import format_e8, parse_e8

T = TypeVar("T", Market, Venue)

_AMOUNTS: Final = "max_order_amounts"


class MarketsFileInvalid(ValueError):
    """The file cannot be used; the message names the table and the key."""


class Definitions(NamedTuple):
    """What a file defines. Without a venue it says nothing about limits that span markets."""

    markets: list[Market]
    venue: Venue | None


def read_definitions(path: Path) -> Definitions:
    """Return what the file defines; raise MarketsFileInvalid on any defect."""
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise MarketsFileInvalid(f"{path}: cannot be read as TOML: {error}") from error
    unknown = document.keys() - {"market", "venue"}
    if unknown or not _are_tables(document.get("market", [])) or not isinstance(document.get("venue", {}), dict):
        raise MarketsFileInvalid(f"{path}: must have [[market]] tables and at most one [venue] table, nothing else")
    if not document:
        raise MarketsFileInvalid(f"{path}: has neither a [[market]] nor a [venue] table")
    markets = [_market(table) for table in document.get("market", [])]
    symbols = [market.symbol for market in markets]
    repeated = {symbol for symbol in symbols if symbols.count(symbol) > 1}
    if repeated:
        raise MarketsFileInvalid(f"{path}: listed more than once: {', '.join(sorted(repeated))}")
    return Definitions(markets, _venue(document["venue"]) if "venue" in document else None)


def write_market(market: Market) -> str:
    """The table that defines the market; what is as it would be anyway is left out."""
    lines = ["[[market]]"]
    for field in msgspec.structs.fields(Market):
        value = getattr(market, field.name)
        if field.required or value != field.default:
            lines.append(f"{field.name.removesuffix('_e8')} = {_written(field.name, value)}")
    return "\n".join(lines) + "\n"


def _written(name: str, value: Any) -> str:
    if name.endswith("_e8"):
        return f'"{plain_decimal(value)}"'
    # A TOML value of these kinds is written as in JSON.
    return msgspec.json.encode(value).decode()


def plain_decimal(value_e8: int) -> str:
    """Without the zeros that say nothing, for people."""
    return format_e8(value_e8).rstrip("0").rstrip(".")


def _are_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(table, dict) for table in value)


def _market(table: dict[str, Any]) -> Market:
    name = f"market {table.get('symbol', 'without symbol')}"
    amounts = {field.name.removesuffix("_e8") for field in msgspec.structs.fields(Market) if field.name[-3:] == "_e8"}
    fields = {
        f"{key}_e8" if key in amounts else key: _amount(name, key, value) if key in amounts else value
        for key, value in table.items()
    }
    return _converted(name, fields, Market)


def _venue(table: dict[str, Any]) -> Venue:
    fields = dict(table)
    amounts = fields.pop(_AMOUNTS, {})
    if not isinstance(amounts, dict):
        raise MarketsFileInvalid(f'venue: {_AMOUNTS} = {amounts!r} is not a table such as {{ BTC = "100" }}')
    fields[f"{_AMOUNTS}_e8"] = [(asset, _amount("venue", f"{_AMOUNTS}.{asset}", amounts[asset])) for asset in amounts]
    return _converted("venue", fields, Venue)


def _amount(name: str, key: str, value: Any) -> int:
    try:
        return parse_e8(value)
    except (TypeError, ValueError) as error:
        wanted = 'a decimal in quotes with at most eight places, such as "0.01"'
        raise MarketsFileInvalid(f"{name}: {key} = {value!r} is not {wanted}") from error


def _converted(name: str, fields: dict[str, Any], kind: type[T]) -> T:
    try:
        made = msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise MarketsFileInvalid(f"{name}: {error}") from error
    if defects := made.defects():
        raise MarketsFileInvalid(f"{name}: {'; '.join(defects)}")
    return made
