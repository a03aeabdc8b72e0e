"""The statement: every movement, and balances that add up."""

import csv
import io
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from services.backoffice.statements import guarded
from services.domain.money import format_e8, parse_e8
from tests.api.member import Key
from tests.api.trader import Trader
from tests.backoffice.people import WALLET, Person, Town
from tests.running import wait_until

PATH = f"{WALLET}/statement.csv"
YEAR = timedelta(days=300)


def signed_e8(text: str) -> int:
    return -parse_e8(text[1:]) if text.startswith("-") else parse_e8(text)


def statement(user: Person, start: datetime, end: datetime | None = None) -> list[dict[str, str]]:
    parameters = {"from": start.isoformat()} | ({} if end is None else {"to": end.isoformat()})
    response = user.ask("GET", PATH, params=parameters)
    assert response.status_code == httpx.codes.OK, response.text
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(response.text)))


def check(town: Town, user: Person, rows: list[dict[str, str]]) -> dict[str, int]:
    """Each line's balance follows from the one before; return the closing balances."""
    balances: dict[str, int] = {}
    for row in rows:
        if row["kind"] == "OPENING_BALANCE":
            balances[row["asset"]] = signed_e8(row["balance"])
        elif row["kind"] == "CLOSING_BALANCE":
            assert signed_e8(row["balance"]) == balances[row["asset"]]
        else:
            balances[row["asset"]] = balances.get(row["asset"], 0) + signed_e8(row["amount"])
            assert signed_e8(row["balance"]) == balances[row["asset"]]
    return balances


@pytest.fixture
def busy(town: Town) -> Person:
    """Has deposited, traded on both sides (with themselves, too), sent to a friend, withdrawn and been refused."""
    user, friend = town.join(USDT="1000", BTC="1"), town.join(BTC="1", USDT="50000")
    mine, other = (Trader(town.http, key(town, person)) for person in (user, friend))
    other.sell("0.01", "30000")
    mine.buy("0.01", "30000")
    mine.sell("0.002", "31000")
    other.buy("0.002", "31000")
    mine.sell("0.001", "29000", selfTradePreventionMode="NONE")
    mine.buy("0.001", "29000", selfTradePreventionMode="NONE")
    sent = user.post(f"{WALLET}/transfers", recipient=friend.email, asset="USDT", amount="7")["transferId"]
    wait_until(lambda: user.get(f"{WALLET}/transfers")[0]["status"] == "COMPLETED", 60)
    assert sent
    treasurer = town.staff("treasurer")
    for step, more in (("settle", {"txId": "=HYPERLINK(1)"}), ("reject", {})):
        made = user.withdraw("50")
        treasurer.post(f"/admin/v1/withdrawals/{made['withdrawalId']}/{step}", reason="done", **more)
    user.withdraw("20")
    town.provider().report(
        "/deposits/webhook",
        asset="ETH",
        network="CROSSBOOK",
        txId=f"@SUM({user.account_id})",
        confirmations=1,
        address=user.get(f"{WALLET}/deposit-address", asset="ETH")["address"],
        amount="0.5",
    )
    return user


def key(town: Town, person: Person) -> Key:
    made = town.keys[person.account_id]
    return Key(person.account_id, made.api_key, made.secret_key)


def test_it_adds_up_to_what_the_account_has(town: Town, busy: Person) -> None:
    rows = statement(busy, datetime.now(UTC) - YEAR)
    closing = check(town, busy, rows)
    owned = {asset: sum(town.balance(busy.account_id, asset)) for asset in ("BTC", "ETH", "USDT")}
    assert closing == owned
    kinds = {row["kind"] for row in rows}
    assert kinds == {
        *("DEPOSIT", "BUY", "SELL", "TRADING_FEE", "TRANSFER_OUT", "WITHDRAWAL", "WITHDRAWAL_FEE"),
        "CLOSING_BALANCE",
    }


def test_two_halves_are_the_whole(town: Town, busy: Person) -> None:
    start = datetime.now(UTC) - YEAR
    rows = statement(busy, start)
    moved = [row for row in rows if row["kind"] not in {"OPENING_BALANCE", "CLOSING_BALANCE"}]
    middle = datetime.fromisoformat(moved[len(moved) // 2]["time"])
    first, second = statement(busy, start, middle), statement(busy, middle)
    assert [row for row in (*first, *second) if "BALANCE" not in row["kind"]] == moved
    closing = {row["asset"]: row["balance"] for row in first if row["kind"] == "CLOSING_BALANCE"}
    opening = {row["asset"]: row["balance"] for row in second if row["kind"] == "OPENING_BALANCE"}
    assert opening == closing
    check(town, busy, second)


def test_nobody_else_s_movements_are_in_it(town: Town, busy: Person) -> None:
    other = town.join()
    assert statement(other, datetime.now(UTC) - YEAR) == []


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "=cmd|' /C calc'!A0"])
def test_what_a_spreadsheet_would_calculate_is_text(text: str) -> None:
    assert guarded(text) == f"'{text}"
    assert guarded(f"x{text}") == f"x{text}"
    assert format_e8(-1) == "-0.00000001"


@pytest.mark.parametrize(
    "span",
    [
        {"from": "2020-01-01", "to": "2026-01-01"},
        {"from": "2026-01-02", "to": "2026-01-01"},
        {"from": "1960-01-01", "to": "1960-01-02"},
        {"from": "yesterday"},
        {},
    ],
)
def test_a_span_that_makes_no_sense_is_refused(town: Town, span: dict[str, str]) -> None:
    response = town.join().ask("GET", PATH, params=span)
    assert response.status_code == httpx.codes.BAD_REQUEST
    assert response.json()["code"] in {"range_too_long", "invalid_request"}
