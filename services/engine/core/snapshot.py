"""A snapshot: the whole state of an exchange as plain values, and its hash.

``restore(capture(exchange))`` gives an exchange that answers every later command with the same events. Resting orders
are listed best price first and oldest first, so that adding them back in order restores their priority; everything
without an order of its own is sorted, so equal states have equal bytes and equal hashes.
"""

import hashlib

import msgspec

from services.domain.market import Market
from services.domain.orders import OrderState
from services.engine.core.accounts import Balance
from services.engine.core.book import BookSide, Order
from services.engine.core.exchange import Exchange
from services.engine.core.listing import Listing


class RestingOrder(msgspec.Struct, frozen=True, array_like=True, gc=False):
    state: OrderState
    reserved_e8: int


class ListingSnapshot(msgspec.Struct, frozen=True, array_like=True):
    market: Market
    update_id: int
    last_price_e8: int
    last_trade_id: int
    bids: list[RestingOrder]
    asks: list[RestingOrder]


class ExchangeSnapshot(msgspec.Struct, frozen=True, array_like=True):
    """Balances are (account, asset, free, locked), transfers (reference, account, asset, signed amount)."""

    now_us: int
    last_order_id: int
    balances: list[tuple[int, str, int, int]]
    supply: list[tuple[str, int]]
    transfers: list[tuple[str, int, str, int]]
    listings: list[ListingSnapshot]


def capture(exchange: Exchange) -> ExchangeSnapshot:
    return ExchangeSnapshot(
        exchange.now_us,
        exchange.last_order_id,
        sorted(
            (account_id, asset, balance.free_e8, balance.locked_e8)
            for account_id, balances in exchange.accounts.balances.items()
            for asset, balance in balances.items()
        ),
        sorted(exchange.accounts.supply.items()),
        [(reference, *transfer) for reference, transfer in exchange.transfers.items()],
        [_capture_listing(exchange.listings[symbol]) for symbol in sorted(exchange.listings)],
    )


def restore(snapshot: ExchangeSnapshot) -> Exchange:
    exchange = Exchange()
    exchange.now_us = snapshot.now_us
    exchange.last_order_id = snapshot.last_order_id
    for account_id, asset, free_e8, locked_e8 in snapshot.balances:
        exchange.accounts.balances.setdefault(account_id, {})[asset] = Balance(free_e8, locked_e8)
    exchange.accounts.supply.update(snapshot.supply)
    for reference, account_id, asset, signed_e8 in snapshot.transfers:
        exchange.transfers[reference] = (account_id, asset, signed_e8)
    for listed in snapshot.listings:
        _restore_listing(exchange, listed)
    return exchange


def state_hash(snapshot: ExchangeSnapshot) -> bytes:
    """SHA-256 over the canonical bytes of the state."""
    return hashlib.sha256(msgspec.msgpack.encode(snapshot)).digest()


def _capture_listing(listing: Listing) -> ListingSnapshot:
    return ListingSnapshot(
        listing.market,
        listing.book.update_id,
        listing.last_price_e8,
        listing.last_trade_id,
        _capture_side(listing.book.bids),
        _capture_side(listing.book.asks),
    )


def _capture_side(side: BookSide) -> list[RestingOrder]:
    return [RestingOrder(order.state(), order.reserved_e8) for level in side.best_first() for order in level.orders()]


def _restore_listing(exchange: Exchange, listed: ListingSnapshot) -> None:
    market = listed.market
    listing = Listing(
        market,
        update_id=listed.update_id,
        last_price_e8=listed.last_price_e8,
        last_trade_id=listed.last_trade_id,
    )
    exchange.listings[market.symbol] = listing
    exchange.assets.update((market.base_asset, market.quote_asset))
    for resting in (*listed.bids, *listed.asks):
        order = Order(resting.state, resting.reserved_e8)
        exchange.orders[order.order_id] = order
        listing.rest(order)
    listing.forget_changes()
