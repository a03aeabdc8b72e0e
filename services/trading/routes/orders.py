"""Placing, cancelling, replacing, amending and reading orders."""

from typing import Any, Final

from services.domain.commands import AmendOrder, CancelAllOrders, CancelOrder, Command
from services.domain.events import OrderAmended, OrderListChanged, OrderListState
from services.domain.orders import OrderState, OrderType
from services.domain.protocol import Applied, CheckOrder
from services.domain.refusals import Refusal
from services.trading import commissions, errors, queries, render
from services.trading.endpoint import Call, Endpoint, Security
from services.trading.errors import DialectError
from services.trading.legs import Leg, Order, generated_id, place
from services.trading.parameters import (
    CancelRestrictionName,
    ClientOrderId,
    Decimal8,
    EndTimeUs,
    Flag,
    Long,
    Parameters,
    ResponseType,
    ResponseTypeName,
    SelfTradePreventionName,
    SideName,
    SymbolName,
    TimeUs,
    check_span,
    limit_of,
)
from services.trading.schemas import (
    AMENDED,
    AMENDMENT,
    CANCELLED,
    NOTHING,
    ORDER_COMMISSION,
    PLACED_ORDER,
    QUERIED_ORDER,
    listing,
    one_of,
)

MAX_ORDERS: Final = 1000
# More than any market's open-order limits add up to in practice; a bound all the same.
MAX_OPEN_ORDERS: Final = 20_000
# Types whose reply is FULL unless something else was asked for.
_FULL_BY_DEFAULT: Final = frozenset({OrderType.LIMIT, OrderType.MARKET})


class _Subject(Parameters):
    """What comes before the order's particulars, in errors too."""

    symbol: SymbolName
    side: SideName


class OrderParameters(Leg, _Subject):
    quantity: Decimal8 | None = None
    quote_order_qty: Decimal8 | None = None
    new_client_order_id: ClientOrderId | None = None
    new_order_resp_type: ResponseTypeName | None = None
    self_trade_prevention_mode: SelfTradePreventionName | None = None


class CheckedOrderParameters(OrderParameters):
    compute_commission_rates: Flag = False


class OneOrderParameters(Parameters):
    symbol: SymbolName
    order_id: Long | None = None
    orig_client_order_id: ClientOrderId | None = None


class CancelParameters(OneOrderParameters):
    new_client_order_id: ClientOrderId | None = None
    cancel_restrictions: CancelRestrictionName | None = None


class AmendParameters(OneOrderParameters):
    new_client_order_id: ClientOrderId | None = None
    new_qty: Decimal8


class AmendmentsParameters(Parameters):
    symbol: SymbolName
    order_id: Long
    from_execution_id: Long | None = None
    limit: limit_of(MAX_ORDERS) = 500  # type: ignore[valid-type]


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


def order_of(account_id: int, parameters: OrderParameters) -> Order:
    return Order(
        account_id,
        parameters.symbol,
        parameters.side,
        parameters,
        parameters.new_client_order_id,
        parameters.quantity,
        parameters.quote_order_qty,
        parameters.self_trade_prevention_mode,
    )


def reply_type(parameters: OrderParameters) -> ResponseType:
    default = ResponseType.FULL if parameters.type in _FULL_BY_DEFAULT else ResponseType.ACK
    return parameters.new_order_resp_type or default


async def carry_out(call: Call, command: Command) -> Applied:
    """Have the engine apply a command while the request is valid. What the answer needs should be known before."""
    call.may_have_acted = True
    reply = await call.services.gateway.submit(command, deadline_us=call.deadline_us)
    assert isinstance(reply, Applied), "the engine answers a command with Applied"
    return reply


async def place_order(call: Call, parameters: OrderParameters) -> dict[str, Any]:
    command = place(order_of(call.account_id, parameters))
    market = await call.services.markets.get(command.symbol)
    applied = await carry_out(call, command)
    order = render.final_state(applied, render.placed_order_id(applied.events))
    return render.placed_order(applied, order, reply_type(parameters), market, call.unit)


async def check_order(call: Call, parameters: CheckedOrderParameters) -> dict[str, Any]:
    checked = CheckOrder(place(order_of(call.account_id, parameters)))
    await call.services.gateway.submit(checked, deadline_us=call.deadline_us)
    if not parameters.compute_commission_rates:
        return {}
    market = await call.services.markets.get(parameters.symbol)
    terms = await queries.account_terms(call.services.pool, call.account_id)
    return commissions.order_commission(terms.fee_rates(market))


async def check_named(
    call: Call, symbol: str, order_id: int | None, client_order_id: str | None, names: tuple[str, str]
) -> None:
    """One of two ids must name what a command is about; ``names`` are theirs on the wire."""
    if order_id is None and client_order_id is None:
        raise errors.either_mandatory(*names)
    if order_id == 0:
        # To the engine 0 is "not given", and it would go by the client's id alone.
        await call.services.markets.get(symbol)
        raise errors.REFUSALS[Refusal.UNKNOWN_ORDER]


