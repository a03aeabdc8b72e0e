"""The core and the naive exchange side by side: the same commands must do the same to both."""

from services.domain.commands import PlaceOrder
from tests.core.fold import StrictFold, check_fold
from tests.core.invariants import check_events, check_exchange
from tests.core.naive import NaiveExchange
from tests.core.streams import Timed
from tests.core.venue import CoreVenue


class Comparison:
    """Compares every outcome, and the whole state with all invariants every so many commands."""

    def __init__(self, full_check_every: int) -> None:
        self.full_check_every = full_check_every
        self.core = CoreVenue()
        self.naive = NaiveExchange()
        self.fold = StrictFold()
        self.commands = 0

    def apply(self, timed: Timed) -> None:
        if isinstance(timed.command, PlaceOrder):
            assert self.core.check(timed.command) == self.naive.check(timed.command)
        outcome = self.core.apply(*timed)
        assert outcome == self.naive.apply(*timed)
        check_events(self.core.events)
        self.fold.apply(self.core.events)
        self.commands += 1
        if self.commands % self.full_check_every == 0:
            self.check_state()

    def check_state(self) -> None:
        assert self.core.balances() == self.naive.balances()
        assert self.core.open_orders() == self.naive.open_orders()
        for symbol in self.naive.markets:
            assert self.core.depth(symbol) == self.naive.depth(symbol)
        check_exchange(self.core.exchange)
        check_fold(self.fold, self.core.exchange)
