"""What must hold in the core after every command (docs: the five promises), checked from its state alone."""

from collections import Counter
from collections.abc import Iterator, Sequence

from services.domain.events import BalanceChanged, BookChanged, Event
from services.domain.market import MarketStatus
from services.domain.money import MAX_E8
from services.domain.orders import CONTINGENT_TYPES, OPEN_STATUSES, PRICELESS_TYPES, OrderStatus, Side
from services.domain.standing import VenueStatus
from services.engine.core.book import Level, Order, PriceLevels
from services.engine.core.exchange import Exchange
from services.engine.core.listing import Listing
from services.engine.core.order_lists import OrderList


def check_exchange(exchange: Exchange) -> None:
    check_money(exchange)
    check_standing(exchange)
    for listing in exchange.listings.values():
        check_book(listing)
        check_waiting(listing)
        check_lists(listing)
        check_indexes(exchange, listing)
    somewhere = sum(1 for listing in exchange.listings.values() for _ in open_orders(listing))
    assert len(exchange.orders) == somewhere, "every open order is on a book or waits, and nothing else is"


def check_money(exchange: Exchange) -> None:
    """Money is conserved, no amount is negative, and what is locked is what open orders reserve."""
    sums: Counter[str] = Counter()
    locked: Counter[tuple[int, str]] = Counter()
    for listing in exchange.listings.values():
        for order in open_orders(listing):
            check_reservation(order)
            if order.reserved_e8:
                locked[order.account_id, listing.paying_asset(order.side)] += order.reserved_e8
    withdrawing: Counter[tuple[int, str]] = Counter()
    for hold in exchange.transfers.holds.values():
        withdrawing[hold.account_id, hold.asset] += hold.amount_e8 + hold.fee_e8
    for account_id, balances in exchange.accounts.balances.items():
        for asset, balance in balances.items():
            assert 0 <= balance.free_e8 <= MAX_E8, f"free is an amount: {account_id} {asset}"
            reserved = locked.pop((account_id, asset), 0)
            assert balance.locked_e8 == reserved <= MAX_E8, f"locked is what orders reserve: {account_id} {asset}"
            held = withdrawing.pop((account_id, asset), 0)
            assert balance.withdrawing_e8 == held <= MAX_E8, f"withdrawing is what is held: {account_id} {asset}"
            sums[asset] += balance.free_e8 + balance.locked_e8 + balance.withdrawing_e8
    assert not withdrawing, "a withdrawal holds money its owner does not have"
    assert not locked, "an order reserves money its owner does not have"
    assert sums == Counter(exchange.accounts.supply), "money is conserved"
    assert exchange.accounts.imbalances() == {}
    changes: list[Event] = []
    exchange.accounts.tell_changes(changes)
    assert changes == [], "a command leaves no balance change behind for the next one"


def check_standing(exchange: Exchange) -> None:
    """A frozen account has nothing open, and a market takes orders if it and the venue may."""
    is_open = exchange.venue_status is VenueStatus.OPEN
    for listing in exchange.listings.values():
        assert not exchange.accounts.frozen & listing.open_by_account.keys(), "a frozen account has no open orders"
        assert listing.takes_orders == (is_open and listing.status is MarketStatus.TRADING)


def check_reservation(order: Order) -> None:
    """An order alone reserves what it may cost. Of a pair one holds enough for either, the other nothing."""
    told = f"an order reserves what it may cost: {order.state()}"
    tied = order.special.order_list if order.special is not None else None
    rival = tied.rival_of(order) if tied is not None else None
    if order.status is OrderStatus.PENDING_NEW:
        assert order.reserved_e8 == 0 or (tied is not None and tied.pays_pending), told
    elif rival is not None and rival.status in OPEN_STATUSES:
        assert min(order.reserved_e8, rival.reserved_e8) == 0, told
        held = max(order.reserved_e8, rival.reserved_e8)
        assert held >= reservation(order), told
        assert not has_lost(order), "a pair of which one has lost a part is a pair no more"
    elif order.limit_e8 or order.side is Side.SELL:
        assert order.reserved_e8 == reservation(order), told


