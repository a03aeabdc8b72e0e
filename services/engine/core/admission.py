"""Admission: the ladder of checks an order passes before anything changes.

Each step either names a refusal or lets the order through; the order of the steps is the order of
``services.domain.refusals.Refusal``. Nothing here mutates state, so a refused order leaves no trace.
"""

from typing import NamedTuple

from services.domain.commands import PlaceOrder
from services.domain.market import Market, MarketStatus
from services.domain.money import MAX_E8, notional_exact
from services.domain.orders import OrderType, Side, TimeInForce
from services.domain.refusals import Refusal
from services.engine.core.accounts import Accounts
from services.engine.core.book import BookSide
from services.engine.core.listing import Listing


class Admitted(NamedTuple):
    """What the order will ask for, and what it must reserve of the asset it pays with."""

    quantity_e8: int
    reserve_e8: int


class Sweep(NamedTuple):
    """What taking liquidity from the top of a book would get and cost; ``short_e8`` is what the book lacks."""

    quantity_e8: int
    quote_e8: int
    short_e8: int


def admit(command: PlaceOrder, listing: Listing, accounts: Accounts) -> Admitted | Refusal:
    """Check the order against its market, the book and its owner's balance."""
    if not _is_well_formed(command):
        return Refusal.UNSUPPORTED_COMBINATION
    market = listing.market
    if market.status is not MarketStatus.TRADING:
        return Refusal.MARKET_CLOSED
    if (command.account_id, command.client_order_id) in listing.by_client_order_id:
        return Refusal.DUPLICATE_CLIENT_ORDER_ID
    admitted = (_admit_market if command.type is OrderType.MARKET else _admit_limit)(command, listing)
    if isinstance(admitted, Refusal):
        return admitted
    if accounts.free(command.account_id, listing.paying_asset(command.side)) < admitted.reserve_e8:
        return Refusal.INSUFFICIENT_BALANCE
    return admitted


def _admit_limit(command: PlaceOrder, listing: Listing) -> Admitted | Refusal:
    market = listing.market
    price, quantity = command.price_e8, command.quantity_e8
    if price > MAX_E8 or price % market.tick_size_e8 or _outside(price, market.min_price_e8, market.max_price_e8):
        return Refusal.PRICE_FILTER
    if not _fits_lot_size(quantity, market):
        return Refusal.LOT_SIZE
    level = listing.book.own_side(command.side).levels.get(price)
    if level is not None and level.quantity_e8 + quantity > MAX_E8:
        return Refusal.LEVEL_FULL
    notional = notional_exact(price, quantity)
    if notional > MAX_E8 or _outside(notional, market.min_notional_e8, market.max_notional_e8):
        return Refusal.NOTIONAL
    if listing.open_order_count(command.account_id) >= market.max_open_orders:
        return Refusal.MAX_NUM_ORDERS
    if command.type is OrderType.LIMIT_MAKER:
        opposite = listing.book.opposite_side(command.side)
        best = opposite.best()
        if best is not None and opposite.crosses(best, price):
            return Refusal.WOULD_MATCH_IMMEDIATELY
    return Admitted(quantity, notional if command.side is Side.BUY else quantity)


def _admit_market(command: PlaceOrder, listing: Listing) -> Admitted | Refusal:
    """A MARKET order reserves exactly what sweeping the book now costs, so it can never fail half way.

    Asking for more than the book holds is allowed: the rest expires.
    """
    market = listing.market
    opposite = listing.book.opposite_side(command.side)
    if command.quote_quantity_e8:
        sweep = sweep_for_quote(opposite, command.quote_quantity_e8, market.step_size_e8)
        if sweep.quantity_e8 < max(market.min_quantity_e8, 1):
            return Refusal.LIQUIDITY_BELOW_LOT_SIZE if opposite.best() else Refusal.NO_LIQUIDITY
        quantity, reserve = sweep.quantity_e8 + sweep.short_e8, sweep.quantity_e8
        notional = sweep.quote_e8
    else:
        quantity = reserve = command.quantity_e8
        sweep = sweep_for_quantity(opposite, quantity)
        notional = notional_exact(listing.last_price_e8, quantity)
    if not _fits_lot_size(quantity, market):
        return Refusal.LOT_SIZE
    if market.max_market_quantity_e8 and quantity > market.max_market_quantity_e8:
        return Refusal.MARKET_LOT_SIZE
    minimum = market.min_notional_e8 if market.apply_min_notional_to_market else 0
    maximum = market.max_notional_e8 if market.apply_max_notional_to_market else 0
    if notional and _outside(notional, minimum, maximum):
        return Refusal.NOTIONAL
    return Admitted(quantity, sweep.quote_e8 if command.side is Side.BUY else reserve)


def _is_well_formed(command: PlaceOrder) -> bool:
    """MARKET has one of the two quantities and no price, every other type a price and a base quantity.

    Only LIMIT has a time in force; for the others it is GTC.
    """
    quantity, price, quote = command.quantity_e8, command.price_e8, command.quote_quantity_e8
    if command.type is OrderType.MARKET:
        plain = price == 0 and command.time_in_force is TimeInForce.GTC
        return plain and min(quantity, quote) == 0 and max(quantity, quote) > 0
    if command.type is OrderType.LIMIT_MAKER and command.time_in_force is not TimeInForce.GTC:
        return False
    return price > 0 and quantity > 0 and quote == 0


def sweep_for_quantity(side: BookSide, quantity_e8: int, limit_price_e8: int = 0) -> Sweep:
    """How much of ``quantity_e8`` the side offers within the limit, and for how much quote."""
    taken = cost = 0
    for level in side.best_first():
        if taken == quantity_e8 or not side.crosses(level, limit_price_e8):
            break
        part = min(quantity_e8 - taken, level.quantity_e8)
        taken += part
        cost += notional_exact(level.price_e8, part)
    return Sweep(taken, cost, quantity_e8 - taken)


def sweep_for_quote(side: BookSide, quote_e8: int, step_size_e8: int) -> Sweep:
    """The largest quantity, in whole steps, whose cost or yield stays within ``quote_e8``.

    When the book is too thin, what the rest of the amount would be at its last price is short.
    """
    taken = cost = short = 0
    for level in side.best_first():
        step_cost = notional_exact(level.price_e8, step_size_e8)
        steps = (quote_e8 - cost) // step_cost
        part = min(steps * step_size_e8, level.quantity_e8)
        taken += part
        cost += notional_exact(level.price_e8, part)
        short = steps * step_size_e8 - part
        if part < level.quantity_e8:
            break
    return Sweep(taken, cost, short)


def _fits_lot_size(quantity_e8: int, market: Market) -> bool:
    return (
        0 < quantity_e8 <= MAX_E8
        and quantity_e8 % market.step_size_e8 == 0
        and not _outside(quantity_e8, market.min_quantity_e8, market.max_quantity_e8)
    )


def _outside(value: int, minimum: int, maximum: int) -> bool:
    return value < minimum or (maximum != 0 and value > maximum)
