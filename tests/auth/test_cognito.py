"""Users of an Amazon Cognito pool, as moto plays it, on an exchange that trusts the pool: auth and trading."""

import json
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.auth.cognito import Cognito, running_cognito
from tests.running import RunningSystem


@pytest.fixture(scope="module")
def cognito() -> Iterator[Cognito]:
    with running_cognito() as cognito:
        yield cognito


def test_a_cognito_user_trades_and_another_client_is_a_stranger(
    cognito: Cognito, start_system: Callable[..., RunningSystem]
) -> None:
    trusted = [{"issuer": cognito.issuer, "audiences": [cognito.client_id], "jwksUrl": cognito.jwks_url}]
    system = start_system(environment={"CROSSBOOK_EXTERNAL_ISSUERS": json.dumps(trusted)})
    tokens, others = cognito.sign_in("ada"), cognito.sign_in("eve")
    with httpx.Client(base_url=system.base_url, timeout=30, trust_env=False) as http:

        def ask(method: str, path: str, token: str, **body: object) -> httpx.Response:
            headers = {"Authorization": f"Bearer {token}"}
            return http.request(method, path, headers=headers, json=body or None)

        accounts = [ask("GET", "/auth/v1/account", one["AccessToken"]).json() for one in (tokens, others)]
        assert accounts[0]["accountId"] != accounts[1]["accountId"]
        traded = ask("GET", "/api/v3/account", tokens["AccessToken"])
        assert (traded.status_code, traded.json()["uid"]) == (200, accounts[0]["accountId"])
        # Again, from what trading keeps.
        assert ask("GET", "/api/v3/account", tokens["AccessToken"]).status_code == httpx.codes.OK
        for refused in (tokens["IdToken"], tokens["AccessToken"][:-4] + "AAAA", tokens["RefreshToken"]):
            assert ask("GET", "/auth/v1/account", refused).status_code == httpx.codes.UNAUTHORIZED
            assert ask("GET", "/api/v3/account", refused).status_code == httpx.codes.UNAUTHORIZED
        made = ask("POST", "/auth/v1/api-keys", tokens["AccessToken"], label="bot", permissions=["read", "trade"])
        assert made.status_code == httpx.codes.CREATED
