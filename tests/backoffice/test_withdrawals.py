"""Withdrawals from the request to the end, whichever that is."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from services.domain.money import ONE_E8
from tests.backoffice.people import ADMIN, WALLET, Person, Town

AWAITING = "AWAITING_APPROVAL"


def decide(staff: Person, withdrawal: Any, step: str, **more: Any) -> Any:
    return staff.post(f"{ADMIN}/withdrawals/{withdrawal['withdrawalId']}/{step}", reason="looked at it", **more)


def refusal(staff: Person, withdrawal: Any, step: str, **more: Any) -> str:
    path = f"{ADMIN}/withdrawals/{withdrawal['withdrawalId']}/{step}"
    return staff.refused("POST", path, reason="looked at it", **more)


def test_a_small_withdrawal_is_approved_at_once_and_settled_by_an_operator(town: Town) -> None:
    user, treasurer = town.join(USDT="1000"), town.staff("treasurer")
    asked = user.withdraw("100")
    assert (asked["status"], asked["amount"], asked["fee"]) == ("APPROVED", "99.00000000", "1.00000000")
    assert town.balance(user.account_id, "USDT") == (900 * ONE_E8, 0, 100 * ONE_E8)
    settled = decide(treasurer, asked, "settle", txId="tx-1")
    assert (settled["status"], settled["txId"]) == ("COMPLETED", "tx-1")
    assert town.balance(user.account_id, "USDT") == (900 * ONE_E8, 0, 0)
    # Again is no more, and another transaction is a mistake.
    assert decide(treasurer, asked, "settle", txId="tx-1")["status"] == "COMPLETED"
    assert refusal(treasurer, asked, "settle", txId="tx-2") == "tx_id_differs"
    assert refusal(treasurer, asked, "reject") == "wrong_status"
    assert user.refused("POST", f"{WALLET}/withdrawals/{asked['withdrawalId']}/cancel") == "wrong_status"


def test_a_larger_one_needs_a_treasurer_and_a_large_one_two(town: Town) -> None:
    user = town.join(second_factor=True, USDT="300000")
    ann, ben = town.staff("treasurer"), town.staff("treasurer", "operator")
    larger = user.withdraw("30000", code=user.codes.pop())
    assert larger["status"] == AWAITING
    assert refusal(ann, larger, "settle", txId="tx") == "wrong_status"
    assert decide(ann, larger, "approve")["status"] == "APPROVED"
    large = user.withdraw("110000", code=user.codes.pop())
    assert decide(ann, large, "approve")["status"] == AWAITING
    assert refusal(ann, large, "approve") == "approved_before"
    approved = decide(ben, large, "approve")
    assert (approved["status"], [one["actor"] for one in approved["approvals"]]) == (
        "APPROVED",
        [f"user:{ann.account_id}", f"user:{ben.account_id}"],
    )
    assert refusal(ben, large, "approve") == "wrong_status"


def test_two_treasurers_at_once_are_two(town: Town) -> None:
    user = town.join(second_factor=True, USDT="110000")
    staff = [town.staff("treasurer") for _ in range(2)]
    large = user.withdraw("110000", code=user.codes.pop())
    with ThreadPoolExecutor(2) as pool:
        statuses = list(pool.map(lambda one: decide(one, large, "approve")["status"], staff))
    assert "APPROVED" in statuses
    assert user.withdrawal(large["withdrawalId"])["status"] == "APPROVED"


def test_nobody_decides_on_their_own(town: Town) -> None:
    treasurer = town.join(roles=["treasurer"], USDT="60000")
    asked = treasurer.withdraw("30000", code=treasurer.codes.pop())
    for step, more in (("approve", {}), ("reject", {}), ("settle", {"txId": "tx"})):
        assert refusal(treasurer, asked, step, **more) == "own_withdrawal"
    assert treasurer.withdrawal(asked["withdrawalId"])["status"] == AWAITING


def test_the_money_comes_back_when_it_is_rejected_or_taken_back(town: Town) -> None:
    user, treasurer = town.join(second_factor=True, USDT="60000"), town.staff("treasurer")
    rejected = user.withdraw("30000", code=user.codes.pop())
    told = decide(treasurer, rejected, "reject")
    assert (told["status"], told["note"]) == ("REJECTED", "looked at it")
    taken_back = user.withdraw("30000", code=user.codes.pop())
    path = f"{WALLET}/withdrawals/{taken_back['withdrawalId']}"
    assert user.post(f"{path}/cancel")["status"] == "CANCELLED"
    assert user.refused("POST", f"{path}/cancel") == "wrong_status"
    assert town.balance(user.account_id, "USDT") == (60_000 * ONE_E8, 0, 0)


def test_a_provider_sends_and_says_so_five_times(town: Town) -> None:
    user, provider = town.join(USDT="1000"), town.provider()
    asked = user.withdraw("100")
    claimed = provider.report("/payouts/claim", limit=100)
    payout = next(one for one in claimed if one["withdrawalId"] == asked["withdrawalId"])
    assert (payout["amount"], payout["address"]) == ("99.00000000", asked["address"])
    # Until it says what became of it, it is told again.
    assert payout in provider.report("/payouts/claim", limit=100)
    body = {"withdrawalId": asked["withdrawalId"], "status": "SENT", "txId": "sent"}
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: provider.send("/payouts/webhook", body), range(5)))
    assert {answer.status_code for answer in answers} == {httpx.codes.OK}
    reference = f"withdrawal:{asked['withdrawalId']}"
    moved = town.query("SELECT kind, amount_e8 FROM exchange.transfers WHERE reference = $1 ORDER BY kind", reference)
    assert [tuple(row) for row in moved] == [
        ("FEE_INCOME", ONE_E8),
        ("WITHDRAWAL", -99 * ONE_E8),
        ("WITHDRAWAL_FEE", -ONE_E8),
    ]
    assert user.withdrawal(asked["withdrawalId"])["status"] == "COMPLETED"
    assert provider.send("/payouts/webhook", {**body, "txId": "other"}).json()["code"] == "tx_id_differs"
    assert provider.send("/payouts/webhook", {**body, "txId": None}).json()["code"] == "invalid_request"


def test_a_payout_that_failed_waits_for_an_operator(town: Town) -> None:
    user, treasurer, provider = town.join(USDT="1000"), town.staff("treasurer"), town.provider()
    asked = user.withdraw("100")
    provider.report("/payouts/claim", limit=100)
    failed = {"withdrawalId": asked["withdrawalId"], "status": "FAILED", "note": "no such address"}
    assert refusal(treasurer, asked, "reject") == "wrong_status", "it may be on its way"
    for _ in range(2):
        assert provider.report("/payouts/webhook", **failed)["status"] == "PAYOUT_FAILED"
    assert decide(treasurer, asked, "retry")["status"] == "APPROVED"
    provider.report("/payouts/claim", limit=100)
    provider.report("/payouts/webhook", **failed)
    assert decide(treasurer, asked, "reject")["status"] == "REJECTED"
    assert town.balance(user.account_id, "USDT") == (1000 * ONE_E8, 0, 0)


def test_with_the_same_id_it_happens_once(town: Town) -> None:
    user = town.join(USDT="1000")
    body = {"asset": "USDT", "amount": "100", "address": "somewhere", "withdrawOrderId": "mine"}
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: user.post(f"{WALLET}/withdrawals", **body), range(4)))
    assert len({one["withdrawalId"] for one in made}) == 1
    assert user.refused("POST", f"{WALLET}/withdrawals", **{**body, "amount": "101"}) == "id_used_differently"
    assert town.balance(user.account_id, "USDT") == (900 * ONE_E8, 0, 100 * ONE_E8)
    body = {**body, "amount": "2000", "withdrawOrderId": "too much"}
    for _ in range(2):
        assert user.refused("POST", f"{WALLET}/withdrawals", **body) == "insufficient_balance"


def test_two_requests_at_once_cannot_pass_the_daily_limit_together(town: Town) -> None:
    user = town.join(USDT="200000")
    bodies = [{"asset": "USDT", "amount": "30000", "address": f"place-{number}"} for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda body: user.ask("POST", f"{WALLET}/withdrawals", json=body), bodies))
    codes = sorted(answer.json().get("code", "") for answer in answers)
    assert codes == ["", "daily_limit_exceeded", "daily_limit_exceeded", "daily_limit_exceeded"]
    (usdt,) = [one for one in user.get(f"{WALLET}/limits")["limits"] if one["asset"] == "USDT"]
    assert (usdt["limit"], usdt["left"]) == ("50000.00000000", "20000.00000000")


def test_a_second_factor_raises_the_limit_and_each_code_works_once(town: Town) -> None:
    user, treasurer = town.join(second_factor=True, USDT="300000"), town.staff("treasurer")
    body = {"asset": "USDT", "amount": "60000", "address": "somewhere"}
    assert user.refused("POST", f"{WALLET}/withdrawals", **body) == "second_factor_needed"
    assert user.refused("POST", f"{WALLET}/withdrawals", **body, code="000000") == "second_factor_wrong"
    code = user.codes.pop()
    # What is refused anyway takes no code.
    assert user.refused("POST", f"{WALLET}/withdrawals", **{**body, "amount": "1"}, code=code) == "amount_below_minimum"
    user.post(f"{WALLET}/withdrawals", **body, code=code)
    assert user.refused("POST", f"{WALLET}/withdrawals", **body, code=code) == "second_factor_wrong"
    body["amount"] = "200000"
    assert user.refused("POST", f"{WALLET}/withdrawals", **body) == "daily_limit_exceeded"
    path = f"{ADMIN}/users/{user.account_id}/limit-tier"
    assert treasurer.put(path, tier="large", reason="known for years") == {"changed": True}
    user.post(f"{WALLET}/withdrawals", **body, code=user.codes.pop())


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"asset": "NOPE", "amount": "0.1"}, "unknown_asset"),
        ({"network": "MARS", "address": "x"}, "unknown_asset"),
        ({"amount": "9", "address": "x"}, "amount_below_minimum"),
        ({"address": "x", "amount": "60000"}, "invalid_address"),
        ({"address": None}, "invalid_address"),
        ({"amount": "60000"}, "daily_limit_exceeded"),
        ({"amount": "2000"}, "insufficient_balance"),
        ({"amount": 100}, "invalid_request"),
        ({"amount": "0"}, "invalid_request"),
        ({"amount": "-1"}, "invalid_request"),
        ({"amount": "1e3"}, "invalid_request"),
        ({"amount": "0.000000001"}, "invalid_request"),
        ({"amount": "NaN"}, "invalid_request"),
        ({"amount": "99999999999999999999"}, "invalid_request"),
        ({"address": "a\u0000bcd"}, "invalid_request"),
        ({"address": "x" * 129}, "invalid_request"),
        ({"unknown": 1}, "invalid_request"),
        ({"entryId": 10**17}, "not_found"),
    ],
)
def test_the_first_thing_that_is_wrong_is_told_and_nothing_moves(town: Town, change: dict[str, Any], code: str) -> None:
    user = town.join(USDT="1000")
    body = {"asset": "USDT", "amount": "100", "address": "somewhere", **change}
    assert user.refused("POST", f"{WALLET}/withdrawals", **body) == code
    assert town.balance(user.account_id, "USDT") == (1000 * ONE_E8, 0, 0)


def test_a_frozen_account_sends_nothing(town: Town) -> None:
    user, operator = town.join(USDT="1000"), town.staff("operator")
    earlier = user.withdraw("50")
    path = f"{ADMIN}/users/{user.account_id}"
    assert operator.post(f"{path}/freeze", reason="stolen password") == {"changed": True}
    body = {"asset": "USDT", "amount": "100", "address": "somewhere"}
    assert user.refused("POST", f"{WALLET}/withdrawals", **body) == "account_frozen"
    transfer = {"recipient": "1", "asset": "USDT", "amount": "1"}
    assert user.refused("POST", f"{WALLET}/transfers", **transfer) == "account_frozen"
    assert user.get(f"{WALLET}/limits")["frozen"] is True
    claimed = town.provider().report("/payouts/claim", limit=100)
    assert earlier["withdrawalId"] not in {payout["withdrawalId"] for payout in claimed}, "what was approved waits, too"
    operator.post(f"{path}/unfreeze", reason="password changed")
    assert user.withdraw("100")["status"] == "APPROVED"


def test_after_a_change_of_credentials_nothing_leaves_for_a_day(town: Town) -> None:
    user = town.join(USDT="1000")
    changed = "INSERT INTO auth.audit (account_id, action, occurred_at) VALUES ($1, $2, now() - interval '1 hour' * $3)"
    town.query(changed, user.account_id, "PASSWORD_CHANGED", 25)
    town.query(changed, user.account_id, "SECOND_FACTOR_ENABLED", 1)
    assert user.get(f"{WALLET}/limits")["lockedUntil"] is None
    town.query(changed, user.account_id, "SECOND_FACTOR_DISABLED", 23)
    assert user.get(f"{WALLET}/limits")["lockedUntil"] is not None
    body = {"asset": "USDT", "amount": "100", "address": "somewhere"}
    assert user.refused("POST", f"{WALLET}/withdrawals", **body) == "cooling_down"
    assert user.refused("POST", f"{WALLET}/transfers", recipient="1", asset="USDT", amount="1") == "cooling_down"


def test_an_address_book_that_nothing_leaves_but_for(town: Town) -> None:
    user, other = town.join(USDT="1000"), town.join()
    book = f"{WALLET}/address-book"
    entry = user.post(book, label="=cmd|' /C calc'!A0", asset="USDT", address="known-place")
    assert entry["label"] == "=cmd|' /C calc'!A0", "it is text, and comes back as it was"
    assert user.refused("POST", book, label="again", asset="USDT", address="known-place") == "already_in_book"
    assert user.withdraw("10", entryId=entry["entryId"], address=None)["address"] == "known-place"
    assert user.put(f"{WALLET}/preferences", withdrawTo="BOOK")["withdrawTo"] == "BOOK"
    body = {"asset": "USDT", "amount": "100", "address": "elsewhere"}
    assert user.refused("POST", f"{WALLET}/withdrawals", **body) == "address_not_in_book"
    assert user.refused("POST", f"{WALLET}/withdrawals", **{**body, "address": "known-place"}) == "address_cooling_down"
    town.query("UPDATE backoffice.address_book SET usable_at = now() WHERE entry_id = $1", entry["entryId"])
    assert user.withdraw("10", address="known-place")["status"] == "APPROVED"
    # Whoever lifts the rule must wait.
    assert user.put(f"{WALLET}/preferences", withdrawTo="ANY")["lockedUntil"] is not None
    assert user.refused("POST", f"{WALLET}/withdrawals", **body) == "cooling_down"
    path = f"{book}/{entry['entryId']}"
    assert other.refused("PATCH", path, label="mine") == other.refused("DELETE", path) == "not_found"
    assert user.ask("PATCH", path, json={"label": "home"}).json()["label"] == "home"
    assert user.ask("DELETE", path).status_code == httpx.codes.NO_CONTENT
    assert user.get(book) == []
