"""What entries mean to people: one message for a sweep, and nothing that an unknown event could stop."""

import msgspec
import pytest

from services.domain.orders import ExpiryReason, OrderStatus
from services.notifier.journal_notices import Entry, told_by
from services.notifier.journal_source import JournalGap, check_continuity

from .journal import TIME_US, deposit, encoded, fill, order


def entry(sequence: int, events: bytes) -> Entry:
    return Entry(sequence, TIME_US, events)


def test_a_sweep_of_fifty_fills_is_one_message() -> None:
    sweep = [fill(2000, 3000 + number, number) for number in range(1, 51)]
    told = told_by([entry(7, encoded([*sweep[:30]])), entry(8, encoded([*sweep[30:]]))])
    mine = [notice for notice in told.orders if notice.account_id == 2000]
    assert len(mine) == 1
    assert (
        mine[0].data
        | {
            "fills": 50,
            "quantity": "50.00000000",
            "quoteQuantity": "5000.00000000",
            "averagePrice": "100.00000000",
            "status": "FILLED",
            "executedQuantity": "50.00000000",
        }
        == mine[0].data
    )
    assert mine[0].source_id == "filled:BTCUSDT:1:50"
    assert len({notice.notice_id for notice in told.orders}) == len(told.orders) == 51


def test_the_same_entries_give_the_same_ids() -> None:
    entries = [entry(7, encoded([fill(2000, 3000, 1)], deposit(2000)))]
    first, again = told_by(entries), told_by(entries)
    assert [notice.notice_id for notice in first.orders + first.money] == [
        notice.notice_id for notice in again.orders + again.money
    ]


def test_an_order_that_expires_says_why() -> None:
    from services.domain.events import OrderExpired

    state = order(2000, 4, status=OrderStatus.EXPIRED, reason=ExpiryReason.UNFILLED_FOK_ORDER_EXPIRED)
    [notice] = told_by([entry(1, encoded([OrderExpired(state)]))]).orders
    assert notice.kind == "ORDER_EXPIRED"
    assert notice.data["reason"] == "UNFILLED_FOK_ORDER_EXPIRED"


@pytest.mark.parametrize(
    ("event", "kind", "status"),
    [
        (["WithdrawalHeld", 2000, "BTC", 100, 1, "w1"], "WITHDRAWAL", "HELD"),
        (["WithdrawalSettled", 2000, "BTC", 100, 1, "w1"], "WITHDRAWAL", "SETTLED"),
        (["WithdrawalRejected", 2000, "BTC", 100, 1, "w1", "a field of a later version"], "WITHDRAWAL", "REJECTED"),
        (["FundsWithdrawn", 2000, "BTC", 100, "w1"], "WITHDRAWAL", "SETTLED"),
        (["AccountStatusSet", 2000, "FROZEN"], "ACCOUNT_STATUS", "FROZEN"),
    ],
)
def test_what_concerns_money_and_the_account(event: list[object], kind: str, status: str) -> None:
    [notice] = told_by([entry(1, msgspec.msgpack.encode([[event]]))]).money
    assert (notice.account_id, notice.kind, notice.data["status"]) == (2000, kind, status)


def test_both_sides_of_a_transfer_are_told() -> None:
    event = ["FundsTransferred", 2000, 2001, "BTC", 100, "t1"]
    sent, received = told_by([entry(1, msgspec.msgpack.encode([[event]]))]).money
    assert (sent.account_id, sent.data["direction"]) == (2000, "SENT")
    assert (received.account_id, received.data["direction"]) == (2001, "RECEIVED")
    assert sent.notice_id != received.notice_id


def test_unknown_and_unreadable_events_stop_nothing() -> None:
    strange = [["FromTheFuture", {"any": "thing"}], ["FundsDeposited", "not an account"], ["OrderFilled", 1]]
    events = msgspec.msgpack.encode([strange, deposit(2000)])
    told = told_by([entry(9, events)])
    assert [notice.kind for notice in told.money] == ["DEPOSIT"]
    assert [(one.sequence, one.kind) for one in told.unreadable] == [(9, "FundsDeposited"), (9, "OrderFilled")]


def test_the_exchange_does_not_write_to_itself() -> None:
    assert told_by([entry(1, encoded(deposit(1), [fill(1, 2, 1)]))]) == told_by([])


def test_a_missing_entry_is_noticed() -> None:
    check_continuity(4, [entry(5, b""), entry(6, b"")])
    with pytest.raises(JournalGap, match="entry 6 is missing"):
        check_continuity(4, [entry(5, b""), entry(7, b"")])
    with pytest.raises(JournalGap, match="entry 5 is missing"):
        check_continuity(4, [entry(6, b"")])
