"""What must hold in the core after every command (docs: the five promises), checked from its state alone."""

from collections import Counter
from collections.abc import Iterator, Sequence

from services.domain.events import BalanceChanged, BookChanged, Event
from services.domain.money import MAX_E8
from services.domain.orders import OPEN_STATUSES, Side
from services.engine.core.book import BookSide, Level, Order
from services.engine.core.exchange import Exchange
from services.engine.core.listing import Listing


def check_exchange(exchange: Exchange) -> None:
    check_money(exchange)
    for listing in exchange.listings.values():
        check_book(listing)
        check_indexes(exchange, listing)
    on_books = sum(1 for listing in exchange.listings.values() for _ in resting_orders(listing))
    assert len(exchange.orders) == on_books, "every open order is on a book, and nothing else is"


def check_money(exchange: Exchange) -> None:
    """Money is conserved, no amount is negative, and what is locked is what open orders reserve."""
    sums: Counter[str] = Counter()
    locked: Counter[tuple[int, str]] = Counter()
    for listing in exchange.listings.values():
        for order in resting_orders(listing):
            assert order.reserved_e8 == reservation(order), f"an order reserves what it may cost: {order.state()}"
            locked[order.account_id, listing.paying_asset(order.side)] += order.reserved_e8
    for account_id, balances in exchange.accounts.balances.items():
        for asset, balance in balances.items():
            assert 0 <= balance.free_e8 <= MAX_E8, f"free is an amount: {account_id} {asset}"
            reserved = locked.pop((account_id, asset), 0)
            assert balance.locked_e8 == reserved <= MAX_E8, f"locked is what orders reserve: {account_id} {asset}"
            sums[asset] += balance.free_e8 + balance.locked_e8
    assert not locked, "an order reserves money its owner does not have"
    assert sums == Counter(exchange.accounts.supply), "money is conserved"
    assert exchange.accounts.imbalances() == {}
    assert exchange.accounts.changes() == [], "a command leaves no balance change behind for the next one"


def reservation(order: Order) -> int:
    """A resting buy holds the price of what is left, a resting sell what is left."""
    if order.side is Side.SELL:
        return order.remaining_e8
    cost, remainder = divmod(order.price_e8 * order.remaining_e8, 10**8)
    assert remainder == 0
    return cost


def check_book(listing: Listing) -> None:
    book = listing.book
    check_side(book.bids, Side.BUY)
    check_side(book.asks, Side.SELL)
    best_bid, best_ask = book.bids.best(), book.asks.best()
    if best_bid is not None and best_ask is not None:
        assert best_bid.price_e8 < best_ask.price_e8, "the book is crossed"


def check_side(side: BookSide, name: Side) -> None:
    levels = list(side.best_first())
    prices = [level.price_e8 for level in levels]
    assert prices == sorted(set(prices), reverse=name is Side.BUY), "levels run from best to worst, each price once"
    assert side.best() is (levels[0] if levels else None)
    assert {level.price_e8: level for level in levels} == side.levels, "every level has its place"
    assert side.depth(3) == [(level.price_e8, level.quantity_e8) for level in levels][:3], (
        "the depth is the best levels"
    )
    assert not side.touched, "a command leaves no level change behind for the next one"
    for level in levels:
        check_level(level, name)


def check_level(level: Level, side: Side) -> None:
    orders = list(level.orders())
    assert orders, "an empty level is gone"
    assert level.quantity_e8 == sum(order.remaining_e8 for order in orders), (
        "a level's total is what its orders have left"
    )
    assert level.quantity_e8 <= MAX_E8, "a level's total can be stored"
    assert (level.head, level.tail) == (orders[0], orders[-1]), "a level knows both ends"
    assert [order.previous for order in orders] == [None, *orders[:-1]], "links lead back as they lead forth"
    order_ids = [order.order_id for order in orders]
    assert order_ids == sorted(order_ids), "first come, first served"
    for order in orders:
        check_resting(order, level, side)


def check_resting(order: Order, level: Level, side: Side) -> None:
    assert (order.level, order.side, order.price_e8) == (level, side, level.price_e8), "an order knows where it rests"
    assert order.status in OPEN_STATUSES, "only open orders rest"
    assert 0 < order.remaining_e8 == order.quantity_e8 - order.executed_e8, "an order rests with what is left of it"


def check_indexes(exchange: Exchange, listing: Listing) -> None:
    """Each index holds exactly the orders on the book."""
    by_client_order_id: dict[tuple[int, str], Order] = {}
    open_by_account: dict[int, dict[int, Order]] = {}
    for order in resting_orders(listing):
        assert exchange.orders.get(order.order_id) is order, "every resting order can be found by its id"
        assert order.symbol == listing.market.symbol, "an order rests in its own market"
        assert 0 < order.order_id <= exchange.last_order_id, "ids count up"
        by_client_order_id[order.account_id, order.client_order_id] = order
        open_by_account.setdefault(order.account_id, {})[order.order_id] = order
    assert listing.by_client_order_id == by_client_order_id, "every resting order can be found by its name"
    assert listing.open_by_account == open_by_account, "every resting order can be found by its owner"


def resting_orders(listing: Listing) -> Iterator[Order]:
    for side in (listing.book.bids, listing.book.asks):
        for level in side.best_first():
            yield from level.orders()


def check_events(events: Sequence[Event]) -> None:
    """One command's events: what happened, then each balance once, then at most one book change."""
    ranks = [_rank(event) for event in events]
    assert ranks == sorted(ranks), "what happened comes first, then balances, then the book"
    assert ranks.count(2) <= 1, "a command changes one book, once"
    balances = [(event.account_id, event.asset) for event in events if isinstance(event, BalanceChanged)]
    assert len(balances) == len(set(balances)), "a balance is told once"


def _rank(event: Event) -> int:
    match event:
        case BookChanged():
            return 2
        case BalanceChanged():
            return 1
        case _:
            return 0
