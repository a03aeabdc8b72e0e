"""A listed market: its definition, its book, its stops, and the indexes of its open orders."""

from typing import Final

from services.domain.events import BookChanged
from services.domain.market import Market, MarketStatus
from services.domain.orders import CONTINGENT_TYPES, Side
from services.domain.standing import VenueStatus
from services.engine.core.average_price import AveragePrice
from services.engine.core.book import Book, Order
from services.engine.core.order_lists import OrderList
from services.engine.core.rules import PriceBand, Rules
from services.engine.core.triggers import Triggers

# Looking up a member of an Enum costs as much as a call, so the hot ones are bound once.
_BUY: Final = Side.BUY


class OpenOrders:
    """One account's open orders in one market by their client order ids, and how many are of kinds that are counted."""

    __slots__ = ("algo_count", "by_name", "iceberg_count")

    def __init__(self) -> None:
        self.by_name: dict[str, Order] = {}
        self.algo_count = 0
        self.iceberg_count = 0

    def order_ids(self) -> list[int]:
        """Oldest first."""
        return sorted(order.order_id for order in self.by_name.values())

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
        "_price_band",
        "average_price",
        "book",
        "is_commanded",
        "last_prevented_match_id",
        "last_price_e8",
        "last_trade_id",
        "lists",
        "market",
        "open_by_account",
        "rules",
        "status",
        "takes_orders",
        "triggers",
    )

    def __init__(self, market: Market) -> None:
        self.is_commanded = False
        self.define(market)
        self.set_status(market.status, VenueStatus.OPEN)
        self.book = Book()
        self.triggers = Triggers()
        self.average_price = AveragePrice()
        self.last_price_e8 = 0
        self.last_trade_id = 0
        self.last_prevented_match_id = 0
        self.open_by_account: dict[int, OpenOrders] = {}
        self.lists: dict[int, OrderList] = {}

    def define(self, market: Market) -> None:
        """Put a definition in force."""
        self.market = market
        self.rules = Rules(market)
        self._price_band = PriceBand(market, 0)

    def set_status(self, status: MarketStatus, venue_status: VenueStatus) -> None:
        self.status = status
        self.takes_orders = status is MarketStatus.TRADING and venue_status is VenueStatus.OPEN

    def paying_asset(self, side: Side) -> str:
        return self.rules.quote_asset if side is _BUY else self.rules.base_asset

    def reference_price_e8(self, now_us: int) -> int:
        """What filters compare with: the average of the market's window, else the last price, 0 if it never traded."""
        minutes = self.rules.average_minutes
        average = self.average_price.price_e8(now_us, minutes) if minutes else 0
        return average or self.last_price_e8

    def price_band(self, now_us: int) -> PriceBand:
        """The prices that may be asked for now, worked out anew when the reference has moved."""
        reference_e8 = self.reference_price_e8(now_us)
        if self._price_band.reference_e8 != reference_e8:
            self._price_band = PriceBand(self.market, reference_e8)
        return self._price_band

    def open_orders(self, account_id: int) -> OpenOrders:
        orders = self.open_by_account.get(account_id)
        return _NO_ORDERS if orders is None else orders

    def index(self, order: Order) -> None:
        """Count the order among its owner's open ones."""
        order.is_registered = True
        orders = self.open_by_account.get(order.account_id)
        if orders is None:
            orders = self.open_by_account[order.account_id] = OpenOrders()
        orders.by_name[order.client_order_id] = order
        if order.special is not None:
            orders.count(order, 1)

    def forget(self, order: Order) -> None:
        """The order is no longer open."""
        order.is_registered = False
        orders = self.open_by_account[order.account_id]
        del orders.by_name[order.client_order_id]
        if order.special is not None:
            orders.count(order, -1)
        if not orders.by_name:
            del self.open_by_account[order.account_id]

    def rename(self, order: Order, client_order_id: str) -> None:
        by_name = self.open_by_account[order.account_id].by_name
        del by_name[order.client_order_id]
        order.client_order_id = client_order_id
        by_name[client_order_id] = order

    def book_change(self) -> BookChanged | None:
        """What the current command did to the book, under a new update id."""
        book = self.book
        bids = book.bids.changed_levels() if book.bids.touched else ()
        asks = book.asks.changed_levels() if book.asks.touched else ()
        if not bids and not asks:
            return None
        book.update_id += 1
        return BookChanged(self.rules.symbol, book.update_id, bids, asks)

    def forget_changes(self) -> None:
        """After a restore, what was put on the book is not news."""
        self.book.bids.forget_changes()
        self.book.asks.forget_changes()


_NO_ORDERS: Final = OpenOrders()
