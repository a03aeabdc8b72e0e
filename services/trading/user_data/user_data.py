"""User data of one process: what the parts of this package need of each other, put together once."""

from collections.abc import Coroutine
from typing import Any

from redis.asyncio import Redis

from services.infra.postgres import Pool
from services.trading.feed import Feed
from services.trading.principals import Principals
from services.trading.settings import TradingSettings
from services.trading.streams.connection import Connection
from services.trading.user_data.credentials import Credentials
from services.trading.user_data.listen_key_streams import ListenKeyStreams
from services.trading.user_data.listen_keys import ListenKeys
from services.trading.user_data.notices import Notices
from services.trading.user_data.streams import UserDataStreams
from services.trading.user_data.subscriptions import Subscriptions


class UserData:
    """``start`` it when the feed stands and before that runs; then make tasks of what it ``runs``."""

    def __init__(self, settings: TradingSettings, feed: Feed, pool: Pool, principals: Principals, redis: Redis) -> None:
        self.streams = UserDataStreams(feed, pool, settings.resume_limit)
        self.credentials = Credentials(principals, settings.principal_ttl_s)
        self.notices = Notices(redis)
        # None when the setting says that there shall be none.
        self.listen_keys = ListenKeys(redis) if settings.listen_keys else None
        self.listen_key_streams = (
            None if self.listen_keys is None else ListenKeyStreams(self.streams, self.credentials, self.listen_keys)
        )

    async def start(self) -> None:
        await self.streams.start()

    def runs(self) -> list[Coroutine[Any, Any, None]]:
        """What goes on for the life of the process, each a task of its own (``services.infra.tasks`` says why)."""
        listening = [] if self.listen_key_streams is None else [self.listen_key_streams.run()]
        return [self.credentials.run(), self.notices.run(), *listening]

    def subscriptions(self, connection: Connection, unit: int) -> Subscriptions:
        """Those of one connection to the WebSocket API."""
        return Subscriptions(self.streams, self.credentials, self.notices, connection, unit)
