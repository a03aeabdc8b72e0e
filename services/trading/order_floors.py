"""Below which ids orders need not be looked for: two numbers that let reads of what is now leave old partitions alone.

Without them a look-up by anything but the id costs some microseconds for each partition there is. Both only ever grow,
so one that is old, or still zero, makes a read slower and never wrong: an order below ``open`` has ended and stays so,
and who does not find a name from ``recent`` on looks further.
"""

import asyncio
from typing import Final

from services.infra import postgres, telemetry
from services.infra.postgres import Pool

LOOK_INTERVAL_S: Final = 60.0
PARTITIONS: Final = """
SELECT coalesce(from_key, 0) AS from_key, coalesce(to_key, 9223372036854775807) AS to_key
FROM exchange.history_partitions WHERE table_name = 'orders' ORDER BY from_key NULLS FIRST
"""
NEWEST: Final = "SELECT order_id FROM exchange.orders ORDER BY order_id DESC LIMIT 1"
HAS_OPEN: Final = "SELECT EXISTS (SELECT FROM exchange.orders WHERE is_open AND order_id >= $1 AND order_id < $2)"

_log = telemetry.logger(__name__)


class OrderFloors:
    """``open``: no order with a lower id is open. ``recent``: the ids from here on are a partition's or two."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.open = 0
        self.recent = 0

    async def run(self) -> None:
        while True:
            try:
                await self.look()
            except postgres.FAILURES as error:
                _log.info("order_floors_not_read", error=repr(error))
            await asyncio.sleep(LOOK_INTERVAL_S)

    async def look(self) -> None:
        partitions = await self._pool.fetch(PARTITIONS)
        newest = await self._pool.fetchval(NEWEST) or 0
        if newest < self.open - 1:
            # The database was restored to an earlier time.
            self.open = 0
        begun = [from_key for from_key, _ in partitions if from_key <= newest]
        self.recent = begun[-2] if len(begun) > 1 else 0
        for from_key, to_key in partitions:
            # Ids that are made meanwhile are above this.
            if from_key > newest or await self._pool.fetchval(HAS_OPEN, max(from_key, self.open), to_key):
                break
            self.open = max(self.open, min(to_key, newest + 1))
