"""Cancel an order and place another in one step (compatibility reference section 4.7).

Filters are checked before anything happens, and fail as they do for an order. After that the reply tells of both halves
whatever became of them: 200 when both were done, 409 when one was, 400 when none was. An account that may place no more
orders for now is refused before that, or has its order cancelled and nothing placed, as it asked for.
"""

from typing import Any, Final, NamedTuple

from services.domain.commands import CancelOrder, CancelRestriction, PlaceOrder, ReplaceOrder
from services.domain.events import OrderAccepted, OrderCanceled, ReplacementRefused
from services.domain.orders import OPEN_STATUSES, OrderStatus
from services.domain.protocol import Applied, CheckOrder
from services.domain.refusals import Refusal
from services.trading import errors, render
from services.trading.endpoint import Call, Endpoint, Security
from services.trading.errors import REFUSALS, DialectError
from services.trading.legs import generated_id, place
from services.trading.parameters import (
    CancelRestrictionName,
    ClientOrderId,
    Long,
    RateExceededModeName,
    ReplaceMode,
    ReplaceModeName,
)
from services.trading.routes.orders import OrderParameters, carry_out, check_named, order_of, reply_type
from services.trading.schemas import REPLACED

Json = dict[str, Any]

_CANCEL_FAILURES: Final = tuple(
    REFUSALS[reason] for reason in (Refusal.UNKNOWN_ORDER, Refusal.CLIENT_ORDER_ID_MISMATCH, Refusal.CANCEL_RESTRICTED)
)
_RESTRICTED_TO: Final = {
    CancelRestriction.ONLY_NEW: OrderStatus.NEW.value,
    CancelRestriction.ONLY_PARTIALLY_FILLED: OrderStatus.PARTIALLY_FILLED.value,
}
_OPEN: Final = frozenset(status.value for status in OPEN_STATUSES)


class CancelReplaceParameters(OrderParameters):
    cancel_replace_mode: ReplaceModeName
    cancel_order_id: Long | None = None
    cancel_orig_client_order_id: ClientOrderId | None = None
    cancel_new_client_order_id: ClientOrderId | None = None
    cancel_restrictions: CancelRestrictionName | None = None
    order_rate_limit_exceeded_mode: RateExceededModeName | None = None


class _Halves(NamedTuple):
    """What became of the cancel and of the new order; an error stands for a failure, None for not attempted."""

    cancel: Json | DialectError
    order: Json | DialectError | None

    def told(self) -> Json:
        return {
            "cancelResult": _result(self.cancel),
            "newOrderResult": _result(self.order),
            "cancelResponse": _response(self.cancel),
            "newOrderResponse": _response(self.order),
        }


def _result(half: Json | DialectError | None) -> str:
    if half is None:
        return "NOT_ATTEMPTED"
    return "FAILURE" if isinstance(half, DialectError) else "SUCCESS"


def _response(half: Json | DialectError | None) -> Json | None:
    return half.content() if isinstance(half, DialectError) else half


async def cancel_replace(call: Call, parameters: CancelReplaceParameters) -> Json:
    new_order = place(order_of(call.account_id, parameters))
    if parameters.cancel_order_id is None and parameters.cancel_orig_client_order_id is None:
        raise errors.either_mandatory("cancelOrigClientOrderId", "cancelOrderId")
    halves = await _attempt(call, parameters, new_order)
    if not isinstance(halves.cancel, DialectError) and isinstance(halves.order, dict):
        return halves.told()
    partially = not isinstance(halves.cancel, DialectError) or isinstance(halves.order, dict)
    is_limited = call.order_limit is not None and parameters.cancel_replace_mode is ReplaceMode.STOP_ON_FAILURE
    raise errors.replace_failed(halves.told(), partially=partially, is_limited=is_limited)


async def _attempt(call: Call, parameters: CancelReplaceParameters, new_order: PlaceOrder) -> _Halves:
    stop_on_failure = parameters.cancel_replace_mode is ReplaceMode.STOP_ON_FAILURE
    try:
        # An order id of 0 is nobody's; to the engine it is "not given", so it must not go there.
        await check_named(
            call,
            parameters.symbol,
            parameters.cancel_order_id,
            parameters.cancel_orig_client_order_id,
            ("cancelOrigClientOrderId", "cancelOrderId"),
        )
        cancel = _cancel(call, parameters)
        is_limited = call.order_limit is not None
        applied = await carry_out(call, cancel if is_limited else ReplaceOrder(cancel, new_order, stop_on_failure))
    except DialectError as error:
        if error not in _CANCEL_FAILURES:
            raise
        return _Halves(error, None if stop_on_failure else await _why_not_placed(call, new_order))
    return _Halves(await _cancel_half(call, parameters, applied), await _order_half(call, parameters, applied))


def _cancel(call: Call, parameters: CancelReplaceParameters) -> CancelOrder:
    return CancelOrder(
        call.account_id,
        parameters.symbol,
        parameters.cancel_order_id or 0,
        parameters.cancel_orig_client_order_id or "",
        parameters.cancel_new_client_order_id or generated_id(),
        parameters.cancel_restrictions,
    )


async def _cancel_half(call: Call, parameters: CancelReplaceParameters, applied: Applied) -> Json | DialectError:
    if any(isinstance(event, OrderCanceled) for event in applied.events):
        return render.cancelled(applied, call.unit)[0]
    return await _why_not_cancelled(call, parameters)


async def _order_half(call: Call, parameters: CancelReplaceParameters, applied: Applied) -> Json | DialectError:
    if call.order_limit is not None:
        return call.order_limit
    refused = next((event.reason for event in applied.events if isinstance(event, ReplacementRefused)), None)
    if refused is not None:
        return REFUSALS[refused]
    accepted = next(event.order for event in applied.events if isinstance(event, OrderAccepted))
    market = await call.services.markets.get(parameters.symbol)
    order = render.final_state(applied, accepted.order_id)
    return render.placed_order(applied, order, reply_type(parameters), market, call.unit)


async def _why_not_placed(call: Call, new_order: PlaceOrder) -> DialectError:
    """The engine names only the first of two refusals; ask for the other. Nothing was done in any case."""
    if call.order_limit is not None:
        return call.order_limit
    try:
        await call.services.gateway.submit(CheckOrder(new_order), deadline_us=call.deadline_us)
    except DialectError as error:
        return error
    return errors.UNAVAILABLE


async def _why_not_cancelled(call: Call, parameters: CancelReplaceParameters) -> DialectError:
    """The new order was placed all the same, and its events do not tell of the cancel: look at the order itself."""
    present, symbol = call.services.present, parameters.symbol
    order_id, client_order_id = parameters.cancel_order_id, parameters.cancel_orig_client_order_id
    if order_id is not None:
        row = await present.order(order_id, call.account_id, symbol)
    else:
        row = await present.order_by_client_id(client_order_id or "", call.account_id, symbol)
    if row is None or row["status"] not in _OPEN:
        return REFUSALS[Refusal.UNKNOWN_ORDER]
    if client_order_id is not None and row["client_order_id"] != client_order_id:
        return REFUSALS[Refusal.CLIENT_ORDER_ID_MISMATCH]
    restriction = parameters.cancel_restrictions
    if restriction is not None and row["status"] != _RESTRICTED_TO[restriction]:
        return REFUSALS[Refusal.CANCEL_RESTRICTED]
    return REFUSALS[Refusal.UNKNOWN_ORDER]


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        "POST",
        "/api/v3/order/cancelReplace",
        Security.TRADE,
        CancelReplaceParameters,
        cancel_replace,
        "Cancel an order and place another",
        REPLACED,
    ),
)
