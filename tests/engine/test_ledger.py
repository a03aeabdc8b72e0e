"""A reference gets the same answer however long ago it was used, and however many movements there were since."""

import pytest

from services.domain.commands import (
    CancelAllOrders,
    Command,
    Deposit,
    HoldWithdrawal,
    RejectWithdrawal,
    SettleWithdrawal,
    TransferFunds,
    Withdraw,
)
from services.domain.protocol import Applied, Refused
from services.domain.refusals import Refusal
from services.engine import ledger
from services.engine.core.exchange import Exchange
from services.engine.core.transfers import TRANSFER_WINDOW, Moved
from services.engine.runner import Engine
from tests.engine.conftest import ALICE, BOB, StartEngine, active, submit

FIRST: list[Command] = [
    Deposit(ALICE, "USDT", 1_000, "in"),
    Withdraw(ALICE, "USDT", 100, "out"),
    TransferFunds(ALICE, BOB, "USDT", 100, "gift"),
    HoldWithdrawal(ALICE, "USDT", 100, 2, "settled"),
    SettleWithdrawal("settled"),
    HoldWithdrawal(ALICE, "USDT", 100, 2, "rejected"),
    RejectWithdrawal("rejected"),
    HoldWithdrawal(ALICE, "USDT", 100, 2, "held"),
]
SAME, DIFFERENT, UNKNOWN = (
    Refusal.REFERENCE_ALREADY_USED,
    Refusal.REFERENCE_USED_DIFFERENTLY,
    Refusal.UNKNOWN_WITHDRAWAL,
)
AGAIN: list[tuple[Command, Refusal]] = [
    *((command, SAME) for command in FIRST if not isinstance(command, SettleWithdrawal | RejectWithdrawal)),
    (Deposit(ALICE, "USDT", 1_001, "in"), DIFFERENT),
    (Deposit(ALICE, "USDT", 100, "out"), DIFFERENT),
    (Withdraw(ALICE, "USDT", 100, "settled"), DIFFERENT),
    (TransferFunds(ALICE, ALICE, "USDT", 100, "gift"), DIFFERENT),
    (HoldWithdrawal(ALICE, "USDT", 100, 3, "rejected"), DIFFERENT),
    (SettleWithdrawal("settled"), Refusal.WITHDRAWAL_ALREADY_SETTLED),
    (RejectWithdrawal("rejected"), Refusal.WITHDRAWAL_ALREADY_REJECTED),
    (SettleWithdrawal("in"), UNKNOWN),
    (SettleWithdrawal("never"), UNKNOWN),
]


@pytest.mark.parametrize("have_left_the_window", [False, True])
async def test_a_repeat_is_answered_alike_within_the_window_and_beyond(
    start_engine: StartEngine, have_left_the_window: bool
) -> None:
    async with start_engine() as engine:
        assert all(isinstance(reply, Applied) for reply in await submit(engine, *FIRST))
        if have_left_the_window:
            await fill_window(engine)
            transfers = active(engine).exchange.transfers
            assert transfers.may_forget(1)
            assert not transfers.window.keys() & {"in", "out", "gift", "settled", "rejected"}
        before, epoch = active(engine).sequence, active(engine).lease.epoch
        replies = await submit(engine, *(command for command, _ in AGAIN))
        assert replies == [Refused(refusal) for _, refusal in AGAIN]
        assert (active(engine).sequence, active(engine).lease.epoch) == (before, epoch)
        (reply,) = await submit(engine, SettleWithdrawal("held"))
        assert isinstance(reply, Applied)


async def fill_window(engine: Engine) -> None:
    for first in range(0, TRANSFER_WINDOW, 2_000):
        await submit(engine, *(Deposit(BOB, "USDT", 1, f"later-{first + i}") for i in range(2_000)))


def test_the_ledger_is_asked_only_when_the_core_may_have_forgotten() -> None:
    transfers = Exchange().transfers
    assert ledger.references_to_look_up(transfers, FIRST) == []
    for number in range(TRANSFER_WINDOW - 5):
        transfers.window[str(number)] = Moved(ALICE, "USDT", 1)
    assert ledger.references_to_look_up(transfers, FIRST[:5]) == []
    assert ledger.references_to_look_up(transfers, FIRST[:6]) == ["in", "out", "gift", *["settled"] * 2, "rejected"]
    assert ledger.references_to_look_up(transfers, [CancelAllOrders(ALICE, "BTCUSDT", "all")]) == []
