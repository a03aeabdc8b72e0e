"""Withdrawals from the request to the end, whichever that is."""

from services.domain.money import ONE_E8
from tests.backoffice.people import ADMIN, WALLET, Town


def test_a_small_withdrawal_is_approved_at_once_and_settled_by_an_operator(town: Town) -> None:
    user, treasurer = town.join(USDT="1000"), town.staff("treasurer")
    asked = user.withdraw("100")
    assert (asked["status"], asked["amount"], asked["fee"]) == ("APPROVED", "99.00000000", "1.00000000")
    assert town.balance(user.account_id, "USDT") == (900 * ONE_E8, 0, 100 * ONE_E8)
    path = f"{ADMIN}/withdrawals/{asked['withdrawalId']}"
    settled = treasurer.post(f"{path}/settle", txId="tx-1", reason="sent by hand")
    assert (settled["status"], settled["txId"]) == ("COMPLETED", "tx-1")
    assert town.balance(user.account_id, "USDT") == (900 * ONE_E8, 0, 0)
    # Again is no more, and another transaction is a mistake.
    assert treasurer.post(f"{path}/settle", txId="tx-1", reason="sent by hand")["status"] == "COMPLETED"
    assert treasurer.refused("POST", f"{path}/settle", txId="tx-2", reason="again") == "tx_id_differs"
    assert user.refused("POST", f"{WALLET}/withdrawals/{asked['withdrawalId']}/cancel") == "wrong_status"
