"""One user's things are nobody else's: every id in the OpenAPI document, asked for by a second user."""

import re
from typing import Any

import asyncpg
import httpx
import pytest

from services.local.embedded import EmbeddedPostgres
from tests.backoffice.people import WALLET, Person, Town, run


@pytest.fixture(scope="module")
def document(town: Town) -> Any:
    return town.http.get(f"{WALLET}/openapi.json").json()


@pytest.fixture(scope="module")
def owned(town: Town) -> dict[str, int]:
    """One thing of each kind that has an id, all of the first user."""
    user = town.join(USDT="60000")
    deposit = town.provider().report(
        "/deposits/webhook",
        asset="BTC",
        network="CROSSBOOK",
        txId=f"iso-{user.account_id}",
        confirmations=1,
        address=user.get(f"{WALLET}/deposit-address", asset="BTC")["address"],
        amount="0.5",
    )
    return {
        "withdrawalId": user.withdraw("30000")["withdrawalId"],
        "entryId": user.post(f"{WALLET}/address-book", label="home", asset="USDT", address="a-place")["entryId"],
        "depositId": deposit["depositId"],
        "accountId": user.account_id,
        "account_id": user.account_id,
        "orderId": 1,
        # Names, not ids.
        "symbol": 0,
        "name": 0,
    }


def calls(document: Any) -> list[tuple[str, str]]:
    found = [(method.upper(), path) for path, methods in document["paths"].items() for method in methods]
    return [(method, path) for method, path in found if "{" in path]


def test_a_second_user_sees_and_changes_nothing(town: Town, document: Any, owned: dict[str, int]) -> None:
    second = town.join(USDT="1000", second_factor=True)
    asked = 0
    bodies: dict[str, Any] = {"POST": {"reason": "because"}, "PUT": {"reason": "because"}, "PATCH": {"label": "mine"}}
    for method, path in calls(document):
        filled = re.sub(r"\{(\w+)\}", lambda found: str(owned[found[1]] or "BTCUSDT"), path)
        response = second.ask(method, filled, json=bodies.get(method))
        assert response.status_code in {401, 403, 404}, f"{method} {filled}: {response.status_code} {response.text}"
        if path.startswith(WALLET):
            assert response.json()["code"] == "not_found", f"{method} {filled}"
        asked += 1
    assert asked > 25
    # In a body, an id is no better.
    body = {"asset": "USDT", "amount": "10", "entryId": owned["entryId"], "code": second.codes.pop()}
    assert second.refused("POST", f"{WALLET}/withdrawals", **body) == "not_found"
    for path in ("deposits", "withdrawals", "transfers", "address-book"):
        assert second.get(f"{WALLET}/{path}") == []


def test_what_is_not_there_is_told_like_what_is_another_s(town: Town, owned: dict[str, int]) -> None:
    second = town.join()
    answers = [
        second.ask("GET", f"{WALLET}/withdrawals/{number}").content for number in (owned["withdrawalId"], 10**17)
    ]
    assert answers[0] == answers[1]


def test_internal_routes_want_the_internal_credential(town: Town, document: Any) -> None:
    user = town.staff("operator", "treasurer", "support")
    url = town.system.state.backoffice_url
    internal = [
        (method, path) for path, methods in document["paths"].items() for method in methods if "/internal" in path
    ]
    assert len(internal) > 5
    for method, path in internal:
        filled = path.replace("{account_id}", str(user.account_id))
        for headers in ({}, user.bearer):
            answer = httpx.request(method, f"{url}{filled}", headers=headers, json={}, trust_env=False)
            assert answer.json()["code"] == "invalid_internal_credential", f"{method} {path}"


def test_nothing_answers_without_a_token(town: Town, document: Any) -> None:
    for path, methods in document["paths"].items():
        if not path.startswith((f"{WALLET}/", "/admin/")):
            continue
        for method in methods:
            filled = re.sub(r"\{\w+\}", "1", path)
            answer = town.http.request(method, filled, json=None if method == "get" else {})
            assert answer.status_code in {400, 401}, f"{method} {path}: {answer.status_code}"
            assert answer.json()["code"] in {"invalid_access_token", "invalid_request"}, f"{method} {path}"


@pytest.mark.parametrize("role", ["crossbook_trading", "crossbook_engine", "crossbook_auth"])
def test_other_services_cannot_read_anything(embedded_postgres: EmbeddedPostgres, postgres_url: str, role: str) -> None:
    async def look() -> None:
        connection = await asyncpg.connect(embedded_postgres.url(_database(postgres_url), role))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM backoffice.withdrawals")
        await connection.close()

    run(look())


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE backoffice.audit SET reason = 'x'",
        "DELETE FROM backoffice.audit",
        "TRUNCATE backoffice.audit",
        "UPDATE backoffice.approvals SET actor = 'x'",
        "DELETE FROM backoffice.approvals",
        "DELETE FROM backoffice.withdrawals",
        "DELETE FROM backoffice.commands",
        "UPDATE backoffice.deposit_addresses SET account_id = 1",
        "UPDATE exchange.balances SET free_e8 = 1",
        "INSERT INTO exchange.transfers SELECT * FROM exchange.transfers",
        "SELECT * FROM exchange.journal",
        "SELECT * FROM auth.users",
    ],
)
def test_the_service_itself_cannot_rewrite_what_happened(
    embedded_postgres: EmbeddedPostgres, postgres_url: str, sql: str
) -> None:
    async def attempt() -> None:
        connection = await asyncpg.connect(embedded_postgres.url(_database(postgres_url), "crossbook_backoffice"))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(sql)
        await connection.close()

    run(attempt())


def _database(url: str) -> str:
    return url.split("@/")[1].split("?")[0]


def test_a_person_of_the_staff_is_a_user_like_others(town: Town, owned: dict[str, int]) -> None:
    """In the wallet, no role opens anything."""
    person: Person = town.staff("operator", "treasurer", "support")
    assert person.refused("POST", f"{WALLET}/withdrawals/{owned['withdrawalId']}/cancel") == "not_found"
