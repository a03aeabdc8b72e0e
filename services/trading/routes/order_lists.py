"""Order lists: placing, cancelling and reading them (compatibility reference section 4.4).

The engine knows what ties a list's orders together; here its orders are put together from prefixed parameters, and
pairs are checked for what needs no look at the market: types and sides.
"""

from typing import Any, Final

from services.domain.commands import CancelOrderList, ListKind, PlaceOrder, PlaceOrderList
from services.domain.orders import CONTINGENT_TYPES, OrderType, Side, TimeInForce
from services.domain.refusals import Refusal
from services.trading import errors, queries, render
from services.trading.endpoint import Call, Endpoint, NoParameters, Security
from services.trading.legs import Leg, Naming, Order, client_order_id_of, generated_id, leg_of, naming, place, prefixed
from services.trading.parameters import (
    ClientOrderId,
    Decimal8,
    EndTimeUs,
    Long,
    Parameters,
    ResponseType,
    ResponseTypeName,
    SelfTradePreventionName,
    SideName,
    StrategyType,
    SymbolName,
    TimeInForceName,
    TimeUs,
    check_span,
    limit_of,
)
from services.trading.routes.orders import carry_out, check_named
from services.trading.schemas import CANCELLED_LIST, ORDER_LIST, PLACED_LIST, listing

Json = dict[str, Any]

MAX_LISTS: Final = 1000
_MAX_OPEN_LISTS: Final = 1000
_STOP_LOSSES: Final = frozenset({OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT})
_WORKING_TYPES: Final = frozenset({OrderType.LIMIT, OrderType.LIMIT_MAKER})


class ListParameters(Parameters):
    symbol: SymbolName
    list_client_order_id: ClientOrderId | None = None
    new_order_resp_type: ResponseTypeName | None = None
    self_trade_prevention_mode: SelfTradePreventionName | None = None


class PairParameters(ListParameters):
    side: SideName
    quantity: Decimal8


class WorkingParameters(ListParameters):
    working_side: SideName
    working_quantity: Decimal8
    pending_side: SideName


class SizedWorkingParameters(WorkingParameters):
    pending_quantity: Decimal8


class UnsizedWorkingParameters(WorkingParameters):
    """The pending orders sell what the working one brings; a quantity is only read to be refused."""

    pending_quantity: Decimal8 | None = None


OcoParameters = prefixed("OcoParameters", PairParameters, "above", "below")
OtoParameters = prefixed("OtoParameters", SizedWorkingParameters, "working", "pending")
OtocoParameters = prefixed("OtocoParameters", SizedWorkingParameters, "working", "pending_above", "pending_below")
OpoParameters = prefixed("OpoParameters", UnsizedWorkingParameters, "working", "pending")
OpocoParameters = prefixed("OpocoParameters", UnsizedWorkingParameters, "working", "pending_above", "pending_below")


class OldOcoParameters(PairParameters):
    """The deprecated form: a limit maker and a stop, with names of their own."""

    limit_client_order_id: ClientOrderId | None = None
    price: Decimal8
    limit_strategy_id: Long | None = None
    limit_strategy_type: StrategyType | None = None
    limit_iceberg_qty: Decimal8 | None = None
    trailing_delta: Long | None = None
    stop_client_order_id: ClientOrderId | None = None
    stop_price: Decimal8 | None = None
    stop_strategy_id: Long | None = None
    stop_strategy_type: StrategyType | None = None
    stop_limit_price: Decimal8 | None = None
    stop_iceberg_qty: Decimal8 | None = None
    stop_limit_time_in_force: TimeInForceName | None = None


class CancelListParameters(Parameters):
    symbol: SymbolName
    order_list_id: Long | None = None
    list_client_order_id: ClientOrderId | None = None
    new_client_order_id: ClientOrderId | None = None


class OneListParameters(Parameters):
    order_list_id: Long | None = None
    orig_client_order_id: ClientOrderId | None = None


class AllListsParameters(Parameters):
    from_id: Long | None = None
    start_time: TimeUs | None = None
    end_time: EndTimeUs | None = None
    limit: limit_of(MAX_LISTS) = 500  # type: ignore[valid-type]


# Placing


