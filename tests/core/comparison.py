"""The core and the naive exchange side by side: the same commands must do the same to both."""

from dataclasses import replace

from services.domain.commands import PlaceOrder
from tests.core.fold import StrictFold, check_fold
from tests.core.invariants import check_events, check_exchange
from tests.core.naive import NaiveExchange
from tests.core.streams import Timed
from tests.core.venue import CoreVenue, Outcome


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
        check_outcomes(self.core.apply(*timed), self.naive.apply(*timed), self.naive)
        check_events(self.core.events)
        self.fold.apply(self.core.events)
        self.commands += 1
        if self.commands % self.full_check_every == 0:
            self.check_state()

    def check_state(self) -> None:
        assert self.core.balances() == self.naive.balances()
        assert self.core.withdrawing() == self.naive.withdrawing()
        assert self.core.open_orders() == self.naive.open_orders()
        for symbol in self.naive.markets:
            assert self.core.depth(symbol) == self.naive.depth(symbol)
        check_exchange(self.core.exchange)
        check_fold(self.fold, self.core.exchange)


def check_outcomes(core: Outcome, naive: Outcome, exchange: NaiveExchange) -> None:
    """The same happened. The core may also name a level that changed and changed back while the command went on."""
    assert replace(core, books={}) == replace(naive, books={})
    assert core.books.keys() >= naive.books.keys()
    for symbol, book in core.books.items():
        told = naive.books[symbol].levels if symbol in naive.books else {}
        assert book.levels.items() >= told.items()
        now = exchange.levels(symbol)
        unchanged = book.levels.keys() - told.keys()
        assert {key: book.levels[key] for key in unchanged} == {key: now.get(key, 0) for key in unchanged}
