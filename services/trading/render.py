"""Answers in the dialect's shapes, field for field and in its order (compatibility reference sections 1.2 to 1.5).

Amounts are strings with eight decimals. Times are kept in microseconds and divided by ``Unit``: 1000 for the default
milliseconds, 1 when the client asked for microseconds.
"""

from collections.abc import Sequence
from typing import Any

from services.domain.events import Event, OrderAccepted, OrderCanceled, OrderExpired, OrderFilled
from services.domain.market import Market
from services.domain.money import format_e8
from services.domain.orders import ExpiryReason, OrderState, Side
from services.domain.protocol import Applied, Depth
from services.trading.queries import Row

Json = dict[str, Any]
Unit = int

ZERO = "0.00000000"
NO_ORDER_LIST = -1
BASIS_POINT_E8 = 10_000


def final_state(applied: Applied, order_id: int) -> OrderState:
    """The order as it stood after the command."""
    state: OrderState | None = None
    for event in applied.events:
        match event:
            case OrderFilled(taker=taker, maker=maker):
                for side in (taker, maker):
                    if side.order_id == order_id:
                        state = side
            case OrderAccepted(order=order) | OrderExpired(order=order) | OrderCanceled(order=order):
                if order.order_id == order_id:
                    state = order
    assert state is not None, "an applied command reports the order it is about"
    return state


def placed_order_id(events: Sequence[Event]) -> int:
    accepted = events[0]
    assert isinstance(accepted, OrderAccepted), "the first event of a placed order is its acceptance"
    return accepted.order.order_id


def acknowledgement(order: OrderState, unit: Unit) -> Json:
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": NO_ORDER_LIST,
        "clientOrderId": order.client_order_id,
        "transactTime": order.created_us // unit,
    }