async def place_oco(call: Call, parameters: PairParameters) -> Json:
    pair = [_pair_order(call, parameters, leg_of(parameters, prefix), prefix) for prefix in ("above", "below")]
    return await _place(call, parameters, ListKind.OCO, _place_pair(pair, ("above", "below")))


async def place_old_oco(call: Call, parameters: OldOcoParameters) -> Json:
    """A seller's limit order is the one above, a buyer's the one below."""
    limit, stop = _old_legs(parameters)
    orders = [
        place(_old_order(call, parameters, limit, parameters.limit_client_order_id), _old_limit_name),
        place(_old_order(call, parameters, stop, parameters.stop_client_order_id), _old_stop_name),
    ]
    if parameters.side is Side.BUY:
        orders.reverse()
    return await _place(call, parameters, ListKind.OCO, orders)


async def place_oto(call: Call, parameters: SizedWorkingParameters) -> Json:
    orders = [_working_order(call, parameters), _pending_order(call, parameters)]
    return await _place(call, parameters, ListKind.OTO, orders)


async def place_otoco(call: Call, parameters: SizedWorkingParameters) -> Json:
    orders = [_working_order(call, parameters), *_pending_pair(call, parameters)]
    return await _place(call, parameters, ListKind.OTOCO, orders)


async def place_opo(call: Call, parameters: UnsizedWorkingParameters) -> Json:
    _check_one_pays_the_other(parameters)
    orders = [_working_order(call, parameters), _pending_order(call, parameters)]
    return await _place(call, parameters, ListKind.OPO, orders)


async def place_opoco(call: Call, parameters: UnsizedWorkingParameters) -> Json:
    _check_one_pays_the_other(parameters)
    orders = [_working_order(call, parameters), *_pending_pair(call, parameters)]
    return await _place(call, parameters, ListKind.OPOCO, orders)


async def _place(call: Call, parameters: ListParameters, kind: ListKind, orders: list[PlaceOrder]) -> Json:
    name = parameters.list_client_order_id or generated_id()
    command = PlaceOrderList(call.account_id, parameters.symbol, name, kind, tuple(orders))
    market = await call.services.markets.get(parameters.symbol)
    applied = await carry_out(call, command)
    return render.placed_list(applied, parameters.new_order_resp_type or ResponseType.RESULT, market, call.unit)


# Legs into orders


def _pair_order(call: Call, parameters: PairParameters, leg: Leg, prefix: str) -> Order:
    return Order(
        call.account_id,
        parameters.symbol,
        parameters.side,
        leg,
        client_order_id_of(parameters, prefix),
        parameters.quantity,
        self_trade_prevention=parameters.self_trade_prevention_mode,
    )


def _working_order(call: Call, parameters: WorkingParameters) -> PlaceOrder:
    leg = leg_of(parameters, "working")
    if leg.type not in _WORKING_TYPES:
        raise errors.REFUSALS[Refusal.UNSUPPORTED_COMBINATION]
    order = Order(
        call.account_id,
        parameters.symbol,
        parameters.working_side,
        leg,
        client_order_id_of(parameters, "working"),
        parameters.working_quantity,
        self_trade_prevention=parameters.self_trade_prevention_mode,
    )
    return _place_leg(order, naming("working"))


def _pending_order(call: Call, parameters: WorkingParameters) -> PlaceOrder:
    return _place_leg(_pending(call, parameters, "pending"), naming("pending"))


def _pending_pair(call: Call, parameters: WorkingParameters) -> list[PlaceOrder]:
    prefixes = ("pending_above", "pending_below")
    return _place_pair([_pending(call, parameters, prefix) for prefix in prefixes], prefixes)


def _pending(call: Call, parameters: WorkingParameters, prefix: str) -> Order:
    is_sized = isinstance(parameters, SizedWorkingParameters)
    return Order(
        call.account_id,
        parameters.symbol,
        parameters.pending_side,
        leg_of(parameters, prefix),
        client_order_id_of(parameters, prefix),
        parameters.pending_quantity if isinstance(parameters, SizedWorkingParameters) else None,
        self_trade_prevention=parameters.self_trade_prevention_mode,
        is_sized=is_sized,
    )


