"""People of a running exchange: users who are signed in, staff with their roles, and a provider that signs.

Sessions are opened where auth keeps them, with its own keys: passwords and their mails are another test's matter, and
would cost seconds.
"""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import time
import uuid
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import asyncpg
import httpx
import pyotp

from services.auth import second_factors
from services.auth.signing_keys import SigningKeys
from services.infra import postgres
from services.infra.postgres import Connection
from services.infra.sealing import Seal
from services.local.internal import Account, InternalClient
from tests.running import RunningSystem

T = TypeVar("T")

ADMIN = "/admin/v1"
WALLET = "/wallet/v1"
KEY_LIFETIME_S = 60 * 24 * 3600
_numbers = itertools.count(1)


def run(work: Coroutine[Any, Any, T]) -> T:
    """On a loop in a thread of its own, so that the tests' loops never notice."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@dataclass
class Person:
    """``codes`` are for the second factor; each works once."""

    http: httpx.Client
    account_id: int
    email: str
    token: str
    codes: list[str] = field(default_factory=list)

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        return self.http.request(method, path, headers=self.bearer, **how)

    def get(self, path: str, **parameters: Any) -> Any:
        return _succeeded(self.ask("GET", path, params=parameters))

    def post(self, path: str, **body: Any) -> Any:
        return _succeeded(self.ask("POST", path, json=body))

    def put(self, path: str, **body: Any) -> Any:
        return _succeeded(self.ask("PUT", path, json=body))

    def refused(self, method: str, path: str, **body: Any) -> str:
        """Ask for what must be refused, and return the code of the error."""
        response = self.ask(method, path, json=body or None)
        assert response.is_client_error, f"{response.status_code} {response.text}"
        code: str = response.json()["code"]
        return code

    # The wallet

    def withdraw(self, amount: str, asset: str = "USDT", **more: Any) -> Any:
        body = {"asset": asset, "amount": amount, "address": f"somewhere-{next(_numbers)}", **more}
        return self.post(f"{WALLET}/withdrawals", **body)

    def withdrawal(self, withdrawal_id: int) -> Any:
        return self.get(f"{WALLET}/withdrawals/{withdrawal_id}")


def _succeeded(response: httpx.Response) -> Any:
    assert response.is_success, f"{response.request.method} {response.request.url}: {response.text}"
    return response.json() if response.content else None


class Town:
    """Everybody there is."""

    def __init__(self, system: RunningSystem, http: httpx.Client) -> None:
        self.system = system
        self.http = http
        # The API keys of those who joined.
        self.keys: dict[int, Account] = {}
        self._seal = Seal(base64.b64decode(system.directory.secrets().encryption_key))

    def join(self, *, roles: Sequence[str] = (), second_factor: bool = False, **deposits: str) -> Person:
        """Open an account for someone; with roles they have a second factor and a session that was opened with it."""
        account = self.system.create_account(deposits)
        self.keys[account.user_id] = account
        email = f"person-{next(_numbers)}-{uuid.uuid4().hex[:8]}@example.com"
        person = Person(self.http, account.user_id, email, "")
        run(self._sign_in(person, roles, second_factor=second_factor or bool(roles)))
        return person

    def staff(self, *roles: str) -> Person:
        return self.join(roles=roles)

    async def _sign_in(self, person: Person, roles: Sequence[str], *, second_factor: bool) -> None:
        url = self.system.database_url
        pool = await postgres.create_pool(url, application_name="tests", size=1, statement_timeout_ms=5_000)
        try:
            keys = await SigningKeys.load(pool, self._seal, KEY_LIFETIME_S)
            session_id = uuid.uuid4()
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute(
                    "UPDATE auth.users SET email = $2, email_confirmed_at = now(), roles = $3 WHERE account_id = $1",
                    *(person.account_id, person.email, list(roles)),
                )
                await connection.execute(
                    "INSERT INTO auth.sessions (session_id, account_id, expires_at, second_factor) "
                    "VALUES ($1, $2, now() + interval '1 day', $3)",
                    *(session_id, person.account_id, second_factor),
                )
                if second_factor:
                    secret = await second_factors.enrol(connection, self._seal, person.account_id)
                    assert secret is not None
                    code = pyotp.TOTP(secret).now()
                    person.codes = await second_factors.confirm(connection, self._seal, person.account_id, code) or []
            person.token = keys.issue(person.account_id, str(session_id), lifetime_s=3600)
        finally:
            await pool.close()

    def provider(self, name: str = "local", secret: str | None = None) -> "Provider":
        return Provider(self.http, name, secret or self.system.directory.secrets().provider_secret)

    def query(self, sql: str, *arguments: object) -> list[Any]:
        async def fetch() -> list[Any]:
            connection: Connection = await asyncpg.connect(self.system.database_url)
            try:
                return list(await connection.fetch(sql, *arguments))
            finally:
                await connection.close()

        return run(fetch())

    def balance(self, account_id: int, asset: str) -> tuple[int, int, int]:
        """Free, locked and withdrawing, in units of 1e-8."""
        rows = self.query(
            "SELECT free_e8, locked_e8, withdrawing_e8 FROM exchange.balances WHERE account_id = $1 AND asset = $2",
            *(account_id, asset),
        )
        return tuple(rows[0]) if rows else (0, 0, 0)


class Provider:
    """Signs as docs/wallet.md says."""

    def __init__(self, http: httpx.Client, name: str, secret: str) -> None:
        self.http = http
        self.name = name
        self.secret = secret

    def send(self, path: str, body: object, *, at_s: float | None = None, **headers: str) -> httpx.Response:
        content = json.dumps(body).encode()
        timestamp = str(int(time.time() if at_s is None else at_s))
        signature = hmac.new(self.secret.encode(), f"{timestamp}.".encode() + content, hashlib.sha256).hexdigest()
        given = {
            "Content-Type": "application/json",
            "X-Crossbook-Provider": self.name,
            "X-Crossbook-Timestamp": timestamp,
            "X-Crossbook-Signature": signature,
        }
        return self.http.post(f"{WALLET}{path}", content=content, headers=given | headers)

    def report(self, path: str, **body: object) -> Any:
        return _succeeded(self.send(path, body))


def withdrawing_account(system: RunningSystem, network: str = "127.0.0.0/8", **deposits: str) -> Account:
    """Open an account whose API key may withdraw, from this machine unless another network is named."""
    with InternalClient(system.directory, system.state) as client:
        account = client.create_account(ip_allow_list=[network], may_withdraw=True)
    for asset, amount in deposits.items():
        system.deposit(account.user_id, asset, amount)
    return account
