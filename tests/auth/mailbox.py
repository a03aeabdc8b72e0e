"""What people are sent, as whoever delivers it sees it."""

from typing import Any

import httpx

from services.auth.settings import AuthSettings
from services.infra.web import internal_credential


class Mailbox:
    """Reads the outbox of the service behind ``client``."""

    def __init__(self, client: httpx.AsyncClient, settings: AuthSettings) -> None:
        self._client = client
        self._headers = internal_credential(settings)

    async def all(self, kind: str = "") -> list[dict[str, Any]]:
        answer = await self._client.get("/internal/notices?limit=500", headers=self._headers)
        return [notice for notice in answer.json() if kind in ("", notice["kind"])]

    async def kinds(self) -> list[str]:
        return [notice["kind"] for notice in await self.all()]

    async def token(self, kind: str) -> str:
        """The token of the newest mail of this kind."""
        token: str = (await self.all(kind))[-1]["data"]["token"]
        return token

    async def empty(self) -> None:
        ids = [notice["noticeId"] for notice in await self.all()]
        await self._client.post("/internal/notices/acknowledge", json={"noticeIds": ids}, headers=self._headers)
