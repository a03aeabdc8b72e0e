"""What a running notifier holds. The lifespan builds it, ``app.state.resources`` holds it, routes are given it."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Final

from fastapi import Depends
from starlette.requests import Request

from services.infra.callers import Caller
from services.infra.postgres import Pool
from services.infra.sealing import Seal
from services.infra.transactions import Connection, transaction
from services.notifier import notices
from services.notifier.intake import Intake
from services.notifier.providers import Providers
from services.notifier.queue import Queue
from services.notifier.rendering import Messages
from services.notifier.settings import NotifierSettings

KNOWN_MEMBERS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Resources:
    settings: NotifierSettings
    pool: Pool
    seal: Seal
    messages: Messages
    providers: Providers
    intake: Intake
    queue: Queue
    # The lanes, after something became due.
    wake: Callable[[], None]
    # Accounts known to be members, so that a page of the inbox writes nothing.
    _members: OrderedDict[int, None] = field(default_factory=OrderedDict)

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        return transaction(self.pool, timeout_s=self.settings.pool_timeout_s)

    @asynccontextmanager
    async def transaction_of(self, caller: Caller) -> AsyncIterator[Connection]:
        """Open a transaction for someone signed in; whoever is, is told of their orders from then on."""
        async with self.transaction() as connection:
            if caller.account_id not in self._members:
                await notices.join(connection, [caller.account_id])
            yield connection
        self._members[caller.account_id] = None
        if len(self._members) > KNOWN_MEMBERS_MAX:
            self._members.popitem(last=False)


def _resources(request: Request) -> Resources:
    resources: Resources = request.app.state.resources
    return resources


Held = Annotated[Resources, Depends(_resources)]
