"""Money in, out and between accounts: each movement done once per reference.

A withdrawal may be held first: its amount and fee are set aside until it is settled or rejected, each once. What ended
is remembered with its reference, so a repeat gets a definite answer: the same, a different one, already settled.
"""

from collections import Counter, OrderedDict
from typing import Final, NamedTuple

from services.domain.commands import (
    Deposit,
    HoldWithdrawal,
    RejectWithdrawal,
    SettleWithdrawal,
    TransferFunds,
    Withdraw,
)
from services.domain.events import (
    Event,
    FundsDeposited,
    FundsTransferred,
    FundsWithdrawn,
    WithdrawalHeld,
    WithdrawalRejected,
    WithdrawalSettled,
)
from services.domain.money import MAX_E8
from services.domain.refusals import Refusal
from services.domain.standing import WithdrawalStatus
from services.engine.core.accounts import Accounts

# How many references of movements that are done are remembered; a repeat within this window is recognised and refused.
# Older ones the engine finds in the ledger (``services.engine.ledger``). Held withdrawals are always remembered.
TRANSFER_WINDOW: Final = 100_000
MAX_REFERENCE_LENGTH: Final = 128
# Of one account.
MAX_HELD_WITHDRAWALS: Final = 1_000

_HELD: Final = WithdrawalStatus.HELD.value
_SETTLED: Final = WithdrawalStatus.SETTLED.value
_REJECTED: Final = WithdrawalStatus.REJECTED.value
_TRANSFER: Final = "TRANSFER"
_ENDED: Final = {_SETTLED: Refusal.WITHDRAWAL_ALREADY_SETTLED, _REJECTED: Refusal.WITHDRAWAL_ALREADY_REJECTED}

_Movement = Deposit | Withdraw | HoldWithdrawal | TransferFunds
_End = SettleWithdrawal | RejectWithdrawal


class Moved(NamedTuple):
    """What a reference names. ``detail`` is the fee of a held withdrawal, or the account that a transfer went to."""

    account_id: int
    asset: str
    signed_e8: int
    kind: str = ""
    detail: int = 0


class Transfers:
    """``window`` are the last movements that are done, by reference, oldest first; ``holds`` the withdrawals held."""

    def __init__(self, accounts: Accounts, assets: set[str]) -> None:
        self.window: OrderedDict[str, Moved] = OrderedDict()
        self.holds: dict[str, HoldWithdrawal] = {}
        self._held_count: Counter[int] = Counter()
        self._accounts = accounts
        self._assets = assets

    def deposit(self, command: Deposit) -> list[Event] | Refusal:
        moved = _moved(command)
        refusal = self._refuse(command, moved)
        if refusal is not None:
            return refusal
        if self._accounts.supply.get(command.asset, 0) + command.amount_e8 > MAX_E8:
            return Refusal.SUPPLY_OVERFLOW
        self._accounts.issue(command.account_id, command.asset, command.amount_e8)
        self._remember(command.reference, moved)
        return self._told(FundsDeposited(command.account_id, command.asset, command.amount_e8, command.reference))

    def withdraw(self, command: Withdraw) -> list[Event] | Refusal:
        moved = _moved(command)
        refusal = self._refuse(command, moved) or self._refuse_spending(command, command.amount_e8)
        if refusal is not None:
            return refusal
        self._accounts.issue(command.account_id, command.asset, -command.amount_e8)
        self._remember(command.reference, moved)
        return self._told(FundsWithdrawn(command.account_id, command.asset, command.amount_e8, command.reference))

    def transfer(self, command: TransferFunds) -> list[Event] | Refusal:
        source, target, amount_e8 = command.account_id, command.to_account_id, command.amount_e8
        moved = _moved(command)
        refusal = self._refuse(command, moved) or self._refuse_spending(command, amount_e8)
        if refusal is not None:
            return refusal
        self._accounts.touch(source, command.asset).free_e8 -= amount_e8
        self._accounts.touch(target, command.asset).free_e8 += amount_e8
        self._remember(command.reference, moved)
        return self._told(FundsTransferred(source, target, command.asset, amount_e8, command.reference))

    # Withdrawals in two steps

    def hold(self, command: HoldWithdrawal) -> list[Event] | Refusal:
        total_e8 = command.amount_e8 + command.fee_e8
        refusal = self._refuse(command, _moved(command))
        if refusal is None and self._held_count[command.account_id] >= MAX_HELD_WITHDRAWALS:
            refusal = Refusal.TOO_MANY_WITHDRAWALS
        refusal = refusal or self._refuse_spending(command, total_e8)
        if refusal is not None:
            return refusal
        self._accounts.hold(command.account_id, command.asset, total_e8)
        self.add_hold(command)
        return self._told(WithdrawalHeld(*_fields(command)))

    def add_hold(self, command: HoldWithdrawal) -> None:
        """Know of a withdrawal whose money is set aside."""
        self.holds[command.reference] = command
        self._held_count[command.account_id] += 1

    def settle(self, command: SettleWithdrawal) -> list[Event] | Refusal:
        held = self.holds.get(command.reference)
        if held is None:
            return self._why_not_held(command.reference)
        self._accounts.settle_hold(held.account_id, held.asset, held.amount_e8, held.fee_e8)
        self._end(held, _SETTLED)
        return self._told(WithdrawalSettled(*_fields(held)))

    def reject(self, command: RejectWithdrawal) -> list[Event] | Refusal:
        held = self.holds.get(command.reference)
        if held is None:
            return self._why_not_held(command.reference)
        self._accounts.hold(held.account_id, held.asset, -held.amount_e8 - held.fee_e8)
        self._end(held, _REJECTED)
        return self._told(WithdrawalRejected(*_fields(held)))

    def _why_not_held(self, reference: str) -> Refusal:
        earlier = self.window.get(reference)
        return Refusal.UNKNOWN_WITHDRAWAL if earlier is None else _why_not_ended(earlier)

    def _end(self, held: HoldWithdrawal, kind: str) -> None:
        del self.holds[held.reference]
        self._held_count[held.account_id] -= 1
        if not self._held_count[held.account_id]:
            del self._held_count[held.account_id]
        self._remember(held.reference, _moved(held)._replace(kind=kind))

    def may_forget(self, count: int) -> bool:
        """Whether a movement may be missing in the window by the time that this many more are done."""
        return len(self.window) + count > TRANSFER_WINDOW

    # What they have in common

    def _refuse(self, command: _Movement, moved: Moved) -> Refusal | None:
        """Idempotency first: the reference decides "same", "different" or "new" before anything else."""
        earlier = self._earlier(command.reference)
        if earlier is not None:
            return _compare(moved, earlier)
        if not _are_amounts(command):
            return Refusal.INVALID_AMOUNT
        if not _are_accounts(command):
            return Refusal.INVALID_ACCOUNT
        if not 0 < len(command.reference) <= MAX_REFERENCE_LENGTH:
            return Refusal.INVALID_REFERENCE
        if command.asset not in self._assets:
            return Refusal.UNKNOWN_ASSET
        return None

    def _earlier(self, reference: str) -> Moved | None:
        """What the reference names already. A withdrawal is the same whether it is held or has ended."""
        held = self.holds.get(reference)
        if held is not None:
            return _moved(held)
        earlier = self.window.get(reference)
        return None if earlier is None else _as_asked(earlier)

    def _refuse_spending(self, command: _Movement, amount_e8: int) -> Refusal | None:
        if command.account_id in self._accounts.frozen:
            return Refusal.ACCOUNT_FROZEN
        if self._accounts.free(command.account_id, command.asset) < amount_e8:
            return Refusal.INSUFFICIENT_BALANCE
        return None

    def _told(self, event: Event) -> list[Event]:
        events = [event]
        self._accounts.tell_changes(events)
        return events

    def _remember(self, reference: str, moved: Moved) -> None:
        self.window[reference] = moved
        if len(self.window) > TRANSFER_WINDOW:
            self.window.popitem(last=False)


