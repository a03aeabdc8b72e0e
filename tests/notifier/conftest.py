"""The notifier as its own database role sees the world, beside a real auth service, and people who use both."""

import asyncio
import base64
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from services.auth.app import create_app as create_auth
from services.auth.settings import AuthSettings
from services.infra.postgres import Connection
from services.infra.web import internal_credential
from services.local.embedded import EmbeddedPostgres
from services.notifier.app import create_app
from services.notifier.settings import NotifierSettings
from tests.running import free_port

# Generous: the machine may be busy with other things.
DEADLINE_S = 30.0
POLL_S = 0.02

Configure = Callable[..., NotifierSettings]
Serve = Callable[[NotifierSettings], AbstractAsyncContextManager[httpx.AsyncClient]]


async def eventually(holds: Callable[[], Awaitable[Any]], deadline_s: float = DEADLINE_S) -> Any:
    """Return what ``holds`` returns once that is true; fail if it does not become so."""
    end_s = time.monotonic() + deadline_s
    while not (result := await holds()):
        assert time.monotonic() < end_s, "waited in vain"
        await asyncio.sleep(POLL_S)
    return result


@asynccontextmanager
async def listening(app: ASGIApp, port: int) -> AsyncIterator[None]:
    """Serve an application on a real port, in this loop."""
    config = uvicorn.Config(app, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    running = asyncio.create_task(server.serve())
    while not server.started:
        assert not running.done(), "the server did not start"
        await asyncio.sleep(POLL_S)
    yield
    server.should_exit = True
    await running


@dataclass(frozen=True)
class Keys:
    """What the services of one test share."""

    internal_token: str
    encryption_key: str


@dataclass(frozen=True)
class Member:
    account_id: int
    email: str
    bearer: dict[str, str]


@dataclass(frozen=True)
class Auth:
    """The auth service, and people who have an account there."""

    url: str
    app: FastAPI
    database: Connection

    async def join(self, email: str, *, confirmed: bool = True) -> Member:
        """As if they had registered and signed in, without the work of a password."""
        account_id = await self.database.fetchval(
            "INSERT INTO auth.users (email, password_hash, email_confirmed_at) "
            "VALUES ($1, 'none', CASE WHEN $2 THEN now() END) RETURNING account_id",
            email,
            confirmed,
        )
        session_id = str(uuid.uuid4())
        await self.database.execute(
            "INSERT INTO auth.sessions (session_id, account_id, expires_at) VALUES ($1, $2, now() + interval '1 hour')",
            session_id,
            account_id,
        )
        token = self.app.state.resources.signing_keys.issue(account_id, session_id, lifetime_s=900)
        return Member(account_id, email, {"Authorization": f"Bearer {token}"})

    async def tell(self, account_id: int, kind: str, data: str = "{}") -> None:
        """What the auth service does in the transaction of a change."""
        await self.database.execute(
            "INSERT INTO auth.notices (account_id, email, kind, data) "
            "SELECT account_id, email, $2, $3::jsonb FROM auth.users WHERE account_id = $1",
            account_id,
            kind,
            data,
        )


@pytest.fixture
def keys() -> Keys:
    return Keys(secrets.token_hex(16), base64.b64encode(secrets.token_bytes(32)).decode())


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Connection]:
    """The superuser's."""
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()


@pytest.fixture
async def auth(
    embedded_postgres: EmbeddedPostgres, postgres_url: str, redis_url: str, keys: Keys, database: Connection
) -> AsyncIterator[Auth]:
    port = free_port()
    settings = AuthSettings.model_validate(
        {
            "port": port,
            "database_url": embedded_postgres.url(_name(postgres_url), "crossbook_auth"),
            "redis_url": redis_url,
            "internal_token": keys.internal_token,
            "encryption_key": keys.encryption_key,
        }
    )
    app = create_auth(settings)
    async with listening(app, port):
        yield Auth(f"http://127.0.0.1:{port}", app, database)


@pytest.fixture
def configure(
    embedded_postgres: EmbeddedPostgres, postgres_url: str, redis_url: str, keys: Keys, auth: Auth
) -> Configure:
    """Settings of a notifier that is quick, sends webhooks to this machine and nothing else."""

    def configured(**changes: Any) -> NotifierSettings:
        return NotifierSettings.model_validate(
            {
                "port": 1,
                "database_url": embedded_postgres.url(_name(postgres_url), "crossbook_notifier"),
                "redis_url": redis_url,
                "internal_token": keys.internal_token,
                "encryption_key": keys.encryption_key,
                "auth_url": auth.url,
                "public_base_url": "https://exchange.example",
                "webhooks_may_be_local": True,
                "poll_interval_s": 0.05,
                "attempt_timeout_s": 2,
                "backoff_base_s": 0.02,
                "backoff_max_s": 0.05,
                "max_attempts": 4,
                **changes,
            }
        )

    return configured


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    async with AsyncExitStack() as stack:

        @asynccontextmanager
        async def served(settings: NotifierSettings) -> AsyncIterator[httpx.AsyncClient]:
            app = create_app(settings)
            transport = httpx.ASGITransport(app)
            async with (
                app.router.lifespan_context(app),
                httpx.AsyncClient(transport=transport, base_url="http://notifier") as client,
            ):
                yield client

        yield served
        await stack.aclose()


@pytest.fixture
def internal(keys: Keys, configure: Configure) -> dict[str, str]:
    return internal_credential(configure())


def _name(postgres_url: str) -> str:
    return postgres_url.split("@/")[1].split("?")[0]