def reservation(order: Order) -> int:
    """A buy holds the price of what is left, a sell what is left. A stop that buys at any price holds a guess."""
    if order.side is Side.SELL:
        return order.remaining_e8
    cost, remainder = divmod(order.limit_e8 * order.remaining_e8, 10**8)
    assert remainder == 0
    return cost


def has_lost(order: Order) -> bool:
    """Self-trade prevention took a part of it."""
    return order.special is not None and order.special.prevented_e8 > 0


def check_book(listing: Listing) -> None:
    book = listing.book
    check_side(book.bids, Side.BUY)
    check_side(book.asks, Side.SELL)
    best_bid, best_ask = book.bids.best(), book.asks.best()
    if best_bid is not None and best_ask is not None:
        assert best_bid.price_e8 < best_ask.price_e8, "the book is crossed"


def check_side(side: PriceLevels, name: Side) -> None:
    levels = check_levels(side, highest_first=name is Side.BUY)
    assert side.depth(3) == [(level.price_e8, level.quantity_e8 - level.hidden_e8) for level in levels][:3], (
        "the depth is the best levels"
    )
    assert not side.touched, "a command leaves no level change behind for the next one"
    for level in levels:
        assert level.quantity_e8 <= MAX_E8, "a level's total can be stored"
        for order in level.orders():
            check_resting(order, level, name)


def check_levels(side: PriceLevels, *, highest_first: bool) -> list[Level]:
    levels = list(side.best_first())
    prices = [level.price_e8 for level in levels]
    assert prices == sorted(set(prices), reverse=highest_first), "levels run from best to worst, each price once"
    assert side.best() is (levels[0] if levels else None)
    assert [side.nth_best(index) for index in range(len(levels) + 1)] == [*levels, None]
    assert {level.price_e8: level for level in levels} == side.levels, "every level has its place"
    for level in levels:
        check_level(level)
    return levels


def check_level(level: Level) -> None:
    orders = list(level.orders())
    assert orders, "an empty level is gone"
    assert level.quantity_e8 == sum(order.remaining_e8 for order in orders), (
        "a level's total is what its orders have left"
    )
    assert level.hidden_e8 == sum(order.hidden_e8 for order in orders), "a level hides what its orders hide"
    assert 0 <= level.hidden_e8 < level.quantity_e8, "some of a level is shown"
    assert (level.head, level.tail) == (orders[0], orders[-1]), "a level knows both ends"
    assert [order.previous for order in orders] == [None, *orders[:-1]], "links lead back as they lead forth"
    arrivals = [order.working_us for order in orders if not has_iceberg(order)]
    assert arrivals == sorted(arrivals), "first come, first served"
    assert all(order.level is level for order in orders), "an order knows where it waits"


def has_iceberg(order: Order) -> bool:
    return order.special is not None and order.special.iceberg_e8 > 0


def check_resting(order: Order, level: Level, side: Side) -> None:
    assert (order.side, order.limit_e8) == (side, level.price_e8), "an order knows where it rests"
    assert order.status in {OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED}, "only open orders rest"
    assert order.working_us > 0 and order.type not in PRICELESS_TYPES, "what rests takes part in trading"
    prevented = 0 if order.special is None else order.special.prevented_e8
    assert 0 < order.remaining_e8 == order.quantity_e8 - order.executed_e8 - prevented, (
        "an order rests with what is left of it"
    )
    if order.hidden_e8:
        assert order.special is not None
        shown = order.remaining_e8 - order.hidden_e8
        assert 0 < shown <= order.special.iceberg_e8, "an iceberg shows a part, and no more than it may"