def order_result(order: OrderState, unit: Unit) -> Json:
    body = acknowledgement(order, unit) | _amounts(order)
    body |= {"workingTime": order.working_us // unit, "selfTradePreventionMode": "NONE"}
    if order.expiry_reason is not ExpiryReason.NONE:
        body["expiryReason"] = order.expiry_reason.value
    return body


def order_full(order: OrderState, applied: Applied, market: Market, unit: Unit) -> Json:
    fee_asset = market.base_asset if order.side is Side.BUY else market.quote_asset
    fills = [
        {
            "price": format_e8(event.price_e8),
            "qty": format_e8(event.quantity_e8),
            "commission": format_e8(event.taker_fee_e8),
            "commissionAsset": fee_asset,
            "tradeId": event.trade_id,
        }
        for event in applied.events
        if isinstance(event, OrderFilled)
    ]
    return order_result(order, unit) | {"fills": fills}


def cancel_report(event: OrderCanceled, unit: Unit) -> Json:
    order = event.order
    return {
        "symbol": order.symbol,
        "origClientOrderId": order.client_order_id,
        "orderId": order.order_id,
        "orderListId": NO_ORDER_LIST,
        "clientOrderId": event.cancel_client_order_id,
        "transactTime": order.updated_us // unit,
        **_amounts(order),
        "selfTradePreventionMode": "NONE",
    }


def _amounts(order: OrderState) -> Json:
    return {
        "price": format_e8(order.price_e8),
        "origQty": format_e8(order.quantity_e8),
        "executedQty": format_e8(order.executed_e8),
        "origQuoteOrderQty": format_e8(order.quote_quantity_e8),
        "cummulativeQuoteQty": format_e8(order.executed_quote_e8),
        "status": order.status.value,
        "timeInForce": order.time_in_force.value,
        "type": order.type.value,
        "side": order.side.value,
    }


def queried_order(row: Row, unit: Unit) -> Json:
    body = {
        "symbol": row["symbol"],
        "orderId": row["order_id"],
        "orderListId": NO_ORDER_LIST,
        "clientOrderId": row["client_order_id"],
        "price": format_e8(row["price_e8"]),
        "origQty": format_e8(row["quantity_e8"]),
        "executedQty": format_e8(row["executed_e8"]),
        "cummulativeQuoteQty": format_e8(row["executed_quote_e8"]),
        "status": row["status"],
        "timeInForce": row["time_in_force"],
        "type": row["type"],
        "side": row["side"],
        "stopPrice": ZERO,
        "icebergQty": ZERO,
        "time": row["created_us"] // unit,
        "updateTime": row["updated_us"] // unit,
        "isWorking": True,
        "workingTime": row["working_us"] // unit,
        "origQuoteOrderQty": format_e8(row["quote_quantity_e8"]),
        "selfTradePreventionMode": "NONE",
    }
    if row["expiry_reason"] != ExpiryReason.NONE.value:
        body["expiryReason"] = row["expiry_reason"]
    return body


def own_trade(row: Row, market: Market, unit: Unit) -> Json:
    return {
        "symbol": market.symbol,
        "id": row["trade_id"],
        "orderId": row["order_id"],
        "orderListId": NO_ORDER_LIST,
        "price": format_e8(row["price_e8"]),
        "qty": format_e8(row["quantity_e8"]),
        "quoteQty": format_e8(row["quote_e8"]),
        "commission": format_e8(row["fee_e8"]),
        "commissionAsset": market.base_asset if row["is_buyer"] else market.quote_asset,
        "time": row["time_us"] // unit,
        "isBuyer": row["is_buyer"],
        "isMaker": row["is_maker"],
        "isBestMatch": True,
    }


def public_trade(row: Row, unit: Unit) -> Json:
    return {
        "id": row["trade_id"],
        "price": format_e8(row["price_e8"]),
        "qty": format_e8(row["quantity_e8"]),
        "quoteQty": format_e8(row["quote_e8"]),
        "time": row["time_us"] // unit,
        "isBuyerMaker": row["buyer_is_maker"],
        "isBestMatch": True,
    }


def depth(book: Depth) -> Json:
    return {
        "lastUpdateId": book.update_id,
        "bids": [(format_e8(price), format_e8(quantity)) for price, quantity in book.bids],
        "asks": [(format_e8(price), format_e8(quantity)) for price, quantity in book.asks],
    }


def book_ticker(symbol: str, book: Depth) -> Json:
    bid_price, bid_quantity = book.bids[0] if book.bids else (0, 0)
    ask_price, ask_quantity = book.asks[0] if book.asks else (0, 0)
    return {
        "symbol": symbol,
        "bidPrice": format_e8(bid_price),
        "bidQty": format_e8(bid_quantity),
        "askPrice": format_e8(ask_price),
        "askQty": format_e8(ask_quantity),
    }


def exchange_symbol(market: Market) -> Json:
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
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": False,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _filters(market),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
    }


def _filters(market: Market) -> list[Json]:
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
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": ZERO,
            "maxQty": format_e8(market.max_market_quantity_e8),
            "stepSize": ZERO,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": format_e8(market.min_notional_e8),
            "applyMinToMarket": market.apply_min_notional_to_market,
            "maxNotional": format_e8(market.max_notional_e8),
            "applyMaxToMarket": market.apply_max_notional_to_market,
            "avgPriceMins": 0,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": market.max_open_orders},
    ]


def commission_rates(maker_e8: int, taker_e8: int) -> Json:
    """Rates by role; buyer and seller add nothing to maker and taker here."""
    return {"maker": format_e8(maker_e8), "taker": format_e8(taker_e8), "buyer": ZERO, "seller": ZERO}


def order_commission(market: Market) -> Json:
    """What an order would pay: only the standard rates apply."""
    return {
        "standardCommissionForOrder": {
            "maker": format_e8(market.maker_fee_rate_e8),
            "taker": format_e8(market.taker_fee_rate_e8),
        },
        "specialCommissionForOrder": {"maker": ZERO, "taker": ZERO},
        "taxCommissionForOrder": {"maker": ZERO, "taker": ZERO},
        "discount": {
            "enabledForAccount": False,
            "enabledForSymbol": False,
            "discountAsset": None,
            "discount": ZERO,
        },
    }
