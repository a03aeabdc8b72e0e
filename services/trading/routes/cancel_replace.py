"""Cancel an order and place another in one step (compatibility reference section 4.7).

Filters are checked before anything happens, and fail as they do for an order. After that the reply tells of both halves
whatever became of them: 200 when both were done, 409 when one was, 400 when none was. An account that may place no more
orders for now is refused before that, or has its order cancelled and nothing placed, as it asked for.
"""

from typing import Any, Final, NamedTuple

from services.domain.commands import CancelOrder, PlaceOrder, ReplaceOrder
from services.domain.events import CancelRefused, OrderAccepted, ReplacementRefused
from services.domain.market import Market
from services.domain.protocol import Applied
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
from services.trading.routes.orders import OrderParameters, carry_out, order_of, reply_type
from services.trading.schemas import REPLACED

Json = dict[str, Any]

_CANCEL_FAILURES: Final = tuple(
    REFUSALS[reason] for reason in (Refusal.UNKNOWN_ORDER, Refusal.CLIENT_ORDER_ID_MISMATCH, Refusal.CANCEL_RESTRICTED)
)
# To the engine an order id of 0 is "not given"; this one is nobody's.
_NOBODYS_ORDER_ID: Final = -1


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
    market = await call.services.markets.get(parameters.symbol)
    halves = await _attempt(call, parameters, new_order, market)
    if not isinstance(halves.cancel, DialectError) and isinstance(halves.order, dict):
        return halves.told()
    partially = not isinstance(halves.cancel, DialectError) or isinstance(halves.order, dict)
    is_limited = call.order_limit is not None and parameters.cancel_replace_mode is ReplaceMode.STOP_ON_FAILURE
    raise errors.replace_failed(halves.told(), partially=partially, is_limited=is_limited)


async def _attempt(call: Call, parameters: CancelReplaceParameters, new_order: PlaceOrder, market: Market) -> _Halves:
    stop_on_failure = parameters.cancel_replace_mode is ReplaceMode.STOP_ON_FAILURE
    cancel = _cancel(call, parameters)
    is_limited = call.order_limit is not None
    try:
        applied = await carry_out(call, cancel if is_limited else ReplaceOrder(cancel, new_order, stop_on_failure))
    except DialectError as error:
        if error not in _CANCEL_FAILURES:
            raise
        return _Halves(error, None if stop_on_failure else call.order_limit)
    return _Halves(_cancel_half(call, applied), _order_half(call, parameters, applied, market))


def _cancel(call: Call, parameters: CancelReplaceParameters) -> CancelOrder:
    order_id = parameters.cancel_order_id
    return CancelOrder(
        call.account_id,
        parameters.symbol,
        _NOBODYS_ORDER_ID if order_id == 0 else order_id or 0,
        parameters.cancel_orig_client_order_id or "",
        parameters.cancel_new_client_order_id or generated_id(),
        parameters.cancel_restrictions,
    )


def _cancel_half(call: Call, applied: Applied) -> Json | DialectError:
    refused = next((event.reason for event in applied.events if isinstance(event, CancelRefused)), None)
    return render.cancelled(applied, call.unit)[0] if refused is None else REFUSALS[refused]


def _order_half(
    call: Call, parameters: CancelReplaceParameters, applied: Applied, market: Market
) -> Json | DialectError:
    if call.order_limit is not None:
        return call.order_limit
    refused = next((event.reason for event in applied.events if isinstance(event, ReplacementRefused)), None)
    if refused is not None:
        return REFUSALS[refused]
    accepted = next(event.order for event in applied.events if isinstance(event, OrderAccepted))
    order = render.final_state(applied, accepted.order_id)
    return render.placed_order(applied, order, reply_type(parameters), market, call.unit)


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
