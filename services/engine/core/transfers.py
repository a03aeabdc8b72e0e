"""Money in and out: deposits and withdrawals, each done once per reference."""

from collections import OrderedDict
from typing import Final

from services.domain.commands import Deposit, Withdraw
from services.domain.events import Event, FundsDeposited, FundsWithdrawn
from services.domain.money import MAX_E8
from services.domain.refusals import Refusal
from services.engine.core.accounts import Accounts

# How many transfer references are remembered; a repeat within this window is recognised and refused. The database's
# unique constraint stands behind it.
TRANSFER_WINDOW: Final = 100_000
MAX_REFERENCE_LENGTH: Final = 128

# (account, asset, signed amount) of a remembered transfer.
Transfer = tuple[int, str, int]


class Transfers:
    """``window`` are the last transfers by reference, oldest first."""

    def __init__(self, accounts: Accounts, assets: set[str]) -> None:
        self.window: OrderedDict[str, Transfer] = OrderedDict()
        self._accounts = accounts
        self._assets = assets

    def deposit(self, command: Deposit) -> list[Event] | Refusal:
        refusal = self._refuse(command, command.amount_e8)
        if refusal is not None:
            return refusal
        if self._accounts.supply.get(command.asset, 0) + command.amount_e8 > MAX_E8:
            return Refusal.SUPPLY_OVERFLOW
        self._carry_out(command, command.amount_e8)
        return self._told(FundsDeposited(command.account_id, command.asset, command.amount_e8, command.reference))

    def withdraw(self, command: Withdraw) -> list[Event] | Refusal:
        refusal = self._refuse(command, -command.amount_e8)
        if refusal is not None:
            return refusal
        if self._accounts.free(command.account_id, command.asset) < command.amount_e8:
            return Refusal.INSUFFICIENT_BALANCE
        self._carry_out(command, -command.amount_e8)
        return self._told(FundsWithdrawn(command.account_id, command.asset, command.amount_e8, command.reference))

    def _refuse(self, command: Deposit | Withdraw, signed_e8: int) -> Refusal | None:
        """Idempotency first: the reference decides "same", "different" or "new" before anything else."""
        earlier = self.window.get(command.reference)
        if earlier is not None:
            same = earlier == (command.account_id, command.asset, signed_e8)
            return Refusal.REFERENCE_ALREADY_USED if same else Refusal.REFERENCE_USED_DIFFERENTLY
        if not 0 < command.amount_e8 <= MAX_E8:
            return Refusal.INVALID_AMOUNT
        if not 0 < command.account_id <= MAX_E8:
            return Refusal.INVALID_ACCOUNT
        if not 0 < len(command.reference) <= MAX_REFERENCE_LENGTH:
            return Refusal.INVALID_REFERENCE
        if command.asset not in self._assets:
            return Refusal.UNKNOWN_ASSET
        return None

    def _told(self, event: Event) -> list[Event]:
        events = [event]
        self._accounts.tell_changes(events)
        return events

    def _carry_out(self, command: Deposit | Withdraw, signed_e8: int) -> None:
        self._accounts.issue(command.account_id, command.asset, signed_e8)
        self.window[command.reference] = (command.account_id, command.asset, signed_e8)
        if len(self.window) > TRANSFER_WINDOW:
            self.window.popitem(last=False)
