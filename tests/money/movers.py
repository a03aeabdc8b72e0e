"""Movers send money around and remember every word they were told, so that it can be held against the books afterwards.

A mover hands out parcels of commands and hears the answers. What it hears nothing definite of it asks again under the
same reference, until it knows; what is done it sometimes asks again all the same, as an impatient client would.
"""

from collections.abc import Iterator
from random import Random

from services.domain.commands import (
    CancelOrder,
    Command,
    Deposit,
    HoldWithdrawal,
    PlaceOrder,
    RejectWithdrawal,
    SettleWithdrawal,
    TransferFunds,
    Withdraw,
)
from services.domain.money import ONE_E8
from services.domain.orders import OrderType, Side, TimeInForce
from services.domain.protocol import Applied, Refused, Reply
from services.domain.refusals import Refusal
from services.domain.standing import MovementKind, WithdrawalStatus
from services.engine.core.accounts import FEE_ACCOUNT_ID

SYMBOL = "BTCUSDT"
ASSETS = ("BTC", "USDT")
MIDDLE_PRICE = 100

Movement = Deposit | Withdraw | TransferFunds | HoldWithdrawal
Ending = SettleWithdrawal | RejectWithdrawal
# Reference, account, asset, signed amount, kind.
Line = tuple[str, int, str, int, str]

_DONE_BEFORE = {
    SettleWithdrawal: Refusal.WITHDRAWAL_ALREADY_SETTLED,
    RejectWithdrawal: Refusal.WITHDRAWAL_ALREADY_REJECTED,
}


