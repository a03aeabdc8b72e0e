"""Goal: each side pays its fee in the asset it received, rounded half up, to the fee account (section 4.3)."""

from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from services.domain.commands import DefineMarket
from services.domain.market import Market
from services.domain.money import parse_e8
from tests.core.scenario import MARKET, Scenario, plain
from tests.core.venue import Venue

FUNDS = "ada 1000 USDT, ada 10 BTC, bob 1000 USDT, bob 10 BTC"


def market(maker_rate: str, taker_rate: str, **changes: int) -> Market:
    rates = {"maker_fee_rate_e8": parse_e8(maker_rate), "taker_fee_rate_e8": parse_e8(taker_rate)}
    return replace(MARKET, **rates, **changes)


@dataclass(frozen=True)
class Case:
    name: str
    orders: str
    balances: str
    maker_rate: str = "0.001"
    taker_rate: str = "0.002"


CASES = [
    Case(
        "the taker buys: it pays in base at the taker rate, the maker in quote at the maker rate",
        "bob sells 1 at 100, ada buys 1 at 100",
        "ada 900+0 USDT, ada 10.998+0 BTC, bob 1099.9+0 USDT, bob 9+0 BTC, fees 0.1+0 USDT, fees 0.002+0 BTC",
    ),
    Case(
        "the taker sells: it pays in quote at the taker rate, the maker in base at the maker rate",
        "bob buys 1 at 100, ada sells 1 at 100",
        "ada 1099.8+0 USDT, ada 9+0 BTC, bob 900+0 USDT, bob 10.999+0 BTC, fees 0.2+0 USDT, fees 0.001+0 BTC",
    ),
    Case(
        "the fee is on what the trade moved, not on the limit",
        "bob sells 1 at 100, ada buys 1 at 200",
        "ada 900+0 USDT, ada 10.998+0 BTC, bob 1099.9+0 USDT",
    ),
    Case(
        "an order pays for each of its trades",
        "bob sells 1 at 100, bob sells 1 at 110, ada buys 2 at 110",
        "ada 790+0 USDT, ada 11.996+0 BTC, bob 1209.79+0 USDT, fees 0.21+0 USDT, fees 0.004+0 BTC",
    ),
    Case(
        "a market order pays the taker rate",
        "bob sells 1 at 100, ada buys 1 at market",
        "ada 900+0 USDT, ada 10.998+0 BTC, fees 0.1+0 USDT, fees 0.002+0 BTC",
    ),
    Case(
        "a market order by quote amount receives that amount less the fee",
        "bob buys 5 at 100, ada sells at market for 200",
        "ada 1199.6+0 USDT, ada 8+0 BTC, bob 500+300 USDT, bob 11.998+0 BTC",
    ),
    Case(
        "an order that rested after taking pays the maker rate for what it makes",
        "bob sells 1 at 100, ada buys 2 at 100, bob sells 1 at 100",
        "ada 800+0 USDT, ada 11.997+0 BTC, bob 1199.7+0 USDT, fees 0.3+0 USDT, fees 0.003+0 BTC",
    ),
    Case(
        "a free side pays nothing",
        "bob sells 1 at 100, ada buys 1 at 100",
        "ada 900+0 USDT, ada 10.998+0 BTC, bob 1100+0 USDT, fees 0+0 USDT, fees 0.002+0 BTC",
        maker_rate="0",
    ),
    Case(
        "trading with oneself costs both fees",
        "ada sells 1 at 100 as other, ada buys 1 at 100",
        "ada 999.9+0 USDT, ada 9.998+0 BTC, fees 0.1+0 USDT, fees 0.002+0 BTC",
    ),
    Case(
        "the fee account pays its own fees to itself",
        "bob sells 1 at 100, ada deposits 100 USDT as a, fees deposits 100 USDT as b, fees buys 1 at 100",
        "fees 0.1+0 USDT, fees 1+0 BTC, bob 1099.9+0 USDT",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fee(venue: Venue, case: Case) -> None:
    scenario = Scenario(venue, market(case.maker_rate, case.taker_rate), FUNDS)
    for outcome in scenario.play(case.orders):
        assert outcome.refusal is None
    assert scenario.balances(like=case.balances) == case.balances


@pytest.mark.parametrize(
    ("quantity", "rate", "fee"),
    [
        # The buyer receives the quantity; the fee is quantity times rate in units of 0.00000001.
        ("0.00000049", "0.01", "0"),
        ("0.0000005", "0.01", "0.00000001"),
        ("0.00000149", "0.01", "0.00000001"),
        ("0.0000015", "0.01", "0.00000002"),
        ("0.00000004", "0.1", "0"),
        ("0.00000005", "0.1", "0.00000001"),
        ("0.00000001", "0.1", "0"),
        # The dialect's worked example rounds 0.040229875 like this.
        ("0.40229875", "0.1", "0.04022988"),
        ("0.99999999", "0.00000001", "0.00000001"),
        ("0.49999999", "0.00000001", "0"),
        ("0.5", "0.00000001", "0.00000001"),
    ],
)
def test_fees_round_half_up(venue: Venue, quantity: str, rate: str, fee: str) -> None:
    """Goal: the boundary of rounding on either side, seen from the fee account and from both parties."""
    scenario = Scenario(venue, market("0", rate, tick_size_e8=10**8, step_size_e8=1), FUNDS)
    _, outcome = scenario.play(f"bob sells {quantity} at 1, ada buys {quantity} at 1")
    assert [plain(trade.taker_fee_e8) for trade in outcome.trades] == [fee]
    assert scenario.balance("fees", "BTC") == f"fees {fee}+0 BTC"
    received = parse_e8(quantity) - parse_e8(fee)
    assert scenario.balance("ada", "BTC") == f"ada {plain(10 * 10**8 + received)}+0 BTC"


def test_each_trade_rounds_on_its_own(venue: Venue) -> None:
    """Goal: two fees of 0.4 units are two zeros, not one 1."""
    scenario = Scenario(venue, market("0", "0.1", tick_size_e8=10**8, step_size_e8=1), FUNDS)
    scenario.play("bob sells 0.00000004 at 1, bob sells 0.00000004 at 1, ada buys 0.00000008 at 1")
    assert scenario.balance("fees", "BTC") == "fees 0+0 BTC"


def test_trades_report_their_fees(venue: Venue) -> None:
    scenario = Scenario(venue, market("0.001", "0.002"), FUNDS)
    _, outcome = scenario.play("bob sells 1 at 100, ada buys 1 at 100")
    assert [(trade.taker_fee_e8, trade.maker_fee_e8) for trade in outcome.trades] == [(200_000, 10_000_000)]


def test_a_new_rate_holds_from_the_next_trade_on_for_resting_orders_too(venue: Venue) -> None:
    scenario = Scenario(venue, market("0.001", "0.002"), FUNDS)
    scenario.play("bob sells 2 at 100, ada buys 1 at 100")
    scenario.apply(DefineMarket(market("0.05", "0")))
    scenario.play("ada buys 1 at 100")
    assert scenario.balances(like="fees 0+0 USDT, fees 0+0 BTC") == "fees 5.1+0 USDT, fees 0.002+0 BTC"
