"""Legs: the parameters that make an order, described once, for a single order and for each order of a list.

``Leg`` is the description. A single order has its fields under their own names; an order of a list has them behind a
prefix (``aboveStopPrice``), in a model that ``prefixed`` builds. ``place`` checks what the order's type demands and
forbids (compatibility reference section 4.1) and makes the engine's command; errors name the parameter as it was sent.
"""

import secrets
import string
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar, get_type_hints

from pydantic import create_model
from pydantic.alias_generators import to_camel

from services.domain.commands import PlaceOrder
from services.domain.orders import CONTINGENT_TYPES, OrderType, PegPrice, SelfTradePrevention, Side, TimeInForce
from services.domain.refusals import Refusal
from services.trading import errors
from services.trading.parameters import (
    ClientOrderId,
    Decimal8,
    Long,
    Parameters,
    PegOffsetName,
    PegOffsetValue,
    PegPriceName,
    StrategyType,
    TimeInForceName,
    TypeName,
)

_ALPHABET: Final = string.ascii_letters + string.digits
_GENERATED_ID_LENGTH: Final = 22

P = TypeVar("P", bound=Parameters)
# From a field of ``Leg`` or ``Order`` to the parameter's name on the wire.
Naming = Callable[[str], str]


class Leg(Parameters):
    """What an order of any kind may have besides its market, side, quantity and id."""

    type: TypeName
    time_in_force: TimeInForceName | None = None
    price: Decimal8 | None = None
    stop_price: Decimal8 | None = None
    trailing_delta: Long | None = None
    iceberg_qty: Decimal8 | None = None
    strategy_id: Long | None = None
    strategy_type: StrategyType | None = None
    peg_price_type: PegPriceName | None = None
    peg_offset_type: PegOffsetName | None = None
    peg_offset_value: PegOffsetValue | None = None


class Order(NamedTuple):
    """A leg with what its list or its request says of it. Without ``quantity`` an OPO sizes it later."""

    account_id: int
    symbol: str
    side: Side
    leg: Leg
    client_order_id: str | None
    quantity: int | None
    quote_order_qty: int | None = None
    self_trade_prevention: SelfTradePrevention | None = None
    is_sized: bool = True


_HINTS: Final = {name: get_type_hints(Leg, include_extras=True)[name] for name in Leg.model_fields}

_STOP_FIELDS: Final = ("stop_price", "trailing_delta")
_FORBIDDEN: Final = {
    OrderType.MARKET: ("price", "time_in_force", *_STOP_FIELDS, "iceberg_qty"),
    OrderType.LIMIT: ("quote_order_qty", *_STOP_FIELDS),
    OrderType.LIMIT_MAKER: ("quote_order_qty", "time_in_force", *_STOP_FIELDS),
    **dict.fromkeys(
        (OrderType.STOP_LOSS, OrderType.TAKE_PROFIT), ("quote_order_qty", "price", "time_in_force", "iceberg_qty")
    ),
    **dict.fromkeys((OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT), ("quote_order_qty",)),
}
_NEEDS_TIME_IN_FORCE: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT})
_NEEDS_PRICE: Final = _NEEDS_TIME_IN_FORCE | {OrderType.LIMIT_MAKER}


def prefixed(name: str, base: type[P], *prefixes: str) -> type[P]:
    """A model of ``base`` and one leg for each prefix: for ``above`` it has ``above_type``, ``above_price`` and so on.

    A leg's type is mandatory, everything else optional, and each leg may have a ``client_order_id``.
    """
    fields: dict[str, Any] = {}
    for prefix in prefixes:
        fields[f"{prefix}_client_order_id"] = (ClientOrderId | None, None)
        for field, described in Leg.model_fields.items():
            fields[f"{prefix}_{field}"] = (_HINTS[field], ... if described.is_required() else None)
    return create_model(name, __base__=base, __module__=__name__, **fields)


def leg_of(parameters: Parameters, prefix: str) -> Leg:
    """The leg behind a prefix, of a model that ``prefixed`` built."""
    return Leg.model_construct(**{field: getattr(parameters, f"{prefix}_{field}") for field in Leg.model_fields})


def client_order_id_of(parameters: Parameters, prefix: str) -> str | None:
    found: str | None = getattr(parameters, f"{prefix}_client_order_id")
    return found


