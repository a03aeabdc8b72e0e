"""What exchangeInfo says of a market and of the venue: what is allowed, and the filters in force.

Filters come in the order of compatibility reference section 3; clients read the first one as PRICE_FILTER. A filter
whose bounds are all off is left out.
"""

from typing import Any, Final

from services.domain.market import Market, Venue
from services.domain.money import format_e8
from services.domain.orders import OrderType

Json = dict[str, Any]

# What every symbol here can do.
_ALLOWED: Final = (
    *("icebergAllowed", "ocoAllowed", "otoAllowed", "opoAllowed", "quoteOrderQtyMarketAllowed", "allowTrailingStop"),
    *("cancelReplaceAllowed", "amendAllowed", "pegInstructionsAllowed", "isSpotTradingAllowed"),
)
PERMISSION: Final = "SPOT"


def exchange_symbol(market: Market, *, show_permission_sets: bool = True) -> Json:
    return {
        "symbol": market.symbol,
        "status": market.status.value,
        "baseAsset": market.base_asset,
        "baseAssetPrecision": 8,
        "quoteAsset": market.quote_asset,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": [kind.value for kind in OrderType],
        **dict.fromkeys(_ALLOWED, True),
        "isMarginTradingAllowed": False,
        "filters": symbol_filters(market),
        "permissions": [],
        **({"permissionSets": [[PERMISSION]]} if show_permission_sets else {}),
        "defaultSelfTradePreventionMode": market.default_self_trade_prevention.value,
        "allowedSelfTradePreventionModes": [mode.value for mode in market.allowed_self_trade_prevention],
    }


def symbol_filters(market: Market) -> list[Json]:
    filters = [
        *_size_filters(market),
        *_percent_filters(market),
        {
            "filterType": "NOTIONAL",
            "minNotional": format_e8(market.min_notional_e8),
            "applyMinToMarket": market.apply_min_notional_to_market,
            "maxNotional": format_e8(market.max_notional_e8),
            "applyMaxToMarket": market.apply_max_notional_to_market,
            "avgPriceMins": market.average_minutes,
        },
        *_counts(
            ("MAX_NUM_ORDERS", "maxNumOrders", market.max_open_orders),
            ("MAX_NUM_ORDER_LISTS", "maxNumOrderLists", market.max_order_lists),
            ("MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders", market.max_algo_orders),
            ("MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends", market.max_amendments),
            ("MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders", market.max_iceberg_orders),
        ),
    ]
    if market.max_position_e8:
        filters.append({"filterType": "MAX_POSITION", "maxPosition": format_e8(market.max_position_e8)})
    return filters


def exchange_filters(venue: Venue) -> list[Json]:
    return _counts(
        ("EXCHANGE_MAX_NUM_ORDERS", "maxNumOrders", venue.max_open_orders),
        ("EXCHANGE_MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders", venue.max_algo_orders),
        ("EXCHANGE_MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders", venue.max_iceberg_orders),
        ("EXCHANGE_MAX_NUM_ORDER_LISTS", "maxNumOrderLists", venue.max_order_lists),
    )


def asset_filters(venue: Venue, market: Market) -> list[Json]:
    """Those of the market's own assets."""
    return [
        {"filterType": "MAX_ASSET", "asset": asset, "limit": format_e8(limit_e8)}
        for asset, limit_e8 in venue.max_order_amounts_e8
        if asset in (market.base_asset, market.quote_asset)
    ]


def _counts(*limits: tuple[str, str, int]) -> list[Json]:
    return [{"filterType": kind, field: limit} for kind, field, limit in limits if limit]


def _size_filters(market: Market) -> list[Json]:
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": format_e8(market.min_price_e8),
            "maxPrice": format_e8(market.max_price_e8),
            "tickSize": format_e8(market.tick_size_e8),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": format_e8(market.min_quantity_e8),
            "maxQty": format_e8(market.max_quantity_e8),
            "stepSize": format_e8(market.step_size_e8),
        },
        *_counts(("ICEBERG_PARTS", "limit", market.max_iceberg_parts)),
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": format_e8(market.min_market_quantity_e8),
            "maxQty": format_e8(market.max_market_quantity_e8),
            "stepSize": format_e8(market.market_step_size_e8),
        },
        {
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": market.min_trailing_above_delta,
            "maxTrailingAboveDelta": market.max_trailing_above_delta,
            "minTrailingBelowDelta": market.min_trailing_below_delta,
            "maxTrailingBelowDelta": market.max_trailing_below_delta,
        },
    ]


def _percent_filters(market: Market) -> list[Json]:
    filters: list[Json] = []
    if market.multiplier_up_e8:
        filters.append(
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": format_e8(market.multiplier_up_e8),
                "multiplierDown": format_e8(market.multiplier_down_e8),
                "avgPriceMins": market.average_minutes,
            }
        )
    if market.bid_multiplier_up_e8 or market.ask_multiplier_up_e8:
        filters.append(
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": format_e8(market.bid_multiplier_up_e8),
                "bidMultiplierDown": format_e8(market.bid_multiplier_down_e8),
                "askMultiplierUp": format_e8(market.ask_multiplier_up_e8),
                "askMultiplierDown": format_e8(market.ask_multiplier_down_e8),
                "avgPriceMins": market.average_minutes,
            }
        )
    return filters
