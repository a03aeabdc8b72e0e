"""A listed market: its definition, its book, its stops, and the indexes of its open orders."""

from typing import Final

from services.domain.events import BookChanged
from services.domain.market import Market, MarketStatus
from services.domain.orders import CONTINGENT_TYPES, Side
from services.domain.standing import VenueStatus
from services.engine.core.average_price import AveragePrice
from services.engine.core.book import Book, Order
from services.engine.core.order_lists import OrderList
from services.engine.core.triggers import Triggers

# Looking up a member of an Enum costs as much as a call, so the hot ones are bound once.
_BUY: Final = Side.BUY


class OpenOrders:
    """One account's open orders in one market, and how many are of the kinds that filters count."""

    __slots__ = ("algo_count", "iceberg_count", "orders")

    def __init__(self) -> None:
        self.orders: dict[int, Order] = {}
        self.algo_count = 0
        self.iceberg_count = 0

    def count(self, order: Order, by: int) -> None:
        assert order.special is not None, "a plain order is only counted as an order"
        self.algo_count += by * (order.type in CONTINGENT_TYPES)
        self.iceberg_count += by * (order.special.iceberg_e8 > 0)


class Listing:
    """Client order ids are unique among the open orders of one account in one market, and so are list ids.

    ``takes_orders`` is what its own status and the venue's come to. ``is_commanded`` says that its definition is not
    the market file's.
    """

    __slots__ = (
        "average_price",
        "book",
        "by_client_order_id",
        "is_commanded",
        "last_prevented_match_id",
        "last_price_e8",
        "last_trade_id",
        "lists",
        "market",
        "open_by_account",
        "status",
        "takes_orders",
        "triggers",
    )

    def __init__(self, market: Market) -> None:
        self.market = market
        self.is_commanded = False
        self.set_status(market.status, VenueStatus.OPEN)
        self.book = Book()
        self.triggers = Triggers()
        self.average_price = AveragePrice()
        self.last_price_e8 = 0
        self.last_trade_id = 0
        self.last_prevented_match_id = 0
        self.by_client_order_id: dict[tuple[int, str], Order] = {}
        self.open_by_account: dict[int, OpenOrders] = {}
        self.lists: dict[int, OrderList] = {}

    def set_status(self, status: MarketStatus, venue_status: VenueStatus) -> None:
        self.status = status
        self.takes_orders = status is MarketStatus.TRADING and venue_status is VenueStatus.OPEN

    def paying_asset(self, side: Side) -> str:
        return self.market.quote_asset if side is _BUY else self.market.base_asset

    def reference_price_e8(self, now_us: int) -> int:
        """What filters compare with: the average of the market's window, else the last price, 0 if it never traded."""
        minutes = self.market.average_minutes
        average = self.average_price.price_e8(now_us, minutes) if minutes else 0
        return average or self.last_price_e8

    def open_orders(self, account_id: int) -> OpenOrders:
        return self.open_by_account.get(account_id) or _NO_ORDERS

    def index(self, order: Order) -> None:
        """Count the order among its owner's open ones."""
        self.by_client_order_id[order.account_id, order.client_order_id] = order
        orders = self.open_by_account.get(order.account_id)
        if orders is None:
            orders = self.open_by_account[order.account_id] = OpenOrders()
        orders.orders[order.order_id] = order
        if order.special is not None:
            orders.count(order, 1)

    def forget(self, order: Order) -> None:
        """The order is no longer open."""
        del self.by_client_order_id[order.account_id, order.client_order_id]
        orders = self.open_by_account[order.account_id]
        del orders.orders[order.order_id]
        if order.special is not None:
            orders.count(order, -1)
        if not orders.orders:
            del self.open_by_account[order.account_id]

    def rename(self, order: Order, client_order_id: str) -> None:
        del self.by_client_order_id[order.account_id, order.client_order_id]
        order.client_order_id = client_order_id
        self.by_client_order_id[order.account_id, client_order_id] = order

    def book_change(self) -> BookChanged | None:
        """What the current command did to the book, under a new update id."""
        book = self.book
        bids = book.bids.changed_levels() if book.bids.touched else ()
        asks = book.asks.changed_levels() if book.asks.touched else ()
        if not bids and not asks:
            return None
        book.update_id += 1
        return BookChanged(self.market.symbol, book.update_id, bids, asks)

    def forget_changes(self) -> None:
        """After a restore, what was put on the book is not news."""
        self.book.bids.touched.clear()
        self.book.asks.touched.clear()


_NO_ORDERS = OpenOrders()
