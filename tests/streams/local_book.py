"""A client's own book, kept by the published procedure (section 7.4 of the dialect reference), and the engine's."""

import asyncio
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import httpx
import msgspec

from services.domain.money import format_e8
from services.domain.protocol import Depth, Envelope, ReadDepth, Reply
from tests.running import RunningSystem
from tests.streams.stream_socket import TIMEOUT_S, StreamSocket, open_streams

Levels = dict[Decimal, Decimal]
_replies = msgspec.msgpack.Decoder(list[Reply])


class Discontinuity(AssertionError):
    """An event does not begin where the one before it ended."""


class LocalBook:
    """``follow`` runs for one connection; the book is begun anew with each."""

    def __init__(self, base_url: str, symbol: str, stream: str) -> None:
        self.bids: Levels = {}
        self.asks: Levels = {}
        self.update_id = 0
        self.is_ready = False
        self.connections = 0
        self.events = 0
        self._base_url = base_url
        self._symbol = symbol
        self._stream = f"{symbol.lower()}@{stream}"
        self._changed = asyncio.Event()

    async def follow(self) -> None:
        self.is_ready = False
        async with open_streams(self._base_url, f"/ws/{self._stream}") as socket:
            self.connections += 1
            first = await socket.next_event(timeout_s=10 * TIMEOUT_S)
            async with httpx.AsyncClient(base_url=self._base_url, timeout=TIMEOUT_S, trust_env=False) as client:
                await self._begin(client, first["U"])
            event, last = first, None
            while True:
                self._take(event, last)
                last = event["u"]
                event = await self._next(socket)

    async def reached(self, update_id: int, timeout_s: float) -> None:
        async with asyncio.timeout(timeout_s):
            while not self.is_ready or self.update_id < update_id:
                self._changed.clear()
                await self._changed.wait()

    @staticmethod
    async def _next(socket: StreamSocket) -> Any:
        return await socket.next_event(timeout_s=10 * TIMEOUT_S)

    async def _begin(self, client: httpx.AsyncClient, first_update_id: int) -> None:
        while True:
            response = await client.get("/api/v3/depth", params={"symbol": self._symbol, "limit": 5000})
            response.raise_for_status()
            snapshot = response.json()
            if snapshot["lastUpdateId"] >= first_update_id - 1:
                break
        self.update_id = snapshot["lastUpdateId"]
        self.bids = {Decimal(price): Decimal(quantity) for price, quantity in snapshot["bids"]}
        self.asks = {Decimal(price): Decimal(quantity) for price, quantity in snapshot["asks"]}
        self.is_ready = True
        self._changed.set()

    def _take(self, event: Mapping[str, Any], last: int | None) -> None:
        if last is not None and event["U"] != last + 1:
            raise Discontinuity(f"{self._stream}: {event['U']}..{event['u']} after {last}")
        self.events += 1
        if event["u"] <= self.update_id:
            return
        if event["U"] > self.update_id + 1:
            raise Discontinuity(f"{self._stream}: {event['U']}..{event['u']} on a book of {self.update_id}")
        for side, changes in ((self.bids, event["b"]), (self.asks, event["a"])):
            for price, quantity in changes:
                if Decimal(quantity):
                    side[Decimal(price)] = Decimal(quantity)
                else:
                    side.pop(Decimal(price), None)
        self.update_id = event["u"]
        self._changed.set()


async def engine_depth(system: RunningSystem, symbol: str) -> tuple[int, Levels, Levels]:
    """The engine's own book: update id, bids and asks."""
    body = msgspec.msgpack.encode([Envelope(time.time_ns() // 1000 + 10_000_000, ReadDepth(symbol, 1_000_000))])
    headers = {"Authorization": f"Bearer {system.internal_token}"}
    url = system.active_engine()
    assert url is not None, "an engine is active"
    async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, headers=headers) as client:
        (reply,) = _replies.decode((await client.post(f"{url}/internal/commands", content=body)).content)
    assert isinstance(reply, Depth)
    return reply.update_id, _levels(reply.bids), _levels(reply.asks)


def _levels(levels: list[tuple[int, int]]) -> Levels:
    return {Decimal(format_e8(price)): Decimal(format_e8(quantity)) for price, quantity in levels}
