"""A snapshot: the whole state of an exchange as plain values, and its hash.

``restore(capture(exchange))`` gives an exchange that answers every later command with the same events. Orders on the
book are listed best price first and oldest first, stops and lists in the order in which they wait, so that adding those
of a price back in order restores their priority; everything without an order of its own is sorted, so equal states have
equal bytes and equal hashes.
"""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import groupby

import msgspec

from services.domain.commands import HoldWithdrawal, ListKind, SetAccountTerms
from services.domain.market import Market, MarketStatus, Venue
from services.domain.orders import OrderState, OrderStatus
from services.domain.standing import VenueStatus
from services.engine.core.accounts import Accounts, Balance
from services.engine.core.book import Order, PriceLevels
from services.engine.core.exchange import Exchange
from services.engine.core.listing import Listing
from services.engine.core.order_lists import OrderList
from services.engine.core.transfers import Moved


class OpenOrder(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An open order with what its public state does not say."""

    state: OrderState
    reserved_e8: int
    hidden_e8: int
    limit_e8: int
    extreme_e8: int


class ListSnapshot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """``legs`` are all orders of the list, those that have ended included."""

    order_list_id: int
    account_id: int
    client_order_list_id: str
    kind: ListKind
    legs: list[OpenOrder]


class ListingSnapshot(msgspec.Struct, frozen=True, array_like=True):
    """``average`` are the buckets of the average price; orders that wait for another are found in ``lists``.

    Journals from before there was ``from_file`` have commanded every market.
    """

    market: Market
    status: MarketStatus
    update_id: int
    last_price_e8: int
    last_trade_id: int
    last_prevented_match_id: int
    average: list[tuple[int, int, int]]
    bids: list[OpenOrder]
    asks: list[OpenOrder]
    stops: list[OpenOrder]
    lists: list[ListSnapshot]
    is_commanded: bool = True


class HeldBalance(msgspec.Struct, frozen=True, array_like=True, gc=False):
    account_id: int
    asset: str
    free_e8: int
    locked_e8: int
    withdrawing_e8: int = 0


class DoneTransfer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """See ``Moved``."""

    reference: str
    account_id: int
    asset: str
    signed_e8: int
    kind: str = ""
    detail: int = 0


class ExchangeSnapshot(msgspec.Struct, frozen=True, array_like=True):
    """New fields are appended with a default, here as above: old snapshots stay readable."""

    now_us: int
    last_order_id: int
    last_order_list_id: int
    last_execution_id: int
    venue: Venue
    terms: list[SetAccountTerms]
    balances: list[HeldBalance]
    supply: list[tuple[str, int]]
    transfers: list[DoneTransfer]
    listings: list[ListingSnapshot]
    holds: list[HoldWithdrawal] = []
    frozen: list[int] = []
    venue_status: VenueStatus = VenueStatus.OPEN


def capture(exchange: Exchange) -> ExchangeSnapshot:
    accounts = exchange.accounts
    return ExchangeSnapshot(
        exchange.now_us,
        exchange.last_order_id,
        exchange.last_order_list_id,
        exchange.last_execution_id,
        exchange.venue,
        [accounts.terms[account_id] for account_id in sorted(accounts.terms)],
        _capture_balances(accounts),
        sorted(accounts.supply.items()),
        [DoneTransfer(reference, *moved) for reference, moved in exchange.transfers.window.items()],
        [_capture_listing(exchange.listings[symbol]) for symbol in sorted(exchange.listings)],
        [held for _, held in sorted(exchange.transfers.holds.items())],
        sorted(accounts.frozen),
        exchange.venue_status,
    )


def restore(snapshot: ExchangeSnapshot) -> Exchange:
    exchange = Exchange()
    exchange.now_us = snapshot.now_us
    exchange.last_order_id = snapshot.last_order_id
    exchange.last_order_list_id = snapshot.last_order_list_id
    exchange.last_execution_id = snapshot.last_execution_id
    exchange.venue = snapshot.venue
    exchange.venue_status = snapshot.venue_status
    exchange.accounts.terms.update((terms.account_id, terms) for terms in snapshot.terms)
    for held in snapshot.balances:
        exchange.accounts.balances.setdefault(held.account_id, {})[held.asset] = Balance(
            held.account_id, held.asset, held.free_e8, held.locked_e8, held.withdrawing_e8
        )
    exchange.accounts.supply.update(snapshot.supply)
    exchange.accounts.frozen.update(snapshot.frozen)
    for done in snapshot.transfers:
        exchange.transfers.window[done.reference] = Moved(
            done.account_id, done.asset, done.signed_e8, done.kind, done.detail
        )
    for hold in snapshot.holds:
        exchange.transfers.add_hold(hold)
    for listed in snapshot.listings:
        _restore_listing(exchange, listed)
    return exchange


def state_hash(snapshot: ExchangeSnapshot) -> bytes:
    """SHA-256 over the canonical bytes of the state."""
    return hashlib.sha256(msgspec.msgpack.encode(snapshot)).digest()


def _capture_balances(accounts: Accounts) -> list[HeldBalance]:
    held = sorted(
        (account_id, asset, balance.free_e8, balance.locked_e8, balance.withdrawing_e8)
        for account_id, balances in accounts.balances.items()
        for asset, balance in balances.items()
    )
    return [HeldBalance(*balance) for balance in held]


def _capture_listing(listing: Listing) -> ListingSnapshot:
    return ListingSnapshot(
        listing.market,
        listing.status,
        listing.book.update_id,
        listing.last_price_e8,
        listing.last_trade_id,
        listing.last_prevented_match_id,
        listing.average_price.buckets(),
        _capture_orders(_in_order(listing.book.bids)),
        _capture_orders(_in_order(listing.book.asks)),
        _capture_orders(listing.triggers.orders()),
        [
            ListSnapshot(
                tied.order_list_id,
                tied.account_id,
                tied.client_order_list_id,
                tied.kind,
                _capture_orders(tied.legs),
            )
            for tied in listing.lists.values()
        ],
        listing.is_commanded,
    )


def _in_order(levels: PriceLevels) -> Iterable[Order]:
    for level in levels.best_first():
        yield from level.orders()


def _capture_orders(orders: Iterable[Order]) -> list[OpenOrder]:
    return [
        OpenOrder(
            order.state(),
            order.reserved_e8,
            order.hidden_e8,
            order.limit_e8,
            0 if order.special is None else order.special.extreme_e8,
        )
        for order in orders
    ]


def _restore_order(captured: OpenOrder) -> Order:
    state = captured.state
    order = Order(
        state.order_id,
        state.account_id,
        state.symbol,
        state.client_order_id,
        state.side,
        state.type,
        state.time_in_force,
        state.price_e8,
        state.quantity_e8,
        state.quote_quantity_e8,
        state.created_us,
        state.self_trade_prevention,
        state.details,
    )
    prevented_e8 = 0 if state.details is None else state.details.prevented_e8
    order.executed_e8 = state.executed_e8
    order.executed_quote_e8 = state.executed_quote_e8
    order.remaining_e8 = state.quantity_e8 - state.executed_e8 - prevented_e8
    order.status = state.status
    order.updated_us = state.updated_us
    order.working_us = state.working_us
    order.expiry_reason = state.expiry_reason
    order.reserved_e8 = captured.reserved_e8
    order.hidden_e8 = captured.hidden_e8
    order.limit_e8 = captured.limit_e8
    if order.special is not None:
        order.special.extreme_e8 = captured.extreme_e8
    return order


def _restore_listing(exchange: Exchange, listed: ListingSnapshot) -> None:
    listing = exchange.list_market(listed.market)
    listing.set_status(listed.status, exchange.venue_status)
    listing.is_commanded = listed.is_commanded
    listing.book.update_id = listed.update_id
    listing.last_price_e8 = listed.last_price_e8
    listing.last_trade_id = listed.last_trade_id
    listing.last_prevented_match_id = listed.last_prevented_match_id
    for second, quantity_e8, quote_e8 in listed.average:
        listing.average_price.add(second, quantity_e8, quote_e8)
    for levels, orders in ((listing.book.bids, listed.bids), (listing.book.asks, listed.asks)):
        for captured in _worst_level_first(orders):
            order = _open(exchange, listing, captured)
            levels.add(order, order.limit_e8)
            # A new level is looked for among all that are touched: they must not become many.
            levels.forget_changes()
    for captured in listed.stops:
        listing.triggers.add(_open(exchange, listing, captured))
    for captured_list in listed.lists:
        _restore_list(exchange, listing, captured_list)
    listing.forget_changes()


def _worst_level_first(orders: list[OpenOrder]) -> Iterator[OpenOrder]:
    """As levels are kept, so that none that is put before others moves them all; within a level the oldest first."""
    levels = [list(level) for _, level in groupby(orders, _limit_e8_of)]
    for level in reversed(levels):
        yield from level


def _limit_e8_of(captured: OpenOrder) -> int:
    return captured.limit_e8


def _open(exchange: Exchange, listing: Listing, captured: OpenOrder) -> Order:
    order = _restore_order(captured)
    exchange.orders[order.order_id] = order
    listing.index(order)
    return order


def _restore_list(exchange: Exchange, listing: Listing, captured: ListSnapshot) -> None:
    """Tie the orders that are open already, bring back those that are pending, and remember those that have ended."""
    tied = OrderList(
        captured.order_list_id,
        captured.account_id,
        listing.market.symbol,
        captured.client_order_list_id,
        captured.kind,
    )
    for leg in captured.legs:
        if leg.state.status is OrderStatus.PENDING_NEW:
            order = _open(exchange, listing, leg)
        else:
            order = exchange.orders.get(leg.state.order_id) or _restore_order(leg)
        order.be_special().order_list = tied
        tied.legs.append(order)
    listing.lists[tied.order_list_id] = tied
