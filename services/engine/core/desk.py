"""A desk: what works on one market, its checks and its turns."""

from collections.abc import Iterable

from services.domain.events import Event
from services.engine.core.accounts import Accounts
from services.engine.core.admission import Admission
from services.engine.core.book import Order
from services.engine.core.consequences import Consequences
from services.engine.core.list_admission import ListAdmission
from services.engine.core.listing import Listing
from services.engine.core.turn import Turn


class Desk:
    __slots__ = ("_consequences", "admission", "list_admission", "listing", "turn")

    def __init__(
        self, accounts: Accounts, listing: Listing, listings: dict[str, Listing], orders: dict[int, Order]
    ) -> None:
        self.listing = listing
        self.admission = Admission(accounts, listing, listings)
        self.list_admission = ListAdmission(self.admission, accounts, listing, listings)
        self.turn = Turn(accounts, listing, orders)
        self._consequences = Consequences(self.turn)

    def settle(self) -> None:
        """Carry out what has been caused so far."""
        self._consequences.settle()

    def finish(self) -> list[Event]:
        turn = self.turn
        if turn.prices or turn.affected or turn.agenda:
            self._consequences.settle()
        return turn.close()

    def expel(self, account_id: int, now_us: int) -> list[Event]:
        """End the account's open orders here. Balances and book are told later."""
        turn = self.turn.begin(now_us)
        for order_id in self.listing.open_orders(account_id).order_ids():
            order = turn.orders.get(order_id)
            if order is not None:
                turn.expel(order)
        self.settle()
        return turn.events


def expel(desks: Iterable[Desk], account_id: int, now_us: int, cause: list[Event]) -> list[Event]:
    """End the account's open orders at each of these desks, which may be as many as its limits allow in each market.

    In the order of events of every command: ``cause`` and what happened to orders, then balances, then books. Markets
    go by name, for a restored exchange lists them in that order.
    """
    concerned = (desk for desk in desks if account_id in desk.listing.open_by_account)
    desks = sorted(concerned, key=lambda desk: desk.listing.rules.symbol)
    events = [*cause]
    for desk in desks:
        events.extend(desk.expel(account_id, now_us))
    if desks:
        desks[0].turn.accounts.tell_changes(events)
    for desk in desks:
        change = desk.listing.book_change()
        if change is not None:
            events.append(change)
    return events
