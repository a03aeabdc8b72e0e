"""Deposits: addresses, what providers report, and what operators credit."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from services.domain.money import ONE_E8
from tests.backoffice.people import ADMIN, WALLET, Person, Town


def arrival(user: Person, tx_id: str, **more: Any) -> dict[str, Any]:
    address = user.get(f"{WALLET}/deposit-address", asset="BTC")["address"]
    body = {"asset": "BTC", "network": "CROSSBOOK", "txId": tx_id, "address": address, "amount": "0.5"}
    return {**body, "confirmations": 1, **more}


def test_an_address_is_made_on_first_ask_and_stays(town: Town) -> None:
    user, other = town.join(), town.join()
    with ThreadPoolExecutor(4) as pool:
        asked = list(pool.map(lambda _: user.get(f"{WALLET}/deposit-address", asset="BTC"), range(4)))
    assert len({found["address"] for found in asked}) == 1
    assert asked[0]["network"] == "CROSSBOOK"
    assert asked[0]["address"] != other.get(f"{WALLET}/deposit-address", asset="BTC")["address"]
    assert asked[0]["address"] != user.get(f"{WALLET}/deposit-address", asset="ETH")["address"]
    assert user.ask("GET", f"{WALLET}/deposit-address", params={"asset": "NOPE"}).json()["code"] == "unknown_asset"


def test_a_webhook_delivered_five_times_credits_once(town: Town) -> None:
    user, provider = town.join(), town.provider()
    body = arrival(user, f"five-{user.account_id}")
    assert provider.report("/deposits/webhook", **{**body, "confirmations": 0})["status"] == "PENDING"
    assert town.balance(user.account_id, "BTC") == (0, 0, 0)
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: provider.send("/deposits/webhook", body), range(5)))
    assert {answer.status_code for answer in answers} == {httpx.codes.OK}
    (deposit,) = user.get(f"{WALLET}/deposits")
    assert (deposit["status"], deposit["amount"], deposit["confirmations"]) == ("CREDITED", "0.50000000", 1)
    assert town.balance(user.account_id, "BTC") == (ONE_E8 // 2, 0, 0)
    # Another output of the same transaction is another deposit; the same one cannot be worth more.
    provider.report("/deposits/webhook", **body, index=1)
    assert town.balance(user.account_id, "BTC") == (ONE_E8, 0, 0)
    differs = provider.send("/deposits/webhook", {**body, "amount": "5"})
    assert differs.json()["code"] == "deposit_differs"


def test_confirmations_never_go_back(town: Town) -> None:
    user, provider = town.join(), town.provider()
    body = arrival(user, f"back-{user.account_id}")
    provider.report("/deposits/webhook", **{**body, "confirmations": 7})
    provider.report("/deposits/webhook", **body)
    assert user.get(f"{WALLET}/deposits")[0]["confirmations"] == 7


def test_money_for_nobody_waits_for_an_operator(town: Town) -> None:
    user, treasurer, provider = town.join(), town.staff("treasurer"), town.provider()
    lost = arrival(user, f"lost-{user.account_id}", address="nowhere-known")
    found = provider.report("/deposits/webhook", **lost)
    assert found["status"] == "UNMATCHED"
    path = f"{ADMIN}/deposits/{found['depositId']}/match"
    matched = treasurer.post(path, accountId=user.account_id, reason="the sender proved it")
    assert (matched["status"], matched["accountId"]) == ("CREDITED", user.account_id)
    assert treasurer.refused("POST", path, accountId=user.account_id, reason="again") == "wrong_status"
    assert provider.report("/deposits/webhook", **lost)["status"] == "CREDITED"
    assert town.balance(user.account_id, "BTC") == (ONE_E8 // 2, 0, 0)


def test_an_operator_credits_once_per_reference(town: Town) -> None:
    user, treasurer = town.join(), town.staff("treasurer")
    body = {"accountId": user.account_id, "asset": "ETH", "amount": "2", "reference": f"bank-{user.account_id}"}
    for _ in range(2):
        assert treasurer.post(f"{ADMIN}/deposits", **body, reason="bank transfer")["status"] == "CREDITED"
    assert town.balance(user.account_id, "ETH") == (2 * ONE_E8, 0, 0)
    more = {**body, "amount": "3", "reason": "bank transfer"}
    assert treasurer.refused("POST", f"{ADMIN}/deposits", **more) == "deposit_differs"


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        ({"X-Crossbook-Signature": "0" * 64}, "invalid_signature"),
        ({"X-Crossbook-Signature": "\u00e9"}, "invalid_signature"),
        ({"X-Crossbook-Provider": "nobody"}, "invalid_signature"),
        ({"X-Crossbook-Timestamp": "1"}, "invalid_signature"),
        ({"X-Crossbook-Timestamp": "9" * 13}, "invalid_request"),
    ],
)
def test_a_request_that_is_not_signed_changes_nothing(town: Town, spoil: dict[str, str], code: str) -> None:
    user, provider = town.join(), town.provider()
    headers = {name: value.encode("latin-1").decode("latin-1") for name, value in spoil.items()}
    body = arrival(user, f"unsigned-{user.account_id}")
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    sent = provider.send("/deposits/webhook", body)
    assert sent.is_success
    spoiled = [pair for pair in sent.request.headers.raw if pair[0].lower() not in {n.lower() for n, _ in encoded}]
    answer = town.http.send(
        httpx.Request("POST", sent.request.url, headers=[*spoiled, *encoded], content=sent.request.content)
    )
    assert answer.json()["code"] == code


@pytest.mark.parametrize("late_s", [-301, 301])
def test_an_old_request_cannot_be_played_again(town: Town, late_s: int) -> None:
    user, provider = town.join(), town.provider()
    body = arrival(user, f"old-{user.account_id}")
    assert provider.send("/deposits/webhook", body, at_s=time.time() + late_s).json()["code"] == "too_old"
    assert user.get(f"{WALLET}/deposits") == []


def test_a_body_that_is_too_large_is_refused_before_anything_reads_it(town: Town) -> None:
    answer = town.provider().send("/deposits/webhook", {"note": "x" * 70_000})
    assert answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE
