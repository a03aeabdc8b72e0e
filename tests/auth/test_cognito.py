"""Users of an Amazon Cognito pool, as moto plays it, on an exchange that trusts the pool: auth and trading.

A second issuer, whose tokens last as long as a test wants, shows what happens when one expires.
"""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from tests.auth.cognito import Cognito, running_cognito
from tests.auth.issuer import CLIENT, ISSUER, Keys, claims
from tests.running import RunningSystem
from tests.streams.api_socket import open_socket

KEYS = Keys("key-1")
TIMEOUT_S = 60


@pytest.fixture(scope="module")
def cognito() -> Iterator[Cognito]:
    with running_cognito() as cognito:
        yield cognito


@pytest.fixture(scope="module")
def issuer_url() -> Iterator[str]:
    class Published(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # The name the library calls.
            body = json.dumps({"keys": [KEYS.public()]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    with HTTPServer(("127.0.0.1", 0), Published) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/jwks.json"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def trusting(
    session_directory: Path, migrated_cluster: Path, cognito: Cognito, issuer_url: str
) -> Iterator[RunningSystem]:
    trusted = [
        {"issuer": cognito.issuer, "audiences": [cognito.client_id], "jwksUrl": cognito.jwks_url},
        {"issuer": ISSUER, "audiences": [CLIENT], "jwksUrl": issuer_url},
    ]
    environment = {"CROSSBOOK_EXTERNAL_ISSUERS": json.dumps(trusted)}
    root, arguments = session_directory / "trusting", ("--no-demo", "--lean")
    system = RunningSystem(root, *arguments, environment=environment, cluster=migrated_cluster).start()
    yield system
    system.stop()


@pytest.fixture
def http(trusting: RunningSystem) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=trusting.base_url, timeout=30, trust_env=False) as client:
        yield client


def ask(http: httpx.Client, method: str, path: str, token: str, **body: object) -> httpx.Response:
    return http.request(method, path, headers={"Authorization": f"Bearer {token}"}, json=body or None)


def test_a_cognito_user_trades(http: httpx.Client, cognito: Cognito) -> None:
    tokens, others = cognito.sign_in("ada"), cognito.sign_in("eve")
    accounts = [ask(http, "GET", "/auth/v1/account", one["AccessToken"]).json() for one in (tokens, others)]
    assert accounts[0]["accountId"] != accounts[1]["accountId"]
    # The second time from what trading keeps.
    for _ in range(2):
        account = ask(http, "GET", "/api/v3/account", tokens["AccessToken"])
        assert (account.status_code, account.json()["uid"]) == (200, accounts[0]["accountId"])
    body = {"label": "bot", "permissions": ["read", "trade"]}
    made = ask(http, "POST", "/auth/v1/api-keys", tokens["AccessToken"], **body)
    assert made.status_code == httpx.codes.CREATED


def test_what_is_no_access_token_of_the_pool_opens_nothing(http: httpx.Client, cognito: Cognito) -> None:
    tokens = cognito.sign_in("bob")
    header, payload, signature = tokens["AccessToken"].split(".")
    refused = {
        "id token": tokens["IdToken"],
        "refresh token": tokens["RefreshToken"],
        "changed": f"{header}.{payload}.{signature[:-8]}AAAAAAAA",
        "another signer": Keys("dummy").sign(claims(iss=cognito.issuer, client_id=cognito.client_id)),
    }
    for name, token in refused.items():
        for path in ("/auth/v1/account", "/api/v3/account"):
            assert ask(http, "GET", path, token).status_code == httpx.codes.UNAUTHORIZED, name


async def test_a_token_that_expires_ends_what_it_opened(http: httpx.Client, trusting: RunningSystem) -> None:
    token = KEYS.sign(claims(exp=int(time.time()) + 6))
    async with open_socket(trusting.base_url) as socket:
        await socket.call("userDataStream.subscribe.bearer", accessToken=token)
        assert ask(http, "GET", "/api/v3/account", token).status_code == httpx.codes.OK
        while (await socket.next_pushed())["event"]["e"] != "eventStreamTerminated":
            pass
    assert ask(http, "GET", "/api/v3/account", token).status_code == httpx.codes.UNAUTHORIZED
