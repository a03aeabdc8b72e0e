"""Random streams in which money also moves between accounts and out of the venue in two steps, and in which operators
freeze accounts, end their orders and halt the venue.

They build on ``advanced.py``. What operators close they open again soon, so that things go on happening.
"""

from collections import deque

from msgspec.structs import replace

from services.domain.commands import (
    CancelAccountOrders,
    Command,
    DefineMarket,
    HoldWithdrawal,
    RejectWithdrawal,
    SetAccountStatus,
    SettleWithdrawal,
    SetVenueStatus,
    TransferFunds,
)
from services.domain.money import MAX_E8
from services.domain.standing import AccountStatus, VenueStatus
from tests.core.advanced import AdvancedCommands
from tests.core.streams import ACCOUNTS, ASSETS, VENUES, Timed

Movement = TransferFunds | HoldWithdrawal


class CustodyCommands(AdvancedCommands):
    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.movements: deque[Movement] = deque(maxlen=12)
        self.closed: list[Command] = []

    def next(self, last_order_id: int) -> Timed:
        choice = self.random
        if self.closed and choice.random() < 0.08:
            return self._at_some_time(self.closed.pop())
        if choice.random() < 0.75:
            return super().next(last_order_id)
        kinds = (self._move, self._hold, self._end, self._operate)
        make = choice.choices(kinds, (25, 30, 40, 5))[0]
        return self._at_some_time(make())

    def _move(self) -> Command:
        choice = self.random
        others = (*ACCOUNTS, 0, MAX_E8 + 1) if choice.random() < 0.1 else ACCOUNTS
        return self._kept(
            TransferFunds(choice.choice(others), choice.choice(others), self._asset(), self._amount(), self._ref())
        )

    def _hold(self) -> Command:
        fee = self.random.choice((0, 0, 1, 1_000, 100_000, -1))
        return self._kept(HoldWithdrawal(self._account(), self._asset(), self._amount(), fee, self._ref()))

    def _kept(self, movement: Movement) -> Movement:
        """Sometimes the same again, sometimes another under a name that is taken."""
        if self.movements and self.random.random() < 0.05:
            return self.random.choice(self.movements)
        self.movements.append(movement)
        return movement

    def _end(self) -> Command:
        make = self.random.choice((SettleWithdrawal, RejectWithdrawal))
        named = self.movements and self.random.random() < 0.95
        return make(self.random.choice(self.movements).reference if named else "nothing")

    def _operate(self) -> Command:
        choice = self.random
        account_id = self._account() if choice.random() < 0.95 else 0
        kind = choice.random()
        if kind < 0.4:
            symbols = (*(venue.market.symbol for venue in VENUES), "", "", "NOPE")
            return CancelAccountOrders(account_id, choice.choice(symbols))
        if kind < 0.8:
            self.closed.append(SetAccountStatus(account_id, AccountStatus.ACTIVE))
            return SetAccountStatus(account_id, AccountStatus.FROZEN)
        self.closed.append(SetVenueStatus(VenueStatus.OPEN))
        return SetVenueStatus(VenueStatus.HALTED)

    def _define(self, last_order_id: int) -> DefineMarket:
        """Often as an engine does when it starts."""
        return replace(super()._define(last_order_id), from_file=self.random.random() < 0.6)

    def _asset(self) -> str:
        return self.random.choice((*ASSETS, *ASSETS, "DOGE")) if self.random.random() < 0.1 else "USDT"

    def _amount(self) -> int:
        choice = self.random
        return choice.randint(1, 10**10) if choice.random() < 0.9 else choice.choice((0, -1, MAX_E8, MAX_E8 + 1))

    def _ref(self) -> str:
        choice = self.random
        taken = choice.choice(self.movements).reference if self.movements else "t1"
        return choice.choices((self._new_reference(), taken, "t1", "", "x" * 129), (90, 3, 3, 2, 2))[0]
