"""python-binance moves money in and out."""

from collections.abc import Iterator

import pytest
from binance import Client  # type: ignore[import-untyped]
from binance.exceptions import BinanceAPIException  # type: ignore[import-untyped]

from tests.backoffice.people import Town, withdrawing_account
from tests.running import RunningSystem


@pytest.fixture
def client(system: RunningSystem, binance_address: None, _event_loop: None) -> Iterator[Client]:
    account = withdrawing_account(system, USDT="1000")
    client = Client(account.api_key, account.secret_key)
    yield client
    client.close_connection()


def test_a_deposit(client: Client, town: Town) -> None:
    address = client.get_deposit_address("BTC", network="CROSSBOOK")
    assert (address["coin"], address["tag"]) == ("BTC", "")
    body = {"asset": "BTC", "network": "CROSSBOOK", "txId": f"binance-{address['address']}", "amount": "0.25"}
    town.provider().report("/deposits/webhook", **body, address=address["address"], confirmations=1)
    (deposit,) = client.get_deposit_history(coin="BTC", status=1)
    assert (deposit["amount"], deposit["txId"], deposit["confirmTimes"]) == ("0.25000000", body["txId"], "1/1")
    assert client.get_deposit_history(coin="BTC", status=0) == []


def test_a_withdrawal(client: Client, town: Town) -> None:
    wanted = {"coin": "USDT", "address": "somewhere", "amount": "100", "withdrawOrderId": "mine"}
    made = client.withdraw(**wanted)
    assert client.withdraw(**wanted) == made, "with the same withdrawOrderId it happens once"
    assert client.get_withdraw_history(withdrawOrderId="mine")[0]["status"] == 4
    town.provider().report("/payouts/webhook", withdrawalId=int(made["id"]), status="SENT", txId="sent-2")
    (done,) = client.get_withdraw_history(coin="USDT", status=6)
    assert (done["id"], done["txId"], done["amount"]) == (made["id"], "sent-2", "99.00000000")
    assert client.get_withdraw_history_id(made["id"]) == done
    owned = {row["asset"]: row["free"] for row in client.get_user_asset()}
    assert owned == {"USDT": "900.00000000"}
    assert client.funding_wallet() == []
    assert client.get_account_api_permissions()["enableWithdrawals"] is True


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"coin": "NOPE"}, -4018),
        ({"coin": "A_B"}, -4018),
        ({"network": "MARS"}, -4018),
        ({"amount": "0.000000001"}, -1111),
        ({"amount": "1"}, -4022),
        ({"amount": "5000"}, -4026),
        ({"address": "x"}, -4007),
        ({"amount": "90000000"}, -4023),
    ],
)
def test_refusals_have_the_dialect_s_codes(client: Client, change: dict[str, str], code: int) -> None:
    with pytest.raises(BinanceAPIException) as caught:
        client.withdraw(**({"coin": "USDT", "address": "somewhere", "amount": "100"} | change))
    assert caught.value.code == code