async def cancel_order(call: Call, parameters: CancelParameters) -> dict[str, Any]:
    """An order of a list takes the whole list with it, and the reply is the list's."""
    order_id, client_order_id = parameters.order_id, parameters.orig_client_order_id
    await check_named(call, parameters.symbol, order_id, client_order_id, ("origClientOrderId", "orderId"))
    applied = await carry_out(
        call,
        CancelOrder(
            call.account_id,
            parameters.symbol,
            order_id or 0,
            client_order_id or "",
            parameters.new_client_order_id or generated_id(),
            parameters.cancel_restrictions,
        ),
    )
    return render.cancelled(applied, call.unit)[0]


async def cancel_open_orders(call: Call, parameters: SymbolParameters) -> list[dict[str, Any]]:
    applied = await carry_out(call, CancelAllOrders(call.account_id, parameters.symbol, generated_id()))
    return render.cancelled(applied, call.unit)


async def amend_order(call: Call, parameters: AmendParameters) -> dict[str, Any]:
    order_id, client_order_id = parameters.order_id, parameters.orig_client_order_id
    command = AmendOrder(
        call.account_id,
        parameters.symbol,
        order_id or 0,
        client_order_id or "",
        parameters.new_client_order_id or generated_id(),
        parameters.new_qty,
    )
    try:
        await check_named(call, parameters.symbol, order_id, client_order_id, ("origClientOrderId", "orderId"))
        applied = await carry_out(call, command)
    except DialectError as error:
        raise errors.amend_rejected(error) from None
    event = next(event for event in applied.events if isinstance(event, OrderAmended))
    return render.amended_order(event, await _list_of(call, event.order, applied), call.unit)


async def _list_of(call: Call, order: OrderState, applied: Applied) -> OrderListState | None:
    """The list an amended order is part of. Its events tell of it only if the amendment gave the order another name."""
    if order.details is None or not order.details.order_list_id:
        return None
    told = next((event.order_list for event in applied.events if isinstance(event, OrderListChanged)), None)
    if told is not None:
        return told
    row = await call.services.pool.fetchrow(queries.ORDER_LIST_BY_ID, call.account_id, order.details.order_list_id)
    return render.list_state(row)


async def query_order(call: Call, parameters: OneOrderParameters) -> dict[str, Any]:
    symbol, client_order_id = parameters.symbol, parameters.orig_client_order_id
    await call.services.markets.get(symbol)
    present = call.services.present
    if parameters.order_id is not None:
        row = await present.order(parameters.order_id, call.account_id, symbol)
        if row is not None and client_order_id is not None and row["client_order_id"] != client_order_id:
            raise errors.CLIENT_ORDER_ID_MISMATCH
    elif client_order_id is not None:
        row = await present.order_by_client_id(client_order_id, call.account_id, symbol)
    else:
        raise errors.either_mandatory("origClientOrderId", "orderId")
    if row is None:
        raise errors.NO_SUCH_ORDER
    return render.queried_order(row, call.unit)


async def open_orders(call: Call, parameters: OptionalSymbolParameters) -> list[dict[str, Any]]:
    if parameters.symbol is not None:
        await call.services.markets.get(parameters.symbol)
    rows = await call.services.present.open_orders(call.account_id, parameters.symbol, MAX_OPEN_ORDERS)
    return [render.queried_order(row, call.unit) for row in rows]


async def all_orders(call: Call, parameters: AllOrdersParameters) -> list[dict[str, Any]]:
    await call.services.markets.get(parameters.symbol)
    start_us, end_us = parameters.start_time, parameters.end_time
    check_span(start_us, end_us)
    if parameters.order_id is None and start_us is None:
        rows = await call.services.history.read(
            lambda source: queries.newest_orders(
                source, call.account_id, parameters.symbol, end_us=end_us, limit=parameters.limit
            )
        )
    else:
        rows = await call.services.history.read(
            lambda source: queries.orders_from(
                source,
                call.account_id,
                parameters.symbol,
                from_id=parameters.order_id or 0,
                start_us=start_us,
                end_us=end_us,
                limit=parameters.limit,
            )
        )
    return [render.queried_order(row, call.unit) for row in rows]


async def amendments(call: Call, parameters: AmendmentsParameters) -> list[dict[str, Any]]:
    await call.services.markets.get(parameters.symbol)
    rows = await call.services.history.read(
        lambda source: source.fetch(
            queries.AMENDMENTS,
            parameters.order_id,
            call.account_id,
            parameters.symbol,
            parameters.from_execution_id or 0,
            parameters.limit,
        )
    )
    return [render.amendment(row, call.unit) for row in rows]


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint("POST", "/api/v3/order", Security.TRADE, OrderParameters, place_order, "Place an order", PLACED_ORDER),
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
    Endpoint("DELETE", "/api/v3/order", Security.TRADE, CancelParameters, cancel_order, "Cancel an order", CANCELLED),
    Endpoint(
        "PUT",
        "/api/v3/order/amend/keepPriority",
        Security.TRADE,
        AmendParameters,
        amend_order,
        "Make an open order smaller; it keeps its place in the queue",
        AMENDED,
    ),
    Endpoint(
        "GET",
        "/api/v3/order/amendments",
        Security.USER_DATA,
        AmendmentsParameters,
        amendments,
        "How an order was amended",
        listing(AMENDMENT),
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
        "Cancel all open orders of a market, and all its order lists",
        listing(CANCELLED),
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
