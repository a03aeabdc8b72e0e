"""A listed market: its definition, its book and the indexes of its open orders."""

from services.domain.events import BookChanged
from services.domain.market import Market
from services.domain.orders import Side
from services.engine.core.book import Book, Order


class Listing:
    """Client order ids are unique among the open orders of one account in one market."""

    __slots__ = ("book", "by_client_order_id", "last_price_e8", "last_trade_id", "market", "open_by_account")

    def __init__(self, market: Market, *, update_id: int = 0, last_price_e8: int = 0, last_trade_id: int = 0) -> None:
        self.market = market
        self.book = Book(update_id)
        self.last_price_e8 = last_price_e8
        self.last_trade_id = last_trade_id
        self.by_client_order_id: dict[tuple[int, str], Order] = {}
        self.open_by_account: dict[int, dict[int, Order]] = {}

    def paying_asset(self, side: Side) -> str:
        return self.market.quote_asset if side is Side.BUY else self.market.base_asset

    def receiving_asset(self, side: Side) -> str:
        return self.market.base_asset if side is Side.BUY else self.market.quote_asset

    def open_order_count(self, account_id: int) -> int:
        orders = self.open_by_account.get(account_id)
        return len(orders) if orders else 0

    def rest(self, order: Order) -> None:
        """Put the order on the book and into the indexes."""
        self.book.own_side(order.side).add(order)
        self.by_client_order_id[order.account_id, order.client_order_id] = order
        orders = self.open_by_account.get(order.account_id)
        if orders is None:
            orders = self.open_by_account[order.account_id] = {}
        orders[order.order_id] = order

    def remove(self, order: Order) -> None:
        """Take a resting order off the book and out of the indexes."""
        self.book.own_side(order.side).remove(order)
        del self.by_client_order_id[order.account_id, order.client_order_id]
        orders = self.open_by_account[order.account_id]
        del orders[order.order_id]
        if not orders:
            del self.open_by_account[order.account_id]

    def book_change(self) -> BookChanged | None:
        """What the current command did to the book, under a new update id."""
        book = self.book
        bids, asks = book.bids.changed_levels(), book.asks.changed_levels()
        if not bids and not asks:
            return None
        book.update_id += 1
        return BookChanged(self.market.symbol, book.update_id, bids, asks)

    def forget_changes(self) -> None:
        """After a restore, what was put on the book is not news."""
        self.book.bids.touched.clear()
        self.book.asks.touched.clear()
