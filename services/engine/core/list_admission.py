"""Admission of order lists: every order must pass on its own, but for the balance, which is needed once."""

from typing import Final

from msgspec.structs import replace

from services.domain.commands import ListKind, PlaceOrder, PlaceOrderList
from services.domain.market import Venue
from services.domain.orders import CONTINGENT_TYPES
from services.domain.refusals import Refusal
from services.engine.core import filters
from services.engine.core.accounts import Accounts
from services.engine.core.admission import Admission, Admitted
from services.engine.core.form import list_is_well_formed
from services.engine.core.listing import Listing
from services.engine.core.placement import Placement

_PAY_PENDING: Final = (ListKind.OPO, ListKind.OPOCO)


class ListAdmission:
    """The checks of one market for lists; ``admission`` makes those of each order."""

    __slots__ = ("_accounts", "_admission", "_listing", "_listings")

    def __init__(
        self, admission: Admission, accounts: Accounts, listing: Listing, listings: dict[str, Listing]
    ) -> None:
        self._admission = admission
        self._accounts = accounts
        self._listing = listing
        self._listings = listings

    def admit(self, command: PlaceOrderList, venue: Venue, now_us: int) -> list[Admitted] | Refusal:
        """Check a list against its market, the book and its owner's balance."""
        if not list_is_well_formed(command):
            return Refusal.UNSUPPORTED_COMBINATION
        if command.account_id in self._accounts.frozen:
            return Refusal.ACCOUNT_FROZEN
        if not self._listing.takes_orders:
            return Refusal.MARKET_CLOSED
        if self._name_is_taken(command):
            return Refusal.DUPLICATE_CLIENT_ORDER_ID
        admitted: list[Admitted] = []
        for position in range(len(command.orders)):
            outcome = self._admit_leg(command, position, venue, now_us)
            if not isinstance(outcome, Admitted):
                return outcome
            admitted.append(outcome)
        refusal = self._refuse_counts(command, venue) or self._refuse_prices(command)
        if refusal is not None:
            return refusal
        entering = admitted if command.kind is ListKind.OCO else admitted[:1]
        for order, checks in zip(command.orders, entering, strict=False):
            refusal = self._admission.refuse_entry(Placement(order), checks.limit_e8)
            if refusal is not None:
                return refusal
        need_e8 = max(checks.need_e8 for checks in entering)
        if self._accounts.free(command.account_id, self._listing.paying_asset(command.orders[0].side)) < need_e8:
            return Refusal.INSUFFICIENT_BALANCE
        return admitted

    def _admit_leg(self, command: PlaceOrderList, position: int, venue: Venue, now_us: int) -> Admitted | Refusal:
        order = command.orders[position]
        # What a pending OPO order will sell is not known yet; stand in with what the working order can bring.
        is_unknown = command.kind in _PAY_PENDING and position > 0
        if is_unknown:
            order = replace(order, quantity_e8=command.orders[0].quantity_e8)
        outcome = self._admission.admit_unfunded(Placement(order), venue, now_us, counts=False)
        if not isinstance(outcome, Admitted) or not position or command.kind is ListKind.OCO:
            return outcome
        # A pending peg gets its price when it comes to life.
        quantity_e8 = 0 if is_unknown else outcome.quantity_e8
        return Admitted(quantity_e8, 0, outcome.need_e8, outcome.self_trade_prevention)

    def _name_is_taken(self, command: PlaceOrderList) -> bool:
        """By another open list of the account, or within the list itself."""
        names = {command.client_order_list_id, *(order.client_order_id for order in command.orders)}
        return len(names) <= len(command.orders) or any(
            (tied.account_id, tied.client_order_list_id) == (command.account_id, command.client_order_list_id)
            for tied in self._listing.lists.values()
        )

    def _refuse_counts(self, command: PlaceOrderList, venue: Venue) -> Refusal | None:
        orders = command.orders
        algo = sum(order.type in CONTINGENT_TYPES for order in orders)
        icebergs = sum(order.iceberg_e8 > 0 for order in orders)
        own = self._listing.open_orders(command.account_id)
        return filters.order_counts(
            command.account_id, own, len(orders), algo, icebergs, self._listing, self._listings, venue
        ) or filters.list_counts(command.account_id, self._listing, self._listings, venue)

    def _refuse_prices(self, command: PlaceOrderList) -> Refusal | None:
        """A pair lies around the market, or for a pending pair at least the right way round."""
        pair = command.orders if command.kind is ListKind.OCO else command.orders[1:]
        last_e8 = self._listing.last_price_e8 if command.kind is ListKind.OCO else 0
        return Refusal.LIST_PRICES_UNRELATED if len(pair) == 2 and not _is_around(pair, last_e8) else None


def _is_around(pair: tuple[PlaceOrder, ...], last_e8: int) -> bool:
    """The first order's price must lie above the second's, and the last price, if given, between them."""
    above, below = ((order.stop_price_e8 or order.price_e8) for order in pair)
    if above and below and above <= below:
        return False
    if not last_e8:
        return True
    return (not above or above > last_e8) and (not below or below < last_e8)
