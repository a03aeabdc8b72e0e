"""Placing, cancelling and reading orders."""

import secrets
import string
from enum import Enum
from typing import Annotated, Any, Final

from pydantic import PlainValidator, WithJsonSchema

from services.domain.commands import CancelAllOrders, CancelOrder, PlaceOrder
from services.domain.events import OrderCanceled
from services.domain.orders import OrderType, TimeInForce
from services.domain.protocol import Applied, CheckOrder
from services.domain.refusals import Refusal
from services.trading import errors, queries, render
from services.trading.endpoint import Call, Endpoint, Security
from services.trading.parameters import (
    ClientOrderId,
    Decimal8,
    EndTimeUs,
    Flag,
    Long,
    Parameters,
    SideName,
    SymbolName,
    TimeInForceName,
    TimeUs,
    TypeName,
    check_span,
    limit_of,
    member_of,
)
from services.trading.schemas import (
    CANCEL_REPORT,
    NOTHING,
    ORDER_ACK,
    ORDER_COMMISSION,
    ORDER_FULL,
    ORDER_RESULT,
    QUERIED_ORDER,
    listing,
    one_of,
)

_ALPHABET: Final = string.ascii_letters + string.digits
_GENERATED_ID_LENGTH: Final = 22
MAX_ORDERS: Final = 1000
# More than any market's open-order limits add up to in practice; a bound all the same.
MAX_OPEN_ORDERS: Final = 20_000


class ResponseType(Enum):
    ACK = "ACK"
    RESULT = "RESULT"
    FULL = "FULL"


ResponseTypeName = Annotated[
    ResponseType,
    PlainValidator(member_of(ResponseType, -1130, "Data sent for parameter 'newOrderRespType' is not valid.")),
    WithJsonSchema({"type": "string", "enum": ["ACK", "RESULT", "FULL"]}),
]


class OrderParameters(Parameters):
    symbol: SymbolName
    side: SideName
    type: TypeName
    time_in_force: TimeInForceName | None = None
    quantity: Decimal8 | None = None
    quote_order_qty: Decimal8 | None = None
    price: Decimal8 | None = None
    new_client_order_id: ClientOrderId | None = None
    new_order_resp_type: ResponseTypeName | None = None


class CheckedOrderParameters(OrderParameters):
    compute_commission_rates: Flag = False


class OneOrderParameters(Parameters):
    symbol: SymbolName
    order_id: Long | None = None
    orig_client_order_id: ClientOrderId | None = None


class CancelParameters(OneOrderParameters):
    new_client_order_id: ClientOrderId | None = None


class SymbolParameters(Parameters):
    symbol: SymbolName


class OptionalSymbolParameters(Parameters):
    symbol: SymbolName | None = None


class AllOrdersParameters(Parameters):
    symbol: SymbolName
    order_id: Long | None = None
    start_time: TimeUs | None = None
    end_time: EndTimeUs | None = None
    limit: limit_of(MAX_ORDERS) = 500  # type: ignore[valid-type]


def command(account_id: int, parameters: OrderParameters) -> PlaceOrder:
    """Check what the order's type demands and forbids (section 4.1) and build the engine's command."""
    kind = parameters.type
    if kind is OrderType.MARKET:
        _check_market(parameters)
    else:
        _check_limit(parameters)
    _check_amounts(parameters)
    return PlaceOrder(
        account_id,
        parameters.symbol,
        parameters.new_client_order_id or _generated_id(),
        parameters.side,
        kind,
        parameters.time_in_force or TimeInForce.GTC,
        parameters.quantity or 0,
        parameters.price or 0,
        parameters.quote_order_qty or 0,
    )


def _check_market(parameters: OrderParameters) -> None:
    if parameters.price is not None:
        raise errors.not_required("price")
    if parameters.time_in_force is not None:
        raise errors.not_required("timeInForce")
    if parameters.quantity is None and parameters.quote_order_qty is None:
        raise errors.either_mandatory("quantity", "quoteOrderQty")
    if parameters.quantity is not None and parameters.quote_order_qty is not None:
        raise errors.not_required("quoteOrderQty")


def _check_limit(parameters: OrderParameters) -> None:
    if parameters.quote_order_qty is not None:
        raise errors.not_required("quoteOrderQty")
    if parameters.type is OrderType.LIMIT and parameters.time_in_force is None:
        raise errors.mandatory("timeInForce")
    if parameters.type is OrderType.LIMIT_MAKER and parameters.time_in_force is not None:
        raise errors.not_required("timeInForce")
    if parameters.quantity is None:
        raise errors.mandatory("quantity")
    if parameters.price is None:
        raise errors.mandatory("price")


def _check_amounts(parameters: OrderParameters) -> None:
    """Zero is below every filter's minimum. The engine cannot say so: there it stands for "not given"."""
    for amount, refusal in (
        (parameters.price, Refusal.PRICE_FILTER),
        (parameters.quantity, Refusal.LOT_SIZE),
        (parameters.quote_order_qty, Refusal.NOTIONAL),
    ):
        if amount == 0:
            raise errors.REFUSALS[refusal]


def _generated_id() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_GENERATED_ID_LENGTH))


async def place_order(call: Call, parameters: OrderParameters) -> dict[str, Any]:
    reply = await call.services.gateway.submit(command(call.account_id, parameters))
    assert isinstance(reply, Applied), "the engine answers a command with Applied"
    order = render.final_state(reply, render.placed_order_id(reply.events))
    default = ResponseType.ACK if parameters.type is OrderType.LIMIT_MAKER else ResponseType.FULL
    match parameters.new_order_resp_type or default:
        case ResponseType.ACK:
            return render.acknowledgement(order, call.unit)
        case ResponseType.RESULT:
            return render.order_result(order, call.unit)
        case ResponseType.FULL:
            market = await call.services.markets.get(order.symbol)
            return render.order_full(order, reply, market, call.unit)


