"""The dialect's filters (compatibility reference section 3), asked in the order of ``services.domain.refusals``.

Those on one number say whether it fits; those that weigh more return a refusal or None.
"""

from collections.abc import Iterator
from typing import Final

from services.domain.market import Venue
from services.domain.money import notional_exact
from services.domain.orders import Side
from services.domain.refusals import Refusal
from services.engine.core.accounts import Accounts
from services.engine.core.listing import Listing, OpenOrders
from services.engine.core.placement import Placement
from services.engine.core.rules import Rules
from services.engine.core.triggers import waits_for_rise

# Looking up a member of an Enum costs as much as a call, so the hot ones are bound once.
_BUY: Final = Side.BUY


def fits_price(price_e8: int, rules: Rules) -> bool:
    """PRICE_FILTER, for limit and stop prices."""
    return price_e8 % rules.tick_size_e8 == 0 and rules.min_price_e8 <= price_e8 <= rules.max_price_e8


def fits_lot(quantity_e8: int, rules: Rules) -> bool:
    """LOT_SIZE, for quantities and the visible parts of icebergs."""
    return quantity_e8 % rules.step_size_e8 == 0 and rules.min_quantity_e8 <= quantity_e8 <= rules.max_quantity_e8


def fits_market_lot(quantity_e8: int, rules: Rules) -> bool:
    """MARKET_LOT_SIZE, besides LOT_SIZE for orders without a price."""
    if quantity_e8 % rules.market_step_size_e8:
        return False
    return rules.min_market_quantity_e8 <= quantity_e8 <= rules.max_market_quantity_e8


def fits_notional(amount_e8: int, rules: Rules) -> bool:
    """NOTIONAL."""
    return rules.min_notional_e8 <= amount_e8 <= rules.max_notional_e8


def fits_market_notional(amount_e8: int, rules: Rules) -> bool:
    """NOTIONAL for orders without a price; not asked before the first trade, when ``amount_e8`` is 0."""
    return not amount_e8 or not outside(amount_e8, rules.min_market_notional_e8, rules.max_market_notional_e8)


def fitting_quantity(quantity_e8: int, rules: Rules, *, priceless: bool) -> int:
    """The largest quantity up to this one that is on the grid and within the maximum of such orders."""
    step_e8, most_e8 = rules.step_size_e8, rules.max_quantity_e8
    if priceless:
        step_e8 = rules.market_step_size_e8
        most_e8 = min(most_e8, rules.max_market_quantity_e8)
    quantity_e8 = min(quantity_e8, most_e8)
    return quantity_e8 - quantity_e8 % step_e8


def iceberg_parts(placement: Placement, rules: Rules) -> Refusal | None:
    parts = -(-placement.quantity_e8 // placement.iceberg_e8)
    return Refusal.ICEBERG_PARTS if rules.max_iceberg_parts and parts > rules.max_iceberg_parts else None


def trailing_delta(placement: Placement, rules: Rules) -> Refusal | None:
    if waits_for_rise(placement.side, placement.type):
        low, high = rules.min_trailing_above_delta, rules.max_trailing_above_delta
    else:
        low, high = rules.min_trailing_below_delta, rules.max_trailing_below_delta
    return Refusal.TRAILING_DELTA if outside(placement.trailing_delta, low, high) else None


def percent_price(price_e8: int, side: Side, listing: Listing, now_us: int) -> Refusal | None:
    """How far a price may lie from the reference; not asked before the first trade."""
    band = listing.price_band(now_us)
    if not band.holds(price_e8):
        return Refusal.PERCENT_PRICE
    return None if band.holds_for(side, price_e8) else Refusal.PERCENT_PRICE_BY_SIDE


def max_position(placement: Placement, quantity_e8: int, listing: Listing, accounts: Accounts) -> Refusal | None:
    """What the account has, could get from its open buys, and would get from this one."""
    limit = listing.rules.max_position_e8
    if placement.side is Side.SELL:
        return None
    held = accounts.total(placement.account_id, listing.rules.base_asset)
    buying = sum(
        order.remaining_e8 for order in listing.open_orders(placement.account_id).by_name.values() if order.side is _BUY
    )
    return Refusal.MAX_POSITION if held + buying + quantity_e8 > limit else None


def max_asset(quantity_e8: int, price_e8: int, rules: Rules, venue: Venue) -> Refusal | None:
    """MAX_ASSET: what a single order may give or take of an asset."""
    for asset, limit in venue.max_order_amounts_e8:
        if asset == rules.base_asset and quantity_e8 > limit:
            return Refusal.MAX_ASSET
        if asset == rules.quote_asset and notional_exact(price_e8, quantity_e8) > limit:
            return Refusal.MAX_ASSET
    return None


def order_counts(
    account_id: int,
    here: OpenOrders,
    new: int,
    new_algo: int,
    new_iceberg: int,
    listing: Listing,
    listings: dict[str, Listing],
    venue: Venue,
) -> Refusal | None:
    """Would so many new orders be more than one account may have open, here and in all markets?"""
    rules = listing.rules
    if len(here.by_name) + new > rules.max_open_orders:
        return Refusal.MAX_NUM_ORDERS
    if new_algo and rules.max_algo_orders and here.algo_count + new_algo > rules.max_algo_orders:
        return Refusal.MAX_NUM_ALGO_ORDERS
    if new_iceberg and rules.max_iceberg_orders and here.iceberg_count + new_iceberg > rules.max_iceberg_orders:
        return Refusal.MAX_NUM_ICEBERG_ORDERS
    if not (venue.max_open_orders or venue.max_algo_orders or venue.max_iceberg_orders):
        return None
    return _venue_counts(account_id, new, new_algo, new_iceberg, listings, venue)


def _venue_counts(
    account_id: int, new: int, new_algo: int, new_iceberg: int, listings: dict[str, Listing], venue: Venue
) -> Refusal | None:
    everywhere = list(_everywhere(account_id, listings))
    if venue.max_open_orders and sum(len(open_.by_name) for open_ in everywhere) + new > venue.max_open_orders:
        return Refusal.EXCHANGE_MAX_NUM_ORDERS
    if venue.max_algo_orders and sum(open_.algo_count for open_ in everywhere) + new_algo > venue.max_algo_orders:
        return Refusal.EXCHANGE_MAX_NUM_ALGO_ORDERS
    icebergs = sum(open_.iceberg_count for open_ in everywhere) + new_iceberg
    if venue.max_iceberg_orders and icebergs > venue.max_iceberg_orders:
        return Refusal.EXCHANGE_MAX_NUM_ICEBERG_ORDERS
    return None


def list_counts(account_id: int, listing: Listing, listings: dict[str, Listing], venue: Venue) -> Refusal | None:
    limit = listing.rules.max_order_lists
    if limit and _open_lists(account_id, listing) >= limit:
        return Refusal.MAX_NUM_ORDER_LISTS
    if venue.max_order_lists:
        everywhere = sum(_open_lists(account_id, other) for other in listings.values())
        if everywhere >= venue.max_order_lists:
            return Refusal.EXCHANGE_MAX_NUM_ORDER_LISTS
    return None


def outside(value: int, minimum: int, maximum: int) -> bool:
    return value < minimum or (maximum != 0 and value > maximum)


def _everywhere(account_id: int, listings: dict[str, Listing]) -> Iterator[OpenOrders]:
    for listing in listings.values():
        yield listing.open_orders(account_id)


def _open_lists(account_id: int, listing: Listing) -> int:
    return sum(tied.account_id == account_id for tied in listing.lists.values())
