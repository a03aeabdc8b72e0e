"""Commands to the engine, one at a time, for services that send few. Trading's gateway batches many.

What became of a command is one of three: a reply, ``NotStarted`` (certainly not carried out) or ``OutcomeUnknown``.
A command that names itself by a reference may be sent again after either.
"""

from collections import deque
from typing import Final

import httpx
import msgspec

from services.domain.commands import Command
from services.domain.protocol import NOT_ACTIVE, Applied, Envelope, Failed, FailureKind, Refused, Reply
from services.infra.clock import Clock, now_us
from services.infra.http import internal_client
from services.infra.settings import ServiceSettings

_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_decoder: Final = msgspec.msgpack.Decoder(list[Reply])


class NotStarted(Exception):
    """No engine has taken the command, and none will."""


class OutcomeUnknown(Exception):
    """The answer got lost; the command may have been carried out."""


class EngineClient:
    """``submit`` asks the engine that last answered first, then the others once each."""

    def __init__(
        self,
        settings: ServiceSettings,
        engine_urls: tuple[str, ...],
        *,
        deadline_ms: int,
        timeout_ms: int,
        clock: Clock = now_us,
    ) -> None:
        """``clock`` is the one that the engine holds deadlines against."""
        self._clock = clock
        self._urls = deque(f"{url.rstrip('/')}/internal/commands" for url in engine_urls)
        self._deadline_ms = deadline_ms
        self._client = internal_client(settings, timeout_s=timeout_ms / 1000)

    async def close(self) -> None:
        await self._client.aclose()

    async def submit(self, command: Command) -> Applied | Refused:
        body = msgspec.msgpack.encode([Envelope(self._clock() + self._deadline_ms * 1000, command)])
        for _ in range(len(self._urls)):
            reply = await self._ask(self._urls[0], body)
            if isinstance(reply, Applied | Refused):
                return reply
            if isinstance(reply, Failed):
                raise OutcomeUnknown if reply.kind is FailureKind.UNKNOWN else NotStarted
            self._urls.rotate(-1)
        raise NotStarted

    async def _ask(self, url: str, body: bytes) -> Reply | None:
        """Return what the engine says; None if it did not take the command."""
        try:
            response = await self._client.post(url, content=body)
        except _NEVER_SENT:
            return None
        except httpx.HTTPError as error:
            # It may hang: ask another one next time.
            self._urls.rotate(-1)
            raise OutcomeUnknown from error
        if response.status_code == httpx.codes.OK:
            return _decoder.decode(response.content)[0]
        if response.content == NOT_ACTIVE:
            return None
        if response.is_server_error:
            raise OutcomeUnknown
        raise ValueError(f"the engine takes no such command: {response.status_code} {response.text[:200]}")