async def check_order(call: Call, parameters: CheckedOrderParameters) -> dict[str, Any]:
    await call.services.gateway.submit(CheckOrder(command(call.account_id, parameters)))
    if not parameters.compute_commission_rates:
        return {}
    market = await call.services.markets.get(parameters.symbol)
    return render.order_commission(market)


async def cancel_order(call: Call, parameters: CancelParameters) -> dict[str, Any]:
    if parameters.order_id is None and parameters.orig_client_order_id is None:
        raise errors.either_mandatory("origClientOrderId", "orderId")
    if parameters.order_id == 0:
        # To the engine 0 is "not given", and it would go by the client's id alone.
        await call.services.markets.get(parameters.symbol)
        raise errors.REFUSALS[Refusal.UNKNOWN_ORDER]
    reply = await call.services.gateway.submit(
        CancelOrder(
            call.account_id,
            parameters.symbol,
            parameters.order_id or 0,
            parameters.orig_client_order_id or "",
            parameters.new_client_order_id or _generated_id(),
        )
    )
    return _cancel_reports(reply, call.unit)[0]


async def cancel_open_orders(call: Call, parameters: SymbolParameters) -> list[dict[str, Any]]:
    reply = await call.services.gateway.submit(CancelAllOrders(call.account_id, parameters.symbol, _generated_id()))
    return _cancel_reports(reply, call.unit)


def _cancel_reports(reply: object, unit: int) -> list[dict[str, Any]]:
    assert isinstance(reply, Applied), "the engine answers a command with Applied"
    return [render.cancel_report(event, unit) for event in reply.events if isinstance(event, OrderCanceled)]


async def query_order(call: Call, parameters: OneOrderParameters) -> dict[str, Any]:
    symbol, client_order_id = parameters.symbol, parameters.orig_client_order_id
    await call.services.markets.get(symbol)
    pool = call.services.pool
    if parameters.order_id is not None:
        row = await pool.fetchrow(queries.ORDER_BY_ID, parameters.order_id, call.account_id, symbol)
        if row is not None and client_order_id is not None and row["client_order_id"] != client_order_id:
            raise errors.CLIENT_ORDER_ID_MISMATCH
    elif client_order_id is not None:
        row = await pool.fetchrow(queries.ORDER_BY_CLIENT_ID, call.account_id, symbol, client_order_id)
    else:
        raise errors.either_mandatory("origClientOrderId", "orderId")
    if row is None:
        raise errors.NO_SUCH_ORDER
    return render.queried_order(row, call.unit)


async def open_orders(call: Call, parameters: OptionalSymbolParameters) -> list[dict[str, Any]]:
    if parameters.symbol is not None:
        await call.services.markets.get(parameters.symbol)
    rows = await call.services.pool.fetch(queries.OPEN_ORDERS, call.account_id, parameters.symbol, MAX_OPEN_ORDERS)
    return [render.queried_order(row, call.unit) for row in rows]


async def all_orders(call: Call, parameters: AllOrdersParameters) -> list[dict[str, Any]]:
    await call.services.markets.get(parameters.symbol)
    start_us, end_us = parameters.start_time, parameters.end_time
    check_span(start_us, end_us)
    end = queries.MAX_US if end_us is None else end_us
    if parameters.order_id is None and start_us is None:
        rows = await queries.newest_orders(
            call.services.pool, call.account_id, parameters.symbol, end_us=end, limit=parameters.limit
        )
    else:
        rows = await queries.orders_from(
            call.services.pool,
            call.account_id,
            parameters.symbol,
            from_id=parameters.order_id or 0,
            start_us=start_us or 0,
            end_us=end,
            limit=parameters.limit,
        )
    return [render.queried_order(row, call.unit) for row in rows]


_ORDER_ANSWER = one_of(ORDER_ACK, ORDER_RESULT, ORDER_FULL)

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint("POST", "/api/v3/order", Security.TRADE, OrderParameters, place_order, "Place an order", _ORDER_ANSWER),
    Endpoint(
        "POST",
        "/api/v3/order/test",
        Security.TRADE,
        CheckedOrderParameters,
        check_order,
        "Check an order without placing it",
        one_of(NOTHING, ORDER_COMMISSION),
    ),
    Endpoint(
        "GET", "/api/v3/order", Security.USER_DATA, OneOrderParameters, query_order, "Read one order", QUERIED_ORDER
    ),
    Endpoint(
        "DELETE", "/api/v3/order", Security.TRADE, CancelParameters, cancel_order, "Cancel an order", CANCEL_REPORT
    ),
    Endpoint(
        "GET",
        "/api/v3/openOrders",
        Security.USER_DATA,
        OptionalSymbolParameters,
        open_orders,
        "Read the open orders",
        listing(QUERIED_ORDER),
    ),
    Endpoint(
        "DELETE",
        "/api/v3/openOrders",
        Security.TRADE,
        SymbolParameters,
        cancel_open_orders,
        "Cancel all open orders of a market",
        listing(CANCEL_REPORT),
    ),
    Endpoint(
        "GET",
        "/api/v3/allOrders",
        Security.USER_DATA,
        AllOrdersParameters,
        all_orders,
        "Read orders, open or not",
        listing(QUERIED_ORDER),
    ),
)