def _place_pair(pair: list[Order], prefixes: tuple[str, str]) -> list[PlaceOrder]:
    above, below = pair
    _check_pair(above.side, above.leg.type, below.leg.type)
    return [_place_leg(order, naming(prefix)) for order, prefix in zip(pair, prefixes, strict=True)]


def _place_leg(order: Order, name: Naming) -> PlaceOrder:
    leg = order.leg
    if leg.iceberg_qty and leg.time_in_force not in (None, TimeInForce.GTC):
        raise errors.iceberg_needs_gtc(name("iceberg_qty"), name("time_in_force"))
    return place(order, name)


def _check_pair(side: Side, above: OrderType, below: OrderType) -> None:
    """Which types may stand above the market and which below it. Each kind of order has one side to stand on."""
    for kind in (above, below):
        if kind is not OrderType.LIMIT_MAKER and kind not in CONTINGENT_TYPES:
            raise errors.OCO_TYPE
    if above is below is OrderType.LIMIT_MAKER:
        raise errors.BOTH_LIMIT
    # A buyer's stop loss stands above the market, its limit and take profit orders below; a seller's the reverse.
    misplaced = below if side is Side.BUY else above
    if misplaced in _STOP_LOSSES:
        raise errors.BUY_STOP_BELOW if side is Side.BUY else errors.SELL_STOP_ABOVE
    misplaced = above if side is Side.BUY else below
    if misplaced is OrderType.LIMIT_MAKER:
        raise errors.BUY_LIMIT_ABOVE if side is Side.BUY else errors.SELL_LIMIT_BELOW
    if misplaced not in _STOP_LOSSES:
        raise errors.BUY_PROFIT_ABOVE if side is Side.BUY else errors.SELL_PROFIT_BELOW


def _check_one_pays_the_other(parameters: UnsizedWorkingParameters) -> None:
    if parameters.working_side is not Side.BUY:
        raise errors.OPO_WORKING_SELLS
    if parameters.pending_side is not Side.SELL:
        raise errors.OPO_PENDING_BUYS
    if parameters.pending_quantity is not None:
        raise errors.pending_tag("pendingQuantity")


# The deprecated OCO

_OLD_STOP_NAMES: Final = {
    "price": "stopLimitPrice",
    "time_in_force": "stopLimitTimeInForce",
    "iceberg_qty": "stopIcebergQty",
}


def _old_limit_name(field: str) -> str:
    return "limitIcebergQty" if field == "iceberg_qty" else naming()(field)


def _old_stop_name(field: str) -> str:
    return _OLD_STOP_NAMES.get(field) or naming()(field)


def _old_order(call: Call, parameters: OldOcoParameters, leg: Leg, client_order_id: str | None) -> Order:
    return Order(
        call.account_id,
        parameters.symbol,
        parameters.side,
        leg,
        client_order_id,
        parameters.quantity,
        self_trade_prevention=parameters.self_trade_prevention_mode,
    )


def _old_legs(parameters: OldOcoParameters) -> tuple[Leg, Leg]:
    """The limit maker and the stop. A price of its own makes the stop a limit order when it is triggered."""
    if parameters.stop_price is None and parameters.trailing_delta is None:
        raise errors.either_mandatory("stopPrice", "trailingDelta")
    is_limit = parameters.stop_limit_price is not None
    if parameters.stop_iceberg_qty is not None and parameters.stop_limit_time_in_force not in (None, TimeInForce.GTC):
        raise errors.iceberg_needs_gtc("stopIcebergQty", "stopLimitTimeInForce")
    limit = _leg(
        type=OrderType.LIMIT_MAKER,
        price=parameters.price,
        iceberg_qty=parameters.limit_iceberg_qty,
        strategy_id=parameters.limit_strategy_id,
        strategy_type=parameters.limit_strategy_type,
    )
    stop = _leg(
        type=OrderType.STOP_LOSS_LIMIT if is_limit else OrderType.STOP_LOSS,
        price=parameters.stop_limit_price,
        time_in_force=parameters.stop_limit_time_in_force,
        stop_price=parameters.stop_price,
        trailing_delta=parameters.trailing_delta,
        iceberg_qty=parameters.stop_iceberg_qty,
        strategy_id=parameters.stop_strategy_id,
        strategy_type=parameters.stop_strategy_type,
    )
    return limit, stop


