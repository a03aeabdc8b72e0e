"""Money to other users: once, to whom it was meant, and without telling who is here."""

from typing import Any

from services.domain.money import ONE_E8
from tests.backoffice.people import WALLET, Person, Town
from tests.running import wait_until

PATH = f"{WALLET}/transfers"


def ended(person: Person, transfer_id: int) -> Any:
    """The transfer as its sender sees it in the end."""

    def mine() -> Any:
        return next(one for one in person.get(PATH) if one["transferId"] == transfer_id)

    wait_until(lambda: mine()["status"] != "ACCEPTED", 60)
    return mine()


def test_money_arrives_once_by_id_and_by_address(town: Town) -> None:
    ada, bob = town.join(USDT="100"), town.join()
    body = {"recipient": bob.email.upper(), "asset": "USDT", "amount": "30", "transferOrderId": "rent"}
    made = [ada.post(PATH, **body) for _ in range(2)]
    assert made[0] == made[1] == {"transferId": made[0]["transferId"], "status": "ACCEPTED"}
    assert ada.refused("POST", PATH, **{**body, "amount": "31"}) == "id_used_differently"
    sent = ended(ada, made[0]["transferId"])
    assert (sent["status"], sent["direction"], sent["recipient"]) == ("COMPLETED", "OUT", bob.email.upper())
    by_id = ada.post(PATH, recipient=str(bob.account_id), asset="USDT", amount="20")
    assert ended(ada, by_id["transferId"])["status"] == "COMPLETED"
    received = bob.get(PATH)
    assert [(one["direction"], one["amount"], one["recipient"]) for one in received] == [
        ("IN", "20.00000000", None),
        ("IN", "30.00000000", None),
    ]
    assert received[0]["senderAccountId"] == ada.account_id
    assert town.balance(ada.account_id, "USDT")[0] == town.balance(bob.account_id, "USDT")[0] == 50 * ONE_E8


def test_the_answer_does_not_tell_whether_there_is_such_a_user(town: Town) -> None:
    ada, bob = town.join(USDT="100"), town.join()
    nobodies = ("nobody@example.com", "999999999999", "1", "0", "9" * 40, "' OR 1=1 --", "{{7*7}}", str(ada.account_id))
    shapes = set()
    for recipient in (bob.email, *nobodies):
        response = ada.ask("POST", PATH, json={"recipient": recipient, "asset": "USDT", "amount": "1"})
        shapes.add((response.status_code, tuple(response.json()), response.json()["status"]))
        sent = ended(ada, response.json()["transferId"])
        assert (sent["status"] == "COMPLETED") is (recipient == bob.email)
        assert sent["recipient"] == recipient
    assert shapes == {(202, ("transferId", "status"), "ACCEPTED")}
    assert town.balance(ada.account_id, "USDT") == (99 * ONE_E8, 0, 0)


def test_who_has_nothing_finds_out_nothing(town: Town) -> None:
    eve, bob = town.join(), town.join()
    for recipient in (bob.email, "nobody@example.com"):
        body = {"recipient": recipient, "asset": "USDT", "amount": "1"}
        assert eve.refused("POST", PATH, **body) == "insufficient_balance"


def test_transfers_and_withdrawals_share_one_limit(town: Town) -> None:
    ada, bob = town.join(USDT="90000"), town.join()
    assert ended(ada, ada.post(PATH, recipient=bob.email, asset="USDT", amount="40000")["transferId"])
    body = {"asset": "USDT", "amount": "20000", "address": "somewhere"}
    assert ada.refused("POST", f"{WALLET}/withdrawals", **body) == "daily_limit_exceeded"


def test_a_second_factor_is_asked_of_those_who_have_one(town: Town) -> None:
    ada, bob = town.join(second_factor=True, USDT="100"), town.join()
    body = {"recipient": bob.email, "asset": "USDT", "amount": "1"}
    assert ada.refused("POST", PATH, **body) == "second_factor_needed"
    assert ada.post(PATH, **body, code=ada.codes.pop())["status"] == "ACCEPTED"