class Mover:
    """Seeded. ``name`` begins all its references."""

    def __init__(self, name: str, accounts: list[int], seed: int) -> None:
        self.name = name
        self.done: dict[str, Movement] = {}
        self.endings: dict[str, Ending] = {}
        self.refused: dict[str, Refusal] = {}
        self.repeated = 0
        self.doubted = 0
        self._accounts = accounts
        self._random = Random(seed)
        self._count = 0
        self._held: list[str] = []
        self._doubts: list[Command] = []
        self._asked: list[tuple[Command, bool]] = []

    @property
    def movements(self) -> int:
        """How many it knows the outcome of."""
        return len(self.done) + len(self.endings) + len(self.refused)

    @property
    def is_certain(self) -> bool:
        return not self._doubts

    def parcel(self, size: int) -> list[Command]:
        """First what it is in doubt about."""
        self._asked = [(command, True) for command in self._doubts]
        self._asked += [(self._command(), False) for _ in range(size - len(self._asked))]
        self._doubts = []
        return [command for command, _ in self._asked]

    def hear(self, replies: list[Reply] | None) -> None:
        """None if no answer came."""
        told: list[Reply | None] = [None] * len(self._asked) if replies is None else [*replies]
        for (command, in_doubt), reply in zip(self._asked, told, strict=True):
            if isinstance(command, PlaceOrder | CancelOrder):
                continue
            if isinstance(reply, Applied):
                self._keep(command)
            elif isinstance(reply, Refused):
                self._hear_refusal(command, reply.reason, in_doubt=in_doubt)
            else:
                self.doubted += 1
                self._doubts.append(command)

    def _hear_refusal(self, command: Command, reason: Refusal, *, in_doubt: bool) -> None:
        done_before = reason is _DONE_BEFORE.get(type(command), Refusal.REFERENCE_ALREADY_USED)
        if done_before and self._knows(command):
            self.repeated += 1
        elif done_before:
            assert in_doubt, f"{command} was not done before: {reason}"
            self._keep(command)
        elif isinstance(command, SettleWithdrawal | RejectWithdrawal):
            self.refused[f"{command.reference} {type(command).__name__}"] = reason
        else:
            self.refused[_reference(command)] = reason

    def _knows(self, command: Command) -> bool:
        return command in (self.done.get(_reference(command)), self.endings.get(_reference(command)))

    def _keep(self, command: Command) -> None:
        assert not self._knows(command), f"{command} was done twice"
        if isinstance(command, SettleWithdrawal | RejectWithdrawal):
            assert command.reference not in self.endings, f"{command.reference} has ended twice"
            self.endings[command.reference] = command
        elif isinstance(command, Deposit | Withdraw | TransferFunds | HoldWithdrawal):
            self.done[command.reference] = command
            if isinstance(command, HoldWithdrawal):
                self._held.append(command.reference)

    # What it asks for

    def _command(self) -> Command:
        chance = self._random.random()
        if chance < 0.03 and self.done:
            return self._random.choice([*self.done.values()])
        if chance < 0.05 and self.endings:
            return self._random.choice([*self.endings.values()])
        if chance < 0.3:
            return self._order()
        if chance < 0.5 and self._held:
            return self._ending()
        return self._movement()

    def _ending(self) -> Ending:
        """Now and then of one that somebody else ends, too."""
        reference = self._random.choice(self._held)
        if self._random.random() < 0.9:
            self._held.remove(reference)
        return self._random.choice((SettleWithdrawal, RejectWithdrawal))(reference)

    def _movement(self) -> Movement:
        choice = self._random
        self._count += 1
        reference = f"{self.name}-{self._count}"
        account_id, other = choice.sample(self._accounts, 2)
        asset, amount = choice.choice(ASSETS), choice.randint(1, 50 * ONE_E8)
        match choice.choices(("deposit", "withdraw", "transfer", "hold"), (30, 10, 30, 30))[0]:
            case "deposit":
                return Deposit(account_id, asset, amount, reference)
            case "withdraw":
                return Withdraw(account_id, asset, amount, reference)
            case "transfer":
                return TransferFunds(account_id, other, asset, amount, reference)
            case _:
                return HoldWithdrawal(account_id, asset, amount, choice.choice((0, 1, 1_000_000)), reference)

    def _order(self) -> PlaceOrder:
        """Prices cross as often as not, so that there are trades, and fees that the fee account earns."""
        choice = self._random
        self._count += 1
        side = choice.choice(tuple(Side))
        price = (MIDDLE_PRICE + choice.randint(-3, 3)) * ONE_E8
        lifetime = choice.choice((TimeInForce.GTC, TimeInForce.IOC))
        name, quantity = f"{self.name}o{self._count}", choice.randint(1, 200) * ONE_E8 // 1000
        account_id = choice.choice(self._accounts)
        return PlaceOrder(account_id, SYMBOL, name, side, OrderType.LIMIT, lifetime, quantity, price)

    # What must be in the books

    def lines(self) -> Iterator[Line]:
        """Of the ledger: one for each account that a movement changed, and for its fee."""
        for reference, command in self.done.items():
            match command:
                case Deposit(account_id, asset, amount):
                    yield reference, account_id, asset, amount, MovementKind.DEPOSIT.value
                case Withdraw(account_id, asset, amount):
                    yield reference, account_id, asset, -amount, MovementKind.WITHDRAWAL.value
                case TransferFunds(account_id, to_account_id, asset, amount):
                    yield reference, account_id, asset, -amount, MovementKind.TRANSFER_OUT.value
                    yield reference, to_account_id, asset, amount, MovementKind.TRANSFER_IN.value
                case HoldWithdrawal() if isinstance(self.endings.get(reference), SettleWithdrawal):
                    yield reference, command.account_id, command.asset, -command.amount_e8, "WITHDRAWAL"
                    if command.fee_e8:
                        yield reference, command.account_id, command.asset, -command.fee_e8, "WITHDRAWAL_FEE"
                        yield reference, FEE_ACCOUNT_ID, command.asset, command.fee_e8, "FEE_INCOME"

    def withdrawals(self) -> dict[str, str]:
        """The status of each by its reference."""
        return {
            reference: self._status(reference).value
            for reference, command in self.done.items()
            if isinstance(command, HoldWithdrawal)
        }

    def _status(self, reference: str) -> WithdrawalStatus:
        match self.endings.get(reference):
            case SettleWithdrawal():
                return WithdrawalStatus.SETTLED
            case RejectWithdrawal():
                return WithdrawalStatus.REJECTED
            case None:
                return WithdrawalStatus.HELD


def _reference(command: Command) -> str:
    reference: str = getattr(command, "reference", "")
    return reference
