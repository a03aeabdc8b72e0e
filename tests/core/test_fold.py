"""Goal: the events alone rebuild everything outside the core, however often one of them is seen."""

import msgspec
import pytest

from services.domain.events import Event
from services.domain.orders import Side
from services.engine.core.exchange import Exchange
from tests.core.fold import Fold, StrictFold, check_fold
from tests.core.streams import RandomCommands, run

decode_events = msgspec.msgpack.Decoder(list[Event]).decode


@pytest.mark.parametrize("seed", [31, 32])
def test_the_fold_of_all_events_is_the_state(seed: int) -> None:
    """The events pass through bytes, as they do in the journal and in the stream to other services."""
    exchange = Exchange()
    fold = StrictFold()
    for _, events in run(exchange, RandomCommands(seed), 4_000):
        fold.apply(decode_events(msgspec.msgpack.encode(events)))
    check_fold(fold, exchange)
    assert fold.open_orders(), "a run that leaves nothing open proves little"


def test_applying_events_twice_does_no_harm() -> None:
    exchange = Exchange()
    fold = Fold()
    for _, events in run(exchange, RandomCommands(33), 3_000):
        fold.apply(events)
        fold.apply(events)
    check_fold(fold, exchange)


def test_levels_are_the_sums_of_the_open_orders() -> None:
    """Goal: order events and book events tell the same story, each without the other."""
    fold = Fold()
    for _, events in run(Exchange(), RandomCommands(34), 3_000):
        fold.apply(events)
    sums: dict[tuple[str, Side], dict[int, int]] = {key: {} for key in fold.levels}
    for state in fold.open_orders().values():
        levels = sums[state.symbol, state.side]
        levels[state.price_e8] = levels.get(state.price_e8, 0) + state.quantity_e8 - state.executed_e8
    assert sums == fold.levels
    assert any(len(levels) > 1 for levels in sums.values())
