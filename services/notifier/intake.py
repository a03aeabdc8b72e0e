"""The intake: one transaction that stores notices, and what follows once it has committed.

Afterwards, and only then, the copies for whoever is signed in go out and the deliveries' lanes are woken. Both are
shortcuts: a lane looks for itself now and then, and the inbox has what a copy said.
"""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from services.infra.postgres import Pool
from services.infra.sealing import Seal
from services.infra.transactions import Connection, transaction
from services.notifier import metrics, notices
from services.notifier.copies import Copies
from services.notifier.kinds import Channel
from services.notifier.notices import NewNotice

POOL_TIMEOUT_S: Final = 5.0


@dataclass(slots=True)
class Storing:
    """An open transaction that notices are stored in."""

    connection: Connection
    seal: Seal
    offered: Collection[Channel]
    told: list[NewNotice] = field(default_factory=list)

    async def store(self, new: Sequence[NewNotice]) -> None:
        self.told += await notices.store(self.connection, self.seal, new, self.offered)


class Intake:
    """``offered`` are the channels that this installation has."""

    def __init__(
        self, pool: Pool, seal: Seal, copies: Copies, offered: Collection[Channel], wake: Callable[[], None]
    ) -> None:
        self._pool = pool
        self._seal = seal
        self._copies = copies
        self._offered = offered
        self._wake = wake

    @asynccontextmanager
    async def storing(self) -> AsyncIterator[Storing]:
        async with transaction(self._pool, timeout_s=POOL_TIMEOUT_S) as connection:
            storing = Storing(connection, self._seal, self._offered)
            yield storing
        for notice in storing.told:
            metrics.NOTICES.labels(notice.kind).inc()
        self._wake()
        await self._copies.publish(storing.told)
