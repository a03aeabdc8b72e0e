"""Goal: an exchange restored from its snapshot answers every later command as the original would have."""

import msgspec
import pytest

from services.domain.events import OrderCanceled
from services.domain.refusals import Refusal
from services.engine.core.exchange import Exchange
from services.engine.core.snapshot import ExchangeSnapshot, capture, restore, state_hash
from tests.core.invariants import check_exchange
from tests.core.scenario import Scenario
from tests.core.streams import RandomCommands, run, take
from tests.core.venue import CoreVenue

FUNDS = "ada 1000 USDT, ada 10 BTC, bob 1000 USDT, bob 10 BTC, cleo 1000 USDT, cleo 10 BTC"


def restart(exchange: Exchange) -> Exchange:
    """Through bytes, as a snapshot travels."""
    encoded = msgspec.msgpack.encode(capture(exchange))
    return restore(msgspec.msgpack.decode(encoded, type=ExchangeSnapshot))


def restarted_scenario(play: str) -> tuple[Scenario, CoreVenue]:
    core = CoreVenue()
    scenario = Scenario(core, funds=FUNDS)
    assert {outcome.refusal for outcome in scenario.play(play)} == {None}
    core.exchange = restart(core.exchange)
    return scenario, core


@pytest.mark.parametrize("before", [0, 1, 40, 500, 2_000])
def test_the_stream_goes_on_as_if_nothing_had_happened(before: int) -> None:
    original = Exchange()
    commands = RandomCommands(21)
    run(original, commands, before)
    restored = restart(original)
    for timed in take(commands, 1_000, original):
        expected, actual = original.apply(*timed), restored.apply(*timed)
        assert msgspec.msgpack.encode(actual) == msgspec.msgpack.encode(expected), timed
    assert state_hash(capture(restored)) == state_hash(capture(original))
    check_exchange(restored)


def test_restarting_after_every_command_changes_nothing() -> None:
    steady, restless = Exchange(), Exchange()
    for timed in take(RandomCommands(22), 600, steady):
        assert restless.apply(*timed) == steady.apply(*timed)
        restless = restart(restless)
        check_exchange(restless)
    assert state_hash(capture(restless)) == state_hash(capture(steady))


def test_a_restored_state_has_the_bytes_it_was_restored_from() -> None:
    exchange = Exchange()
    for timed in take(RandomCommands(23), 1_000, exchange):
        exchange.apply(*timed)
    assert msgspec.msgpack.encode(capture(restart(exchange))) == msgspec.msgpack.encode(capture(exchange))


def test_what_was_captured_does_not_change_with_the_exchange() -> None:
    """Goal: a snapshot may be encoded later, while the exchange goes on."""
    exchange = Exchange()
    commands = RandomCommands(24)
    run(exchange, commands, 800)
    snapshot = capture(exchange)
    before = msgspec.msgpack.encode(snapshot)
    run(exchange, commands, 400)
    assert msgspec.msgpack.encode(snapshot) == before
    assert msgspec.msgpack.encode(capture(exchange)) != before


def test_the_queue_at_a_price_survives() -> None:
    scenario, _ = restarted_scenario(
        "bob sells 1 at 100, cleo sells 1 at 100, bob sells 1 at 100, ada buys 0.5 at 100, cleo sells 1 at 99"
    )
    (outcome,) = scenario.play("ada buys 3 at 100")
    assert (
        scenario.trades(outcome)
        == "1 at 99 with cleo2, 0.5 at 100 with bob1, 1 at 100 with cleo1, 0.5 at 100 with bob2"
    )


def test_cancel_all_still_reports_the_oldest_first() -> None:
    """Goal: the snapshot lists orders by price, but what it restores goes by age."""
    scenario, core = restarted_scenario(
        "ada buys 1 at 90, ada sells 1 at 120, ada buys 1 at 95, ada sells 1 at 110, ada buys 1 at 85"
    )
    scenario.play("ada cancels all")
    canceled = [event.order.order_id for event in core.events if isinstance(event, OrderCanceled)]
    assert canceled == [1, 2, 3, 4, 5]


def test_counters_names_references_and_the_last_price_survive() -> None:
    scenario, core = restarted_scenario(
        "bob sells 2 at 100 as his, ada buys 1 at 100, ada buys 1 at 1 FOK, ada buys 1 at 90 as hers,"
        "ada deposits 1 BTC as paid"
    )
    scenario.define(min_notional_e8=200 * 10**8, max_open_orders=1)
    assert [
        scenario.result(outcome) for outcome in scenario.play("cleo buys 1.999 at market, cleo buys 2 at market")
    ] == [
        "refused NOTIONAL",
        "EXPIRED 1 for 100 INSUFFICIENT_LIQUIDITY",
    ]
    outcomes = scenario.play("ada deposits 1 BTC as paid, ada buys 1 at 80 as hers, ada buys 5 at 80, ada cancels hers")
    assert [outcome.refusal for outcome in outcomes] == [
        Refusal.REFERENCE_ALREADY_USED,
        Refusal.DUPLICATE_CLIENT_ORDER_ID,
        Refusal.MAX_NUM_ORDERS,
        None,
    ]
    assert outcomes[-1].update_id == 5
    assert core.exchange.listings["BTCUSDT"].last_trade_id == 2
    assert core.exchange.last_order_id == 5


def test_transfers_are_forgotten_in_the_order_they_came() -> None:
    core = CoreVenue()
    scenario = Scenario(core)
    scenario.play("ada deposits 3 BTC as zz, ada deposits 1 BTC as aa, ada withdraws 1 BTC as mm")
    assert list(restart(core.exchange).transfers.window) == ["zz", "aa", "mm"]


def test_an_empty_exchange_can_be_captured() -> None:
    assert state_hash(capture(restart(Exchange()))) == state_hash(capture(Exchange()))
