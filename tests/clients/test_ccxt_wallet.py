"""ccxt with its stock settings moves money in and out."""

import ccxt  # type: ignore[import-untyped]
import pytest

from tests.backoffice.people import Town, withdrawing_account
from tests.clients.conftest import Connect, Exchange, NewAccount
from tests.running import RunningSystem


@pytest.fixture
def exchange(system: RunningSystem, connect: Connect) -> Exchange:
    account = withdrawing_account(system, USDT="1000")
    return connect(account.api_key, account.secret_key)


def test_the_networks_of_assets(exchange: Exchange) -> None:
    exchange.load_markets()
    network = exchange.currencies["USDT"]["networks"]["CROSSBOOK"]
    assert (network["deposit"], network["withdraw"], network["fee"]) == (True, True, 1.0)
    assert network["limits"]["withdraw"]["min"] == 10.0
    fees = exchange.fetch_deposit_withdraw_fees(["USDT"])
    assert fees["USDT"]["networks"]["CROSSBOOK"]["withdraw"]["fee"] == 1.0


def test_a_deposit(exchange: Exchange, town: Town) -> None:
    address = exchange.fetch_deposit_address("BTC")
    assert (address["currency"], address["tag"]) == ("BTC", None)
    body = {"asset": "BTC", "network": "CROSSBOOK", "txId": f"ccxt-{address['address']}", "amount": "0.25"}
    town.provider().report("/deposits/webhook", **body, address=address["address"], confirmations=1)
    (deposit,) = exchange.fetch_deposits("BTC")
    assert (deposit["amount"], deposit["status"], deposit["txid"]) == (0.25, "ok", body["txId"])
    assert deposit["address"] == address["address"]
    assert exchange.fetch_balance()["BTC"]["free"] == 0.25


def test_a_withdrawal(exchange: Exchange, town: Town) -> None:
    made = exchange.withdraw("USDT", 100, "somewhere", params={"withdrawOrderId": f"mine-{exchange.apiKey[:8]}"})
    (pending,) = exchange.fetch_withdrawals("USDT")
    assert (pending["id"], pending["amount"], pending["status"]) == (made["id"], 99.0, "pending")
    assert pending["fee"] == {"currency": "USDT", "cost": 1.0}
    assert exchange.fetch_balance()["USDT"]["free"] == 900.0
    town.provider().report("/payouts/webhook", withdrawalId=int(made["id"]), status="SENT", txId="sent-1")
    (done,) = exchange.fetch_withdrawals("USDT")
    assert (done["status"], done["txid"]) == ("ok", "sent-1")
    assert exchange.sapiGetCapitalWithdrawAddressList() == []


@pytest.mark.parametrize(("amount", "code"), [(5000, -4026), (1, -4022), (99999999, -4023)])
def test_refusals_have_the_dialect_s_codes(exchange: Exchange, amount: float, code: int) -> None:
    with pytest.raises(ccxt.BadRequest, match=str(code)):
        exchange.withdraw("USDT", amount, "somewhere")


def test_a_key_that_may_only_trade_cannot_withdraw(connect: Connect, new_account: NewAccount) -> None:
    account = new_account(USDT="1000")
    with pytest.raises(ccxt.AuthenticationError):
        connect(account.api_key, account.secret_key).withdraw("USDT", 100, "somewhere")
