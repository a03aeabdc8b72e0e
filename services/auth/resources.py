"""What a running auth process holds. The lifespan builds it, ``app.state.resources`` holds it, routes are given it."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from fastapi import Depends
from pydantic import SecretStr
from redis.asyncio import Redis
from starlette.requests import Request

from services.auth import sessions
from services.auth.errors import BREACHED_PASSWORD, INVALID_ACCESS_TOKEN, TOO_MANY_ATTEMPTS, Refused
from services.auth.external import ExternalIssuers
from services.auth.passwords import Breached, Passwords
from services.auth.settings import AuthSettings
from services.auth.signing_keys import SigningKeys
from services.auth.throttles import Throttle, take
from services.infra.postgres import Pool
from services.infra.sealing import Seal
from services.infra.transactions import Connection, transaction


class Asker(NamedTuple):
    """Who asks. There is no session behind another issuer's token."""

    account_id: int
    session_id: str | None


@dataclass(frozen=True, slots=True)
class Resources:
    settings: AuthSettings
    pool: Pool
    redis: Redis
    passwords: Passwords
    seal: Seal
    signing_keys: SigningKeys
    external_issuers: ExternalIssuers

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        return transaction(self.pool, timeout_s=self.settings.pool_timeout_s)

    @asynccontextmanager
    async def transaction_of(self, asker: Asker) -> AsyncIterator[Connection]:
        """Open a transaction for the bearer of an access token, whose session must still be live if there is one."""
        async with self.transaction() as connection:
            session_id = asker.session_id
            if session_id is not None and await sessions.owner(connection, session_id) != asker.account_id:
                raise Refused(INVALID_ACCESS_TOKEN)
            yield connection

    async def hash_new(self, password: SecretStr) -> str:
        """Hash a password that is to be somebody's, unless everybody tries it."""
        try:
            return await self.passwords.hash(password.get_secret_value())
        except Breached as error:
            raise Refused(BREACHED_PASSWORD) from error

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
