"""The dialect's filters (compatibility reference section 3), asked in the order of ``services.domain.refusals``.

Those on one number say whether it fits; those that weigh more return a refusal or None.
"""

from collections.abc import Iterator
from typing import Final

from services.domain.commands import PlaceOrder
from services.domain.market import Market, Venue
from services.domain.money import MAX_E8, ONE_E8, notional_exact
from services.domain.orders import Side
from services.domain.refusals import Refusal
from services.engine.core.accounts import Accounts
from services.engine.core.listing import Listing, OpenOrders
from services.engine.core.triggers import waits_for_rise

# Looking up a member of an Enum costs as much as a call, so the hot ones are bound once.
_BUY: Final = Side.BUY


def fits_price(price_e8: int, market: Market) -> bool:
    """PRICE_FILTER, for limit and stop prices."""
    return price_e8 % market.tick_size_e8 == 0 and market.min_price_e8 <= price_e8 <= (market.max_price_e8 or MAX_E8)


def fits_lot(quantity_e8: int, market: Market) -> bool:
    """LOT_SIZE, for quantities and the visible parts of icebergs."""
    return quantity_e8 % market.step_size_e8 == 0 and (market.min_quantity_e8 or 1) <= quantity_e8 <= (
        market.max_quantity_e8 or MAX_E8
    )


def fits_market_lot(quantity_e8: int, market: Market) -> bool:
    """MARKET_LOT_SIZE, besides LOT_SIZE for orders without a price."""
    if market.market_step_size_e8 and quantity_e8 % market.market_step_size_e8:
        return False
    return market.min_market_quantity_e8 <= quantity_e8 <= (market.max_market_quantity_e8 or MAX_E8)


def fits_notional(amount_e8: int, market: Market) -> bool:
    """NOTIONAL. Without a maximum, an order must still not be able to trade for more than can be counted."""
    return market.min_notional_e8 <= amount_e8 <= (market.max_notional_e8 or MAX_E8)


def fits_market_notional(amount_e8: int, market: Market) -> bool:
    """NOTIONAL for orders without a price; not asked before the first trade, when ``amount_e8`` is 0."""
    low = market.min_notional_e8 if market.apply_min_notional_to_market else 0
    high = market.max_notional_e8 if market.apply_max_notional_to_market else 0
    return not amount_e8 or not outside(amount_e8, low, high)


def fitting_quantity(quantity_e8: int, market: Market, *, priceless: bool) -> int:
    """The largest quantity up to this one that is on the grid and within the maximum of such orders."""
    step_e8, most_e8 = market.step_size_e8, market.max_quantity_e8 or MAX_E8
    if priceless:
        step_e8 = market.market_step_size_e8 or step_e8
        most_e8 = min(most_e8, market.max_market_quantity_e8 or MAX_E8)
    quantity_e8 = min(quantity_e8, most_e8)
    return quantity_e8 - quantity_e8 % step_e8