def _leg(**fields: object) -> Leg:
    """A leg of values that are valid already; what is not named was not sent."""
    return Leg.model_construct(**fields)  # type: ignore[arg-type]


# Cancelling and reading


async def cancel_list(call: Call, parameters: CancelListParameters) -> Json:
    list_id, client_id = parameters.order_list_id, parameters.list_client_order_id
    await check_named(call, parameters.symbol, list_id, client_id, ("orderListId", "listClientOrderId"))
    cancel_id = parameters.new_client_order_id or generated_id()
    command = CancelOrderList(call.account_id, parameters.symbol, list_id or 0, client_id or "", cancel_id)
    return render.cancelled(await carry_out(call, command), call.unit)[0]


async def query_list(call: Call, parameters: OneListParameters) -> Json:
    list_id, client_id = parameters.order_list_id, parameters.orig_client_order_id
    pool = call.services.pool
    if list_id is not None:
        row = await pool.fetchrow(queries.ORDER_LIST_BY_ID, call.account_id, list_id)
        if row is not None and client_id is not None and row["client_order_list_id"] != client_id:
            raise errors.CLIENT_ORDER_ID_MISMATCH
    elif client_id is not None:
        row = await pool.fetchrow(queries.ORDER_LIST_BY_CLIENT_ID, call.account_id, client_id)
    else:
        raise errors.either_mandatory("origClientOrderId", "orderListId")
    if row is None:
        raise errors.NO_SUCH_ORDER
    return render.queried_list(row, call.unit)


async def open_lists(call: Call, _parameters: NoParameters) -> list[Json]:
    rows = await call.services.pool.fetch(queries.OPEN_ORDER_LISTS, call.account_id, _MAX_OPEN_LISTS)
    return [render.queried_list(row, call.unit) for row in rows]


async def all_lists(call: Call, parameters: AllListsParameters) -> list[Json]:
    start_us, end_us = parameters.start_time, parameters.end_time
    if parameters.from_id is not None and (start_us is not None or end_us is not None):
        raise errors.BAD_COMBINATION
    check_span(start_us, end_us)
    rows = await call.services.history.read(
        lambda source: queries.order_lists(
            source,
            call.account_id,
            from_id=parameters.from_id,
            start_us=start_us,
            end_us=end_us,
            limit=parameters.limit,
        )
    )
    return [render.queried_list(row, call.unit) for row in rows]


def _placing(path: str, parameters: type[Any], handler: Any, summary: str) -> Endpoint[Any]:
    return Endpoint("POST", path, Security.TRADE, parameters, handler, summary, PLACED_LIST)


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    _placing("/api/v3/order/oco", OldOcoParameters, place_old_oco, "Place an OCO, in its old form"),
    _placing("/api/v3/orderList/oco", OcoParameters, place_oco, "Two orders of which one executes"),
    _placing("/api/v3/orderList/oto", OtoParameters, place_oto, "An order that brings another to life"),
    _placing("/api/v3/orderList/otoco", OtocoParameters, place_otoco, "An order that brings an OCO to life"),
    _placing("/api/v3/orderList/opo", OpoParameters, place_opo, "An order that pays for another"),
    _placing("/api/v3/orderList/opoco", OpocoParameters, place_opoco, "An order that pays for an OCO"),
    Endpoint(
        "DELETE",
        "/api/v3/orderList",
        Security.TRADE,
        CancelListParameters,
        cancel_list,
        "Cancel all orders of a list",
        CANCELLED_LIST,
    ),
    Endpoint(
        "GET", "/api/v3/orderList", Security.USER_DATA, OneListParameters, query_list, "Read one order list", ORDER_LIST
    ),
    Endpoint(
        "GET",
        "/api/v3/allOrderList",
        Security.USER_DATA,
        AllListsParameters,
        all_lists,
        "Read order lists, open or not",
        listing(ORDER_LIST),
    ),
    Endpoint(
        "GET",
        "/api/v3/openOrderList",
        Security.USER_DATA,
        NoParameters,
        open_lists,
        "Read the open order lists",
        listing(ORDER_LIST),
    ),
)
