"""What a running auth process holds. The lifespan builds it, ``app.state.resources`` holds it, routes are given it."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from redis.asyncio import Redis
from starlette.requests import Request

from services.auth import sessions
from services.auth.database import Connection, transaction
from services.auth.errors import INVALID_ACCESS_TOKEN, TOO_MANY_ATTEMPTS, Refused
from services.auth.passwords import Passwords
from services.auth.sealing import Seal
from services.auth.settings import AuthSettings
from services.auth.signing_keys import SigningKeys
from services.auth.throttles import Throttle, take
from services.infra.postgres import Pool
from services.infra.tokens import AccessToken


@dataclass(frozen=True, slots=True)
class Resources:
    settings: AuthSettings
    pool: Pool
    redis: Redis
    passwords: Passwords
    seal: Seal
    signing_keys: SigningKeys

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        return transaction(self.pool, timeout_s=self.settings.pool_timeout_s)

    @asynccontextmanager
    async def transaction_of(self, token: AccessToken) -> AsyncIterator[Connection]:
        """Open a transaction for the bearer of ``token``, whose session must still be live."""
        async with self.transaction() as connection:
            if await sessions.owner(connection, token.session_id) != token.account_id:
                raise Refused(INVALID_ACCESS_TOKEN)
            yield connection

    async def take(self, *throttles: Throttle) -> None:
        """Count an attempt against each, in a transaction of its own; refuse it at the first that is used up."""
        async with self.transaction() as connection:
            for throttle in throttles:
                taken = await take(connection, throttle)
                if taken.retry_after_s:
                    break
            else:
                return
        raise Refused(TOO_MANY_ATTEMPTS, retry_after_s=taken.retry_after_s)


def _resources(request: Request) -> Resources:
    resources: Resources = request.app.state.resources
    return resources


Held = Annotated[Resources, Depends(_resources)]
