"""Goal: whatever dies when, the core conserves every asset and does each acknowledged movement exactly once.

Method: the engine's pipeline without its disks. A batch is applied, then committed or lost, and its reply heard or
lost; a killed engine comes back from its last snapshot and the journal, as ``services.engine.recovery`` does it.
"""

from random import Random

import msgspec

from services.domain.commands import Command, DefineMarket, Deposit, TransferFunds
from services.domain.events import Event
from services.domain.market import Market
from services.domain.money import ONE_E8
from services.domain.protocol import Applied, Refused, Reply
from services.domain.refusals import Refusal
from services.engine.core.exchange import Exchange
from services.engine.core.snapshot import ExchangeSnapshot, capture, restore, state_hash
from services.engine.projection import Projection
from tests.core.invariants import check_exchange
from tests.money.movers import SYMBOL, Mover

MOVEMENTS = 10_000
SEED = 20261130
ACCOUNTS = [1, 11, 12, 13, 14, 15]
MARKET = Market(
    symbol=SYMBOL, base_asset="BTC", quote_asset="USDT", tick_size_e8=ONE_E8 // 100, step_size_e8=ONE_E8 // 1000
)
KILL_CHANCE = 0.05
SNAPSHOT_CHANCE = 0.02

Batch = list[tuple[Command, list[Event]]]


class MortalEngine:
    """``journal`` and ``snapshot`` outlive it; ``exchange`` does not."""

    def __init__(self, seed: int) -> None:
        self.journal: list[tuple[Batch, int]] = []
        self.exchange = Exchange()
        self.kills = 0
        self._random = Random(seed)
        self._snapshot: tuple[int, bytes] | None = None

    def ask(self, commands: list[Command]) -> list[Reply] | None:
        """Carry out a parcel, unless it is killed before, while or after it commits."""
        time_us = 1_000_000 * (len(self.journal) + 1)
        batch: Batch = []
        replies: list[Reply] = []
        for command in commands:
            outcome = self.exchange.apply(command, time_us)
            if isinstance(outcome, Refusal):
                replies.append(Refused(outcome))
            else:
                batch.append((command, outcome))
                replies.append(Applied(len(self.journal) + 1, time_us, outcome))
        if self._random.random() < KILL_CHANCE:
            if self._random.random() < 0.5:
                self.journal.append((batch, time_us))
            self._recover()
            return None
        self.journal.append((batch, time_us))
        if self._random.random() < SNAPSHOT_CHANCE:
            self._snapshot = len(self.journal), msgspec.msgpack.encode(capture(self.exchange))
        return replies

    def _recover(self) -> None:
        self.kills += 1
        begin, exchange = 0, Exchange()
        if self._snapshot is not None:
            begin, state = self._snapshot
            exchange = restore(msgspec.msgpack.decode(state, type=ExchangeSnapshot))
        for batch, time_us in self.journal[begin:]:
            for command, events in batch:
                assert exchange.apply(command, time_us) == events
        self.exchange = exchange
        check_exchange(exchange)


def test_random_movements_with_random_kills() -> None:
    engine = MortalEngine(SEED)
    opening: list[Command] = [DefineMarket(MARKET)]
    opening += [Deposit(account_id, "USDT", 10**12, f"opening-{account_id}") for account_id in ACCOUNTS]
    while engine.ask(opening) is None:
        pass
    movers = [Mover(f"mover{number}", ACCOUNTS, SEED + number) for number in range(3)]
    while sum(mover.movements for mover in movers) < MOVEMENTS or not all(mover.is_certain for mover in movers):
        for mover in movers:
            mover.hear(engine.ask(mover.parcel(8)))
    check_exchange(engine.exchange)
    check_told(engine, movers)
    assert engine.kills > 20
    assert min(mover.doubted for mover in movers) > 20 and min(mover.repeated for mover in movers) > 20


def check_told(engine: MortalEngine, movers: list[Mover]) -> None:
    """The journal holds what was acknowledged, each once, and nothing that was refused."""
    projection, replayed = Projection(), Exchange()
    for batch, time_us in engine.journal:
        for command, events in batch:
            assert replayed.apply(command, time_us) == events
            projection.fold(events)
    assert state_hash(capture(replayed)) == state_hash(capture(engine.exchange))
    lines = [line[:5] for line in projection.transfers if not line[0].startswith("opening")]
    assert sorted(lines) == sorted(line for mover in movers for line in mover.lines())
    statuses = {reference: row[-1] for reference, row in projection.withdrawals.items()}
    assert statuses == {name: status for mover in movers for name, status in mover.withdrawals().items()}
    supply: dict[str, int] = {}
    for _, _, asset, amount, *_ in projection.transfers:
        supply[asset] = supply.get(asset, 0) + amount
    assert supply == engine.exchange.accounts.supply
    assert any(trade.taker_fee_e8 for trade in projection.trades)
    assert any(isinstance(command, TransferFunds) for mover in movers for command in mover.done.values())
