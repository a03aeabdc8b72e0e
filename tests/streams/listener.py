"""Somebody who follows an account whatever dies, and resumes where the connection broke."""

import asyncio
import contextlib

from websockets.exceptions import InvalidHandshake

from tests.streams.api_socket import ApiSocket, Json, open_socket, succeeded
from tests.streams.follower import Follower, KeyHolder, resume_of, signer

QUIET_S = 0.3
_NOT_THERE = (OSError, InvalidHandshake, ConnectionError, TimeoutError)


class Listener:
    """Follows an account whatever happens, and keeps every event it was ever told."""

    def __init__(self, base_url: str, account: KeyHolder) -> None:
        self._base_url = base_url
        self._account = account
        self._resume: str | None = None
        self.began = asyncio.Event()
        self.heard: list[Json] = []
        self.connections = 0
        self._heard_more = asyncio.Event()

    async def has_heard_of(self, orders: int) -> None:
        """And of the balances after them."""
        while sum("i" in event for event in self.heard) < orders or self.heard[-1]["e"] != "outboundAccountPosition":
            self._heard_more.clear()
            await self._heard_more.wait()

    async def has_reached(self, sequence: int) -> None:
        """An event of this journal entry or a later one, and whatever else comes with it."""
        while not self.heard or self.heard[-1]["journalSequence"] < sequence:
            self._heard_more.clear()
            await self._heard_more.wait()
        count = 0
        while count < len(self.heard):
            count = len(self.heard)
            await asyncio.sleep(QUIET_S)

    async def run(self) -> None:
        while True:
            with contextlib.suppress(*_NOT_THERE):
                async with open_socket(self._base_url) as socket:
                    await self._follow(socket)
            await asyncio.sleep(0.05)

    async def _follow(self, socket: ApiSocket) -> None:
        resume = {} if self._resume is None else {"resume": self._resume}
        reply = await socket.ask("userDataStream.subscribe.signature", signer(self._account)(**resume))
        if reply["status"] >= 500:
            # Whom it has to ask is not there.
            return
        follower = Follower(socket, succeeded(reply))
        self._resume = self._resume or str(follower.result["journalSequence"])
        self.connections += 1
        self.began.set()
        await self._listen(follower)

    async def _listen(self, follower: Follower) -> None:
        """Until the connection breaks."""
        while True:
            taking = asyncio.ensure_future(follower.socket.pushed.get())
            broken = asyncio.ensure_future(follower.socket.connection.wait_closed())
            await asyncio.wait((taking, broken), return_when=asyncio.FIRST_COMPLETED)
            broken.cancel()
            if not taking.done():
                taking.cancel()
                return
            self.heard.append(taking.result()["event"])
            self._resume = resume_of(self.heard[-1])
            self._heard_more.set()
