"""The auth service as its own database role sees the world, and people who use it."""

import base64
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from services.auth.app import create_app
from services.auth.settings import AuthSettings
from services.infra.postgres import Connection
from services.infra.web import internal_credential
from services.local.embedded import EmbeddedPostgres

from .mailbox import Mailbox

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Member:
    """Someone who registered and logged in."""

    account_id: int
    email: str
    access_token: str
    refresh_token: str
    device_token: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token}"}


Join = Callable[[str], Awaitable[Member]]
Serve = Callable[[AuthSettings], AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def settings(embedded_postgres: EmbeddedPostgres, postgres_url: str, redis_url: str) -> AuthSettings:
    database = postgres_url.split("@/")[1].split("?")[0]
    return AuthSettings.model_validate(
        {
            "port": 1,
            "database_url": embedded_postgres.url(database, "crossbook_auth"),
            "redis_url": redis_url,
            "internal_token": secrets.token_hex(16),
            "encryption_key": base64.b64encode(secrets.token_bytes(32)).decode(),
            # Hashes as cheap as they can be; what the real ones cost is tested where they are.
            "password_passes": 1,
            "password_memory_kib": 1024,
            "require_confirmed_email": False,
            "even_answer_ms": 0,
            "max_registrations_per_address": 1000,
        }
    )


@pytest.fixture
def serve() -> Serve:
    @asynccontextmanager
    async def served(settings: AuthSettings) -> AsyncIterator[httpx.AsyncClient]:
        app: FastAPI = create_app(settings)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://auth") as client,
        ):
            yield client

    return served


@pytest.fixture
async def client(serve: Serve, settings: AuthSettings) -> AsyncIterator[httpx.AsyncClient]:
    async with serve(settings) as client:
        yield client


@pytest.fixture
def mailbox(client: httpx.AsyncClient, settings: AuthSettings) -> Mailbox:
    return Mailbox(client, settings)


@pytest.fixture
def internal(settings: AuthSettings) -> dict[str, str]:
    return internal_credential(settings)


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()


async def log_in(client: httpx.AsyncClient, email: str, **more: str) -> Member:
    """From a device of its own, unless ``more`` has the token of one."""
    credentials = {"email": email, "password": PASSWORD} | more
    answer = await client.post("/auth/v1/login", json=credentials)
    assert answer.status_code == 200, answer.text
    tokens = answer.json()
    bearer = {"Authorization": f"Bearer {tokens['accessToken']}"}
    account_id = (await client.get("/auth/v1/account", headers=bearer)).json()["accountId"]
    return Member(account_id, email, tokens["accessToken"], tokens["refreshToken"], tokens.get("deviceToken", ""))


@pytest.fixture
def join(client: httpx.AsyncClient) -> Join:
    async def joined(email: str) -> Member:
        credentials = {"email": email, "password": PASSWORD}
        registered = await client.post("/auth/v1/register", json=credentials)
        assert registered.status_code == 202, registered.text
        return await log_in(client, email)

    return joined