def iceberg_parts(command: PlaceOrder, market: Market) -> Refusal | None:
    parts = -(-command.quantity_e8 // command.iceberg_e8)
    return Refusal.ICEBERG_PARTS if market.max_iceberg_parts and parts > market.max_iceberg_parts else None


def trailing_delta(command: PlaceOrder, market: Market) -> Refusal | None:
    if waits_for_rise(command.side, command.type):
        low, high = market.min_trailing_above_delta, market.max_trailing_above_delta
    else:
        low, high = market.min_trailing_below_delta, market.max_trailing_below_delta
    return Refusal.TRAILING_DELTA if outside(command.trailing_delta, low, high) else None


def percent_price(price_e8: int, side: Side, listing: Listing, now_us: int) -> Refusal | None:
    """How far a price may lie from the reference; not asked before the first trade."""
    market = listing.market
    low_e8, high_e8 = market.multiplier_down_e8, market.multiplier_up_e8
    if side is _BUY:
        side_low_e8, side_high_e8 = market.bid_multiplier_down_e8, market.bid_multiplier_up_e8
    else:
        side_low_e8, side_high_e8 = market.ask_multiplier_down_e8, market.ask_multiplier_up_e8
    if not (low_e8 or high_e8 or side_low_e8 or side_high_e8):
        return None
    reference_e8 = listing.reference_price_e8(now_us)
    if not reference_e8:
        return None
    scaled = price_e8 * ONE_E8
    if scaled < reference_e8 * low_e8 or (high_e8 and scaled > reference_e8 * high_e8):
        return Refusal.PERCENT_PRICE
    if scaled < reference_e8 * side_low_e8 or (side_high_e8 and scaled > reference_e8 * side_high_e8):
        return Refusal.PERCENT_PRICE_BY_SIDE
    return None


def max_position(command: PlaceOrder, quantity_e8: int, listing: Listing, accounts: Accounts) -> Refusal | None:
    """What the account has, could get from its open buys, and would get from this one."""
    limit = listing.market.max_position_e8
    if command.side is Side.SELL:
        return None
    held = accounts.total(command.account_id, listing.market.base_asset)
    buying = sum(
        order.remaining_e8 for order in listing.open_orders(command.account_id).orders.values() if order.side is _BUY
    )
    return Refusal.MAX_POSITION if held + buying + quantity_e8 > limit else None


def max_asset(quantity_e8: int, price_e8: int, market: Market, venue: Venue) -> Refusal | None:
    """MAX_ASSET: what a single order may give or take of an asset."""
    for asset, limit in venue.max_order_amounts_e8:
        if asset == market.base_asset and quantity_e8 > limit:
            return Refusal.MAX_ASSET
        if asset == market.quote_asset and notional_exact(price_e8, quantity_e8) > limit:
            return Refusal.MAX_ASSET
    return None


def order_counts(
    account_id: int,
    new: int,
    new_algo: int,
    new_iceberg: int,
    listing: Listing,
    listings: dict[str, Listing],
    venue: Venue,
) -> Refusal | None:
    """Would so many new orders be more than one account may have open, here and in all markets?"""
    market = listing.market
    here = listing.open_orders(account_id)
    if len(here.orders) + new > market.max_open_orders:
        return Refusal.MAX_NUM_ORDERS
    if new_algo and market.max_algo_orders and here.algo_count + new_algo > market.max_algo_orders:
        return Refusal.MAX_NUM_ALGO_ORDERS
    if new_iceberg and market.max_iceberg_orders and here.iceberg_count + new_iceberg > market.max_iceberg_orders:
        return Refusal.MAX_NUM_ICEBERG_ORDERS
    if not (venue.max_open_orders or venue.max_algo_orders or venue.max_iceberg_orders):
        return None
    return _venue_counts(account_id, new, new_algo, new_iceberg, listings, venue)


def _venue_counts(
    account_id: int, new: int, new_algo: int, new_iceberg: int, listings: dict[str, Listing], venue: Venue
) -> Refusal | None:
    everywhere = list(_everywhere(account_id, listings))
    if venue.max_open_orders and sum(len(open_.orders) for open_ in everywhere) + new > venue.max_open_orders:
        return Refusal.EXCHANGE_MAX_NUM_ORDERS
    if venue.max_algo_orders and sum(open_.algo_count for open_ in everywhere) + new_algo > venue.max_algo_orders:
        return Refusal.EXCHANGE_MAX_NUM_ALGO_ORDERS
    icebergs = sum(open_.iceberg_count for open_ in everywhere) + new_iceberg
    if venue.max_iceberg_orders and icebergs > venue.max_iceberg_orders:
        return Refusal.EXCHANGE_MAX_NUM_ICEBERG_ORDERS
    return None


def list_counts(account_id: int, listing: Listing, listings: dict[str, Listing], venue: Venue) -> Refusal | None:
    limit = listing.market.max_order_lists
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
