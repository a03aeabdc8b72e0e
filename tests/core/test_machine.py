"""Goal: no short sequence of commands makes the core differ from the naive exchange or breaks an invariant.

Method: Hypothesis looks for one and shrinks what it finds. The numbers are tiny, so that orders meet; every invariant
is checked after every command; now and then the core is replaced by one restored from its own snapshot.
"""

from random import Random

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from msgspec.structs import replace

from services.domain.commands import CancelAllOrders, CancelOrder, Command, DefineMarket, Deposit, PlaceOrder, Withdraw
from services.domain.market import Market, MarketStatus
from services.domain.money import ONE_E8
from services.domain.orders import OrderType, Side, TimeInForce
from services.engine.core.snapshot import ExchangeSnapshot, capture, restore
from tests.core.advanced import AdvancedCommands
from tests.core.comparison import Comparison
from tests.core.streams import Timed

MARKETS = {
    "AAACCC": Market(
        symbol="AAACCC",
        base_asset="AAA",
        quote_asset="CCC",
        tick_size_e8=ONE_E8,
        step_size_e8=ONE_E8,
        max_quantity_e8=8 * ONE_E8,
        max_market_quantity_e8=7 * ONE_E8,
        min_notional_e8=2 * ONE_E8,
        max_open_orders=4,
        maker_fee_rate_e8=ONE_E8 // 100,
        taker_fee_rate_e8=ONE_E8 // 50,
    ),
    # One step at one tick is one unit, so every fee is a matter of rounding.
    "BBBCCC": Market(
        symbol="BBBCCC",
        base_asset="BBB",
        quote_asset="CCC",
        tick_size_e8=10_000,
        step_size_e8=10_000,
        min_quantity_e8=20_000,
        max_open_orders=4,
        maker_fee_rate_e8=ONE_E8 // 10,
        taker_fee_rate_e8=ONE_E8 // 20,
    ),
}
ACCOUNTS = [1, 11, 12, 13]
ASSETS = ["AAA", "BBB", "CCC"]

accounts = st.sampled_from(ACCOUNTS)
symbols = st.sampled_from([*MARKETS] * 8 + ["NOPE"])
names = st.sampled_from([f"c{number}" for number in range(6)])
sides = st.sampled_from(Side)
ticks = st.integers(0, 8)
steps = st.integers(0, 9)
# Now and then a number falls between the grid's lines.
slips = st.sampled_from([0] * 15 + [1])
limit_kinds = st.sampled_from(
    [(OrderType.LIMIT, tif) for tif in TimeInForce] * 2
    + [(OrderType.LIMIT, TimeInForce.GTC)] * 4
    + [(OrderType.LIMIT_MAKER, TimeInForce.GTC)]
)
amounts = st.one_of(st.integers(1, 60).map(lambda coins: coins * ONE_E8), st.integers(-1, 400_000))
redefinitions = st.sampled_from(
    [
        {},
        {"status": MarketStatus.CANCEL_ONLY},
        {"maker_fee_rate_e8": 0},
        {"tick_size_e8": 2 * ONE_E8},
        {"tick_size_e8": 5_000, "step_size_e8": 20_000},
        {"max_open_orders": 1},
    ]
)


class ExchangeMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.both = Comparison(full_check_every=1)
        self.now_us = 1_000
        self.clock_step_us = 1
        self.references = 0

    @initialize(coins=st.lists(st.integers(0, 40), min_size=12, max_size=12))
    def open(self, coins: list[int]) -> None:
        for market in MARKETS.values():
            self.apply(DefineMarket(market))
        owners = [(account_id, asset) for account_id in ACCOUNTS for asset in ASSETS]
        for (account_id, asset), amount in zip(owners, coins, strict=True):
            self.transfer(Deposit, account_id, asset, amount * ONE_E8, fresh=True)

    def apply(self, command: Command) -> None:
        self.now_us += self.clock_step_us
        self.both.apply(Timed(command, self.now_us))

    @rule(
        account=accounts, symbol=symbols, name=names, side=sides, kind=limit_kinds, price=ticks, size=steps, slip=slips
    )
    def place_limit(
        self,
        account: int,
        symbol: str,
        name: str,
        side: Side,
        kind: tuple[OrderType, TimeInForce],
        price: int,
        size: int,
        slip: int,
    ) -> None:
        market = MARKETS.get(symbol, MARKETS["AAACCC"])
        price_e8, quantity_e8 = price * market.tick_size_e8 + slip, size * market.step_size_e8
        self.apply(PlaceOrder(account, symbol, name, side, *kind, quantity_e8, price_e8))

    @rule(account=accounts, symbol=symbols, name=names, side=sides, size=steps, slip=slips)
    def place_market(self, account: int, symbol: str, name: str, side: Side, size: int, slip: int) -> None:
        quantity_e8 = size * MARKETS.get(symbol, MARKETS["AAACCC"]).step_size_e8 + slip
        self.apply(PlaceOrder(account, symbol, name, side, OrderType.MARKET, TimeInForce.GTC, quantity_e8))

    @rule(account=accounts, symbol=symbols, name=names, side=sides, units=st.integers(0, 60), slip=slips)
    def place_market_by_quote(self, account: int, symbol: str, name: str, side: Side, units: int, slip: int) -> None:
        market = MARKETS.get(symbol, MARKETS["AAACCC"])
        amount = units * market.tick_size_e8 * market.step_size_e8 // ONE_E8 + slip
        order = PlaceOrder(account, symbol, name, side, OrderType.MARKET, TimeInForce.GTC, 0, 0, amount)
        self.apply(order)

    @rule(account=accounts, symbol=symbols, name=st.one_of(st.just(""), names), age=st.integers(-1, 8))
    def cancel(self, account: int, symbol: str, name: str, age: int) -> None:
        order_id = 0 if age < 0 else max(self.both.core.exchange.last_order_id - age, 0)
        self.apply(CancelOrder(account, symbol, order_id, name, "cancel"))

    @rule(account=accounts, symbol=symbols)
    def cancel_all(self, account: int, symbol: str) -> None:
        self.apply(CancelAllOrders(account, symbol, "all"))

    @rule(
        make=st.sampled_from([Deposit, Withdraw]),
        account=accounts,
        asset=st.sampled_from(ASSETS),
        amount=amounts,
        fresh=st.booleans(),
    )
    def transfer(
        self, make: type[Deposit] | type[Withdraw], account: int, asset: str, amount: int, fresh: bool
    ) -> None:
        self.references += fresh
        self.apply(make(account, asset, amount, f"t{self.references}"))

    @rule(symbol=st.sampled_from([*MARKETS]), changes=redefinitions)
    def redefine(self, symbol: str, changes: dict[str, MarketStatus | int]) -> None:
        self.apply(DefineMarket(replace(MARKETS[symbol], **changes)))

    @rule(step_us=st.integers(-2, 3))
    def disturb_the_clock(self, step_us: int) -> None:
        self.clock_step_us = step_us

    @rule()
    def restart(self) -> None:
        """Nothing may depend on what a snapshot leaves out."""
        core = self.both.core
        encoded = msgspec.msgpack.encode(capture(core.exchange))
        core.exchange = restore(msgspec.msgpack.decode(encoded, type=ExchangeSnapshot))


class AdvancedMachine(RuleBasedStateMachine):
    """Every command there is, drawn by the generator of the random streams from choices that Hypothesis makes."""

    def __init__(self) -> None:
        super().__init__()
        self.both = Comparison(full_check_every=1)
        self.commands = AdvancedCommands(0)

    @initialize()
    def open(self) -> None:
        for timed in self.commands.opening():
            self.both.apply(timed)

    @rule(random=st.randoms(use_true_random=False))
    def command(self, random: Random) -> None:
        self.commands.random = random
        self.both.apply(self.commands.next(self.both.core.exchange.last_order_id))

    @rule()
    def restart(self) -> None:
        core = self.both.core
        encoded = msgspec.msgpack.encode(capture(core.exchange))
        core.exchange = restore(msgspec.msgpack.decode(encoded, type=ExchangeSnapshot))


@pytest.mark.timeout(450)
def test_no_sequence_of_advanced_commands_does_either() -> None:
    profile = settings()
    run_state_machine_as_test(AdvancedMachine, settings=settings(profile, max_examples=3 * profile.max_examples))


@pytest.mark.timeout(450)  # shrinking a failure may take Hypothesis five minutes
def test_no_sequence_of_commands_tells_the_core_from_the_naive_exchange() -> None:
    profile = settings()
    run_state_machine_as_test(ExchangeMachine, settings=settings(profile, max_examples=2 * profile.max_examples))