def naming(prefix: str = "") -> Naming:
    return lambda field: to_camel(f"{prefix}_{field}" if prefix else field)


def place(order: Order, name: Naming = to_camel) -> PlaceOrder:
    """Check the order and make the command to place it."""
    _check_parameters(order, name)
    _check_peg(order.leg, name)
    if order.leg.iceberg_qty and order.leg.time_in_force not in (None, TimeInForce.GTC):
        raise errors.ICEBERG_COMBINATION
    _check_amounts(order)
    leg = order.leg
    return PlaceOrder(
        order.account_id,
        order.symbol,
        order.client_order_id or generated_id(),
        order.side,
        leg.type,
        leg.time_in_force or TimeInForce.GTC,
        order.quantity or 0,
        leg.price or 0,
        order.quote_order_qty or 0,
        leg.stop_price or 0,
        leg.trailing_delta or 0,
        leg.iceberg_qty or 0,
        order.self_trade_prevention,
        leg.strategy_id,
        leg.strategy_type,
        leg.peg_price_type,
        leg.peg_offset_value or 0,
    )


def generated_id() -> str:
    """An id for an order whose owner gave it none."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_GENERATED_ID_LENGTH))


def _check_parameters(order: Order, name: Naming) -> None:
    leg = order.leg
    for field in _FORBIDDEN[leg.type]:
        if (order.quote_order_qty if field == "quote_order_qty" else getattr(leg, field)) is not None:
            raise errors.not_required(name(field))
    if leg.type in _NEEDS_TIME_IN_FORCE and leg.time_in_force is None:
        raise errors.mandatory(name("time_in_force"))
    if order.is_sized:
        _check_quantity(order, name)
    if leg.type in _NEEDS_PRICE and leg.price is None and leg.peg_price_type is None:
        raise errors.mandatory(name("price"))
    if leg.type in CONTINGENT_TYPES and leg.stop_price is None and leg.trailing_delta is None:
        raise errors.either_mandatory(name("stop_price"), name("trailing_delta"))


def _check_quantity(order: Order, name: Naming) -> None:
    if order.leg.type is not OrderType.MARKET:
        if order.quantity is None:
            raise errors.mandatory(name("quantity"))
    elif order.quantity is None and order.quote_order_qty is None:
        raise errors.either_mandatory(name("quantity"), name("quote_order_qty"))
    elif order.quantity is not None and order.quote_order_qty is not None:
        raise errors.not_required(name("quote_order_qty"))


def _check_peg(leg: Leg, name: Naming) -> None:
    """Section 4.6. A LIMIT order pegged to its own side could only rest, so it must be good till cancelled."""
    if leg.peg_offset_type is None and leg.peg_offset_value is not None:
        raise errors.should_also_be_sent(name("peg_offset_type"))
    if leg.peg_offset_value is None and leg.peg_offset_type is not None:
        raise errors.should_also_be_sent(name("peg_offset_value"))
    if leg.peg_price_type is None:
        if leg.peg_offset_type is not None:
            raise errors.should_also_be_sent(name("peg_price_type"))
        return
    if leg.type not in _NEEDS_PRICE:
        raise errors.PEG_TYPE
    is_primary = leg.peg_price_type is PegPrice.PRIMARY_PEG
    if leg.type is OrderType.LIMIT_MAKER and not is_primary:
        raise errors.PEG_COMBINATION
    if leg.type is OrderType.LIMIT and is_primary and leg.time_in_force is not TimeInForce.GTC:
        raise errors.PEG_COMBINATION


def _check_amounts(order: Order) -> None:
    """Zero is below every filter's minimum. The engine cannot say so: there it stands for "not given"."""
    leg = order.leg
    if 0 not in (leg.price, leg.stop_price, order.quantity, order.quote_order_qty, leg.trailing_delta):
        return
    for amount, refusal in (
        (leg.price, Refusal.PRICE_FILTER),
        (leg.stop_price, Refusal.PRICE_FILTER),
        (order.quantity, Refusal.LOT_SIZE),
        (order.quote_order_qty, Refusal.NOTIONAL),
        (leg.trailing_delta, Refusal.TRAILING_DELTA),
    ):
        if amount == 0:
            raise errors.REFUSALS[refusal]
