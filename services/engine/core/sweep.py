"""Sweeps: what an order would get from the other side of the book, and for how much, before anything happens.

Self-trade prevention takes one's own orders out of reach, so where there may be any, a level is gone through as a match
would, slice by slice of its icebergs; else a sweep costs one step per price level.
"""

from collections import deque
from collections.abc import Iterator

from services.domain.money import notional_exact
from services.domain.orders import SelfTradePrevention, Side
from services.engine.core.accounts import Accounts
from services.engine.core.book import Level, Order
from services.engine.core.listing import Listing

_STOPS_AT_OWN = frozenset({SelfTradePrevention.EXPIRE_TAKER, SelfTradePrevention.EXPIRE_BOTH})


class Sweep:
    """What would be traded, and what of the quote asset that takes. ``short_e8`` was wanted and is not in reach."""

    __slots__ = ("quantity_e8", "quote_e8", "short_e8")

    def __init__(self, quantity_e8: int, quote_e8: int, short_e8: int) -> None:
        self.quantity_e8 = quantity_e8
        self.quote_e8 = quote_e8
        self.short_e8 = short_e8


class Offer:
    """A quantity at a price. An own one is not traded but counts against what the taker wants.

    It is paid for all the same if self-trade prevention transfers it from another account of the group.
    """

    __slots__ = ("is_own", "is_paid", "price_e8", "quantity_e8")

    def __init__(self, price_e8: int, quantity_e8: int, *, is_own: bool = False, is_paid: bool = True) -> None:
        self.price_e8 = price_e8
        self.quantity_e8 = quantity_e8
        self.is_own = is_own
        self.is_paid = is_paid


def sweep_for_quantity(
    listing: Listing,
    accounts: Accounts,
    account_id: int,
    side: Side,
    prevention: SelfTradePrevention,
    quantity_e8: int,
    limit_e8: int,
) -> Sweep:
    """How much of ``quantity_e8`` is in reach within the limit, and for how much quote."""
    wanted, taken, cost = quantity_e8, 0, 0
    for offer in _offers(listing, accounts, account_id, side, prevention, limit_e8):
        part = min(wanted, offer.quantity_e8)
        wanted -= part
        if not offer.is_own:
            taken += part
        if offer.is_paid:
            cost += notional_exact(offer.price_e8, part)
        if not wanted:
            break
    return Sweep(taken, cost, quantity_e8 - taken)


def sweep_for_quote(
    listing: Listing,
    accounts: Accounts,
    account_id: int,
    side: Side,
    prevention: SelfTradePrevention,
    quote_e8: int,
) -> Sweep:
    """The largest quantity, in whole steps, whose cost or yield stays within ``quote_e8``.

    When the book is too thin, what the rest of the amount would be at its last price is short.
    """
    step_e8 = listing.rules.step_size_e8
    parts: list[tuple[int, int]] = []
    cost = short = 0
    for offer in _offers(listing, accounts, account_id, side, prevention, 0):
        if not offer.is_paid:
            continue
        steps = (quote_e8 - cost) // notional_exact(offer.price_e8, step_e8)
        part = min(steps * step_e8, offer.quantity_e8)
        parts.append((offer.price_e8, part))
        cost += notional_exact(offer.price_e8, part)
        short = steps * step_e8 - part
        if part < offer.quantity_e8:
            break
    return _in_market_steps(parts, short, listing.rules.market_step_size_e8)


def _in_market_steps(parts: list[tuple[int, int]], short_e8: int, step_e8: int) -> Sweep:
    """Give up, from the worst end, what exceeds a whole number of steps."""
    excess = (sum(part for _, part in parts) + short_e8) % step_e8
    given_up = min(excess, short_e8)
    taken = cost = 0
    excess -= given_up
    for price, part in reversed(parts):
        kept = max(0, part - excess)
        excess -= part - kept
        taken += kept
        cost += notional_exact(price, kept)
    return Sweep(taken, cost, short_e8 - given_up)


def _offers(
    listing: Listing,
    accounts: Accounts,
    account_id: int,
    side: Side,
    prevention: SelfTradePrevention,
    limit_e8: int,
) -> Iterator[Offer]:
    opposite = listing.book.opposite_side(side)
    look_closely = prevention is not SelfTradePrevention.NONE and (
        account_id in listing.open_by_account or accounts.trade_group(account_id) != 0
    )
    for level in opposite.best_first():
        if not opposite.crosses(level, limit_e8):
            return
        if not look_closely or not _holds_own(level, account_id, accounts):
            yield Offer(level.price_e8, level.quantity_e8)
            continue
        for order, quantity_e8 in _slices(level):
            if not accounts.same_owner(account_id, order.account_id):
                yield Offer(level.price_e8, quantity_e8)
            elif prevention in _STOPS_AT_OWN:
                return
            elif prevention is not SelfTradePrevention.EXPIRE_MAKER:
                transfers = prevention is order.self_trade_prevention is SelfTradePrevention.TRANSFER
                is_paid = transfers and account_id != order.account_id
                yield Offer(level.price_e8, quantity_e8, is_own=True, is_paid=is_paid)


def _holds_own(level: Level, account_id: int, accounts: Accounts) -> bool:
    order = level.head
    while order is not None:
        if accounts.same_owner(account_id, order.account_id):
            return True
        order = order.next
    return False


def _slices(level: Level) -> Iterator[tuple[Order, int]]:
    """What the orders of a level show, and again what icebergs show after that, in the order in which it trades."""
    queue = deque((order, order.remaining_e8, order.remaining_e8 - order.hidden_e8) for order in level.orders())
    while queue:
        order, left_e8, shown_e8 = queue.popleft()
        yield order, shown_e8
        left_e8 -= shown_e8
        if left_e8:
            assert order.special is not None, "only an iceberg hides anything"
            queue.append((order, left_e8, min(left_e8, order.special.iceberg_e8)))
