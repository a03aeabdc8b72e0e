"""The naive exchange's money: what each account owns, what it has set aside, and which references were used for what.

As in ``naive.py`` nothing is kept that can be found out: what is withdrawing is summed up whenever someone asks, and
every command that was ever done is kept with its reference.
"""

from collections import Counter
from collections.abc import Callable, Iterator

from services.domain.commands import (
    Command,
    Deposit,
    HoldWithdrawal,
    RejectWithdrawal,
    SettleWithdrawal,
    TransferFunds,
    Withdraw,
)
from services.domain.refusals import Refusal

LARGEST = 2**63 - 1
FEE_ACCOUNT = 1
MOST_HELD = 1_000

Movement = Deposit | Withdraw | TransferFunds | HoldWithdrawal
Ending = SettleWithdrawal | RejectWithdrawal

# What concerns the owner's balance is asked for last.
_LAST = [Refusal.ACCOUNT_FROZEN, Refusal.INSUFFICIENT_BALANCE]
PRECEDENCE = [*(refusal for refusal in Refusal if refusal not in _LAST), *_LAST]


class Custody:
    """``done`` are all movements by reference, ``endings`` how those that were held have ended."""

    def __init__(self) -> None:
        self.owned: Counter[tuple[int, str]] = Counter()
        self.supply: Counter[str] = Counter()
        self.done: dict[str, Movement] = {}
        self.endings: dict[str, Ending] = {}
        self.frozen: list[int] = []

    def held(self) -> Iterator[HoldWithdrawal]:
        for reference, command in self.done.items():
            if isinstance(command, HoldWithdrawal) and reference not in self.endings:
                yield command

    def withdrawing(self, account_id: int, asset: str) -> int:
        return sum(
            hold.amount_e8 + hold.fee_e8 for hold in self.held() if (hold.account_id, hold.asset) == (account_id, asset)
        )

    def faults(self, command: Movement, assets: set[str], free: Callable[[int, str], int]) -> dict[Refusal, bool]:
        earlier = self.done.get(command.reference)
        fee = command.fee_e8 if isinstance(command, HoldWithdrawal) else 0
        others = [command.to_account_id] if isinstance(command, TransferFunds) else []
        incoming = isinstance(command, Deposit)
        held_already = [hold for hold in self.held() if hold.account_id == command.account_id]
        return {
            Refusal.REFERENCE_ALREADY_USED: earlier == command,
            Refusal.REFERENCE_USED_DIFFERENTLY: earlier is not None and earlier != command,
            Refusal.INVALID_AMOUNT: not 1 <= command.amount_e8 <= LARGEST or not 0 <= fee <= LARGEST,
            Refusal.INVALID_ACCOUNT: command.account_id in others
            or any(not 1 <= account <= LARGEST for account in [command.account_id, *others]),
            Refusal.INVALID_REFERENCE: not 1 <= len(command.reference) <= 128,
            Refusal.UNKNOWN_ASSET: command.asset not in assets,
            Refusal.SUPPLY_OVERFLOW: incoming and self.supply[command.asset] + command.amount_e8 > LARGEST,
            Refusal.TOO_MANY_WITHDRAWALS: isinstance(command, HoldWithdrawal) and len(held_already) >= MOST_HELD,
            Refusal.ACCOUNT_FROZEN: not incoming and command.account_id in self.frozen,
            Refusal.INSUFFICIENT_BALANCE: not incoming
            and free(command.account_id, command.asset) < command.amount_e8 + fee,
        }

    def ending_faults(self, command: Ending) -> dict[Refusal, bool]:
        ending = self.endings.get(command.reference)
        return {
            Refusal.UNKNOWN_WITHDRAWAL: not isinstance(self.done.get(command.reference), HoldWithdrawal),
            Refusal.WITHDRAWAL_ALREADY_SETTLED: isinstance(ending, SettleWithdrawal),
            Refusal.WITHDRAWAL_ALREADY_REJECTED: isinstance(ending, RejectWithdrawal),
        }

    def carry_out(self, command: Command) -> None:
        match command:
            case Deposit() | Withdraw() | TransferFunds() | HoldWithdrawal():
                self.done[command.reference] = command
            case SettleWithdrawal() | RejectWithdrawal():
                self.endings[command.reference] = command
        match command:
            case Deposit(account_id, asset, amount):
                self._change(account_id, asset, amount, amount)
            case Withdraw(account_id, asset, amount):
                self._change(account_id, asset, -amount, -amount)
            case TransferFunds(account_id, to_account_id, asset, amount):
                self._change(account_id, asset, -amount, 0)
                self._change(to_account_id, asset, amount, 0)
            case SettleWithdrawal(reference):
                hold = self.done[reference]
                assert isinstance(hold, HoldWithdrawal)
                self._change(hold.account_id, hold.asset, -hold.amount_e8 - hold.fee_e8, -hold.amount_e8)
                self._change(FEE_ACCOUNT, hold.asset, hold.fee_e8, 0)

    def _change(self, account_id: int, asset: str, owned: int, supply: int) -> None:
        self.owned[account_id, asset] += owned
        self.supply[asset] += supply