def _fields(held: HoldWithdrawal) -> tuple[int, str, int, int, str]:
    return held.account_id, held.asset, held.amount_e8, held.fee_e8, held.reference


def _moved(command: _Movement) -> Moved:
    """What the command's reference names once it is carried out."""
    account_id, asset, amount_e8 = command.account_id, command.asset, command.amount_e8
    match command:
        case Deposit():
            return Moved(account_id, asset, amount_e8)
        case Withdraw():
            return Moved(account_id, asset, -amount_e8)
        case HoldWithdrawal():
            return Moved(account_id, asset, -amount_e8, _HELD, command.fee_e8)
        case TransferFunds():
            return Moved(account_id, asset, -amount_e8, _TRANSFER, command.to_account_id)


def refuse_repeat(command: _Movement | _End, earlier: Moved) -> Refusal:
    """What a command is told whose reference names a movement that is done, however long ago."""
    if isinstance(command, _End):
        return _why_not_ended(earlier)
    return _compare(_moved(command), _as_asked(earlier))


def _compare(moved: Moved, earlier: Moved) -> Refusal:
    return Refusal.REFERENCE_ALREADY_USED if moved == earlier else Refusal.REFERENCE_USED_DIFFERENTLY


def _as_asked(done: Moved) -> Moved:
    """A withdrawal that has ended is what was asked for when it was held."""
    return done._replace(kind=_HELD) if done.kind in _ENDED else done


def _why_not_ended(earlier: Moved) -> Refusal:
    return _ENDED.get(earlier.kind, Refusal.UNKNOWN_WITHDRAWAL)


def _are_amounts(command: _Movement) -> bool:
    """A movement is of something, and a fee may be nothing."""
    fee_e8 = command.fee_e8 if isinstance(command, HoldWithdrawal) else 0
    return 0 < command.amount_e8 <= MAX_E8 and 0 <= fee_e8 <= MAX_E8


def _are_accounts(command: _Movement) -> bool:
    """A transfer has two, and they are not the same one."""
    accounts = [command.account_id]
    if isinstance(command, TransferFunds):
        accounts.append(command.to_account_id)
    return len(set(accounts)) == len(accounts) and all(0 < account_id <= MAX_E8 for account_id in accounts)