def check_waiting(listing: Listing) -> None:
    """Stops wait where their trigger is; none waits behind the last price."""
    for order in listing.triggers.orders():
        assert order.status is OrderStatus.NEW and not order.working_us, "a waiting stop does not take part in trading"
        assert order.type in CONTINGENT_TYPES and order.executed_e8 == order.hidden_e8 == 0
        special = order.special
        assert special is not None
        assert (order.level is None) == (special.trailing_delta > 0)
        assert order.level is None or order.level.price_e8 == special.stop_price_e8
        assert (special.extreme_e8 > 0) == (special.trailing_us > 0), "a trailing stop that follows knows its extreme"
    check_levels(listing.triggers.rising, highest_first=False)
    check_levels(listing.triggers.falling, highest_first=True)
    nearest = [listing.triggers.rising.best(), listing.triggers.falling.best()]
    last = listing.last_price_e8
    for levels, level in zip((listing.triggers.rising, listing.triggers.falling), nearest, strict=True):
        assert level is None or not last or not levels.crosses(level, last), "a stop waits behind the last price"


def check_lists(listing: Listing) -> None:
    for list_id, tied in listing.lists.items():
        check_list(list_id, tied)


def check_list(list_id: int, tied: OrderList) -> None:
    assert tied.order_list_id == list_id and not tied.is_done(), "a list that is done is gone"
    for leg in tied.legs:
        assert leg.special is not None
        assert (leg.special.order_list, leg.special.order_list_id) == (tied, list_id), "an order knows its list"
    working = tied.working
    if working is not None:
        pending = [leg.status is OrderStatus.PENDING_NEW for leg in tied.dependents]
        assert all(pending) if working.status in OPEN_STATUSES else not any(pending), (
            "pending until the first is filled"
        )
    rivals = [leg for leg in tied.dependents if leg.status in OPEN_STATUSES]
    if len(rivals) > 1 and (working is None or working.status not in OPEN_STATUSES):
        assert all(leg.status is OrderStatus.NEW for leg in rivals), "of two rivals none has executed"
        assert any(leg.type in CONTINGENT_TYPES and not leg.working_us for leg in rivals), "one of two rivals waits"


def check_indexes(exchange: Exchange, listing: Listing) -> None:
    """Each index holds exactly the open orders."""
    open_by_account: dict[int, dict[str, Order]] = {}
    for order in open_orders(listing):
        assert exchange.orders.get(order.order_id) is order, "every open order can be found by its id"
        assert order.symbol == listing.market.symbol, "an order belongs to its own market"
        assert 0 < order.order_id <= exchange.last_order_id, "ids count up"
        named = open_by_account.setdefault(order.account_id, {}).setdefault(order.client_order_id, order)
        assert named is order, "the open orders of an account have different names"
    assert {account_id: own.by_name for account_id, own in listing.open_by_account.items()} == open_by_account, (
        "every open order can be found by its owner and its name"
    )
    for own in listing.open_by_account.values():
        orders = own.by_name.values()
        assert own.algo_count == sum(order.type in CONTINGENT_TYPES for order in orders)
        assert own.iceberg_count == sum(has_iceberg(order) for order in orders)


def open_orders(listing: Listing) -> Iterator[Order]:
    """Every open order from where it is: on the book, waiting for its trigger, or for another order of its list."""
    for side in (listing.book.bids, listing.book.asks):
        for level in side.best_first():
            yield from level.orders()
    yield from listing.triggers.orders()
    for tied in listing.lists.values():
        yield from (leg for leg in tied.legs if leg.status is OrderStatus.PENDING_NEW)


def check_events(events: Sequence[Event]) -> None:
    """One command's events: what happened, then each balance once, then each book that changed once."""
    ranks = [_rank(event) for event in events]
    assert ranks == sorted(ranks), "what happened comes first, then balances, then the book"
    books = [event.symbol for event in events if isinstance(event, BookChanged)]
    assert len(books) == len(set(books)), "a book is told once"
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
