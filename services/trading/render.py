"""Answers in the dialect's shapes, field for field and in its order (compatibility reference sections 1.2 to 1.5).

Amounts are strings with eight decimals. Times are kept in microseconds and divided by ``Unit``: 1000 for the default
milliseconds, 1 when the client asked for microseconds.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from services.domain.events import (
    Event,
    MatchPrevented,
    OrderAccepted,
    OrderAmended,
    OrderBeganTrailing,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderListChanged,
    OrderListState,
    OrderTriggered,
)
from services.domain.market import Market
from services.domain.money import format_e8
from services.domain.orders import ExpiryReason, OrderDetails, OrderState, OrderStatus, Side
from services.domain.protocol import Applied, Depth
from services.trading.parameters import PegOffset, ResponseType
from services.trading.queries import Row

Json = dict[str, Any]
Unit = int

ZERO = "0.00000000"
NO_ORDER_LIST = -1
NO_TRADE_GROUP = -1
# A working or trailing time of an order that waits.
NOT_YET = -1
BASIS_POINT_E8 = 10_000

# By type: most events of a command are of neither kind, and to ask each whether it is an instance of one of eight
# costs more than the rest of a reply.
_OF_TWO_ORDERS: Final = frozenset({OrderFilled, MatchPrevented})
_OF_ONE_ORDER: Final = frozenset(
    {OrderAccepted, OrderExpired, OrderCanceled, OrderBeganTrailing, OrderTriggered, OrderAmended}
)

_details: Final = msgspec.json.Decoder(OrderDetails)
_list_orders: Final = msgspec.json.Decoder(tuple[tuple[int, str], ...])


def final_state(applied: Applied, order_id: int) -> OrderState:
    """The order as it stood after the command."""
    for event in reversed(applied.events):
        orders: tuple[OrderState, ...] = ()
        if type(event) in _OF_ONE_ORDER:
            orders = (event.order,)  # type: ignore[union-attr, assignment]
        elif type(event) in _OF_TWO_ORDERS:
            orders = (event.maker, event.taker)  # type: ignore[union-attr]
        for order in orders:
            if order.order_id == order_id:
                return order
    raise AssertionError("an applied command reports the order it is about")


def placed_order_id(events: Sequence[Event]) -> int:
    """The id of the one order that the command placed."""
    for event in events:
        if isinstance(event, OrderAccepted):
            return event.order.order_id
    raise AssertionError("an applied command that places an order says so")


def placed_order(applied: Applied, order: OrderState, kind: ResponseType, market: Market, unit: Unit) -> Json:
    """The reply to a new order, as much of it as was asked for."""
    match kind:
        case ResponseType.ACK:
            return acknowledgement(order, unit)
        case ResponseType.RESULT:
            return order_result(order, unit)
        case ResponseType.FULL:
            return order_full(order, applied, market, unit)


def acknowledgement(order: OrderState, unit: Unit) -> Json:
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": _list_id(order.details),
        "clientOrderId": order.client_order_id,
        "transactTime": order.created_us // unit,
    }


def order_result(order: OrderState, unit: Unit) -> Json:
    body = acknowledgement(order, unit)
    body.update(_amounts(order))
    if order.status is OrderStatus.PENDING_NEW and not order.quantity_e8:
        # What it will sell is what its working order is going to buy.
        del body["origQty"]
    details = order.details
    if details is not None:
        body.update(_stops(details, unit))
    body["workingTime"] = _working_time(order.working_us, unit)
    body["selfTradePreventionMode"] = order.self_trade_prevention.text
    if details is not None:
        body.update(_particulars(details))
    if order.expiry_reason is not ExpiryReason.NONE:
        body["expiryReason"] = order.expiry_reason.text
    return body


def order_full(order: OrderState, applied: Applied, market: Market, unit: Unit) -> Json:
    """With the trades in which the order was the taker, and the self-trades that did not happen."""
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
        if type(event) is OrderFilled and event.taker.order_id == order.order_id
    ]
    body = order_result(order, unit)
    body["fills"] = fills
    prevented = [
        _prevented_within(event)
        for event in applied.events
        if type(event) is MatchPrevented and event.taker.order_id == order.order_id
    ]
    if prevented:
        body["preventedMatches"] = prevented
    return body


def _prevented_within(event: MatchPrevented) -> Json:
    body: Json = {
        "preventedMatchId": event.prevented_match_id,
        "makerOrderId": event.maker.order_id,
        "price": format_e8(event.price_e8),
    }
    return body | _prevented_quantities(event.taker_prevented_e8, event.maker_prevented_e8)


def _prevented_quantities(taker_e8: int, maker_e8: int) -> Json:
    """A side that the rule did not touch is left out."""
    quantities = {"takerPreventedQuantity": taker_e8, "makerPreventedQuantity": maker_e8}
    return {name: format_e8(quantity) for name, quantity in quantities.items() if quantity}


def cancel_report(event: OrderCanceled, unit: Unit) -> Json:
    order = event.order
    return {
        "symbol": order.symbol,
        "origClientOrderId": order.client_order_id,
        "orderId": order.order_id,
        "orderListId": _list_id(order.details),
        "clientOrderId": event.cancel_client_order_id,
        "transactTime": order.updated_us // unit,
        **_amounts(order),
        **_stops(order.details, unit),
        "selfTradePreventionMode": order.self_trade_prevention.text,
        **_particulars(order.details),
    }


def cancelled(applied: Applied, unit: Unit) -> list[Json]:
    """What a cancel did: one report for each order on its own, one list object for each list."""
    reports: dict[int, list[Json]] = {}
    answers: list[Json] = []
    for event in applied.events:
        if isinstance(event, OrderCanceled):
            report = cancel_report(event, unit)
            list_id = event.order.details.order_list_id if event.order.details is not None else 0
            if list_id:
                reports.setdefault(list_id, []).append(report)
            else:
                answers.append(report)
        elif isinstance(event, OrderListChanged) and event.order_list.order_list_id in reports:
            found = reports[event.order_list.order_list_id]
            answers.append(order_list(event.order_list, applied.time_us, unit) | {"orderReports": found})
    return answers


def _amounts(order: OrderState) -> Json:
    return {
        "price": format_e8(order.price_e8),
        "origQty": format_e8(order.quantity_e8),
        "executedQty": format_e8(order.executed_e8),
        "origQuoteOrderQty": format_e8(order.quote_quantity_e8),
        "cummulativeQuoteQty": format_e8(order.executed_quote_e8),
        "status": order.status.text,
        "timeInForce": order.time_in_force.text,
        "type": order.type.text,
        "side": order.side.text,
    }


# What only some orders have (section 1.4)


def _list_id(details: OrderDetails | None) -> int:
    return details.order_list_id or NO_ORDER_LIST if details is not None else NO_ORDER_LIST


def _working_time(working_us: int, unit: Unit) -> int:
    return working_us // unit if working_us else NOT_YET


def _stops(details: OrderDetails | None, unit: Unit) -> Json:
    if details is None:
        return {}
    body: Json = {}
    if details.stop_price_e8 or details.trailing_delta:
        body["stopPrice"] = format_e8(details.stop_price_e8)
    if details.trailing_delta:
        body["trailingDelta"] = details.trailing_delta
        body["trailingTime"] = _working_time(details.trailing_us, unit)
    if details.iceberg_e8:
        body["icebergQty"] = format_e8(details.iceberg_e8)
    return body


def _particulars(details: OrderDetails | None) -> Json:
    if details is None:
        return {}
    body: Json = {}
    if details.strategy_id is not None:
        body["strategyId"] = details.strategy_id
    if details.strategy_type is not None:
        body["strategyType"] = details.strategy_type
    if details.prevented_e8:
        body["preventedMatchId"] = details.prevented_match_id
        body["preventedQuantity"] = format_e8(details.prevented_e8)
    if details.peg_price is not None:
        body["pegPriceType"] = details.peg_price.text
        if details.peg_offset:
            body["pegOffsetType"] = PegOffset.PRICE_LEVEL.value
            body["pegOffsetValue"] = details.peg_offset
        if details.pegged_price_e8:
            body["peggedPrice"] = format_e8(details.pegged_price_e8)
    return body


def queried_order(row: Row, unit: Unit) -> Json:
    details = details_of(row["details"])
    body = {
        "symbol": row["symbol"],
        "orderId": row["order_id"],
        "orderListId": _list_id(details),
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
        **_stops(details, unit),
        "time": row["created_us"] // unit,
        "updateTime": row["updated_us"] // unit,
        "isWorking": row["working_us"] > 0,
        "workingTime": _working_time(row["working_us"], unit),
        "origQuoteOrderQty": format_e8(row["quote_quantity_e8"]),
        "selfTradePreventionMode": row["self_trade_prevention"],
        **_particulars(details),
    }
    if row["expiry_reason"] != ExpiryReason.NONE.value:
        body["expiryReason"] = row["expiry_reason"]
    return body


def details_of(text: str | None) -> OrderDetails | None:
    """What the ``details`` column holds."""
    return None if text is None else _details.decode(text)


# Order lists


def placed_list(applied: Applied, kind: ResponseType, market: Market, unit: Unit) -> Json:
    """A pending order that came to life at once is still told as pending, and its list as begun (section 4.4)."""
    changes = [event.order_list for event in applied.events if isinstance(event, OrderListChanged)]
    accepted = [event.order for event in applied.events if isinstance(event, OrderAccepted)]
    awakened = {
        order.order_id
        for order in accepted
        if order.status is OrderStatus.PENDING_NEW and any(_brings_to_life(event, order) for event in applied.events)
    }
    reports = []
    for order in accepted:
        told = order if order.order_id in awakened else final_state(applied, order.order_id)
        reports.append(placed_order(applied, told, kind, market, unit))
    body = order_list(changes[0] if awakened else changes[-1], applied.time_us, unit)
    return body | {"orderReports": reports}


def _brings_to_life(event: Event, order: OrderState) -> bool:
    match event:
        case OrderTriggered(order=same):
            return same.order_id == order.order_id
        case OrderExpired(order=same):
            return same.order_id == order.order_id and same.expiry_reason is ExpiryReason.REJECTED
    return False


def order_list(tied: OrderListState, time_us: int, unit: Unit) -> Json:
    return {
        "orderListId": tied.order_list_id,
        "contingencyType": tied.contingency,
        "listStatusType": "ALL_DONE" if tied.is_done else "EXEC_STARTED",
        "listOrderStatus": "ALL_DONE" if tied.is_done else "EXECUTING",
        "listClientOrderId": tied.client_order_list_id,
        "transactionTime": time_us // unit,
        "symbol": tied.symbol,
        "orders": [
            {"symbol": tied.symbol, "orderId": order_id, "clientOrderId": client_order_id}
            for order_id, client_order_id in tied.orders
        ],
    }


def queried_list(row: Row, unit: Unit) -> Json:
    return order_list(list_state(row), row["created_us"], unit)


def list_state(row: Row) -> OrderListState:
    return OrderListState(
        row["order_list_id"],
        row["account_id"],
        row["symbol"],
        row["contingency"],
        row["client_order_list_id"],
        row["is_done"],
        _list_orders.decode(row["orders"]),
        row["updated_us"],
    )


# Amendments


def amended_order(event: OrderAmended, tied: OrderListState | None, unit: Unit) -> Json:
    """The reply to an amendment. Here, and only here, ``cumulativeQuoteQty`` is spelled right."""
    order = event.order
    prevented_e8 = order.details.prevented_e8 if order.details is not None else 0
    amended = {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": _list_id(order.details),
        "origClientOrderId": event.old_client_order_id,
        "clientOrderId": order.client_order_id,
        "price": format_e8(order.price_e8),
        "qty": format_e8(order.quantity_e8),
        "executedQty": format_e8(order.executed_e8),
        "preventedQty": format_e8(prevented_e8),
        "quoteOrderQty": format_e8(order.quote_quantity_e8),
        "cumulativeQuoteQty": format_e8(order.executed_quote_e8),
        "status": order.status.text,
        "timeInForce": order.time_in_force.text,
        "type": order.type.text,
        "side": order.side.text,
        **_stops(order.details, unit),
        **({"workingTime": order.working_us // unit} if order.working_us else {}),
        "selfTradePreventionMode": order.self_trade_prevention.text,
        **_particulars(order.details),
    }
    body: Json = {
        "transactTime": order.updated_us // unit,
        "executionId": event.execution_id,
        "amendedOrder": amended,
    }
    if tied is not None:
        status = order_list(tied, tied.updated_us, unit)
        body["listStatus"] = {
            name: status[name]
            for name in (
                *("orderListId", "contingencyType", "listOrderStatus"),
                *("listClientOrderId", "symbol", "orders"),
            )
        }
    return body


def amendment(row: Row, unit: Unit) -> Json:
    return {
        "symbol": row["symbol"],
        "orderId": row["order_id"],
        "executionId": row["execution_id"],
        "origClientOrderId": row["old_client_order_id"],
        "newClientOrderId": row["new_client_order_id"],
        "origQty": format_e8(row["old_quantity_e8"]),
        "newQty": format_e8(row["new_quantity_e8"]),
        "time": row["time_us"] // unit,
    }


def prevented_match(row: Row, unit: Unit) -> Json:
    return {
        "symbol": row["symbol"],
        "preventedMatchId": row["prevented_match_id"],
        "takerOrderId": row["taker_order_id"],
        "makerSymbol": row["symbol"],
        "makerOrderId": row["maker_order_id"],
        "tradeGroupId": row["trade_group_id"] or NO_TRADE_GROUP,
        "selfTradePreventionMode": row["mode"],
        "price": format_e8(row["price_e8"]),
        **_prevented_quantities(row["taker_prevented_e8"], row["maker_prevented_e8"]),
        "transactTime": row["time_us"] // unit,
    }


# Trades and the book


def own_trade(row: Row, market: Market, unit: Unit) -> Json:
    return {
        "symbol": market.symbol,
        "id": row["trade_id"],
        "orderId": row["order_id"],
        "orderListId": _list_id(details_of(row["details"])),
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
