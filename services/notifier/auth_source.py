"""The auth service's notices as a source: asked for, stored, and only then acknowledged.

A notice that is asked for twice, as after a crash in between or by two notifiers at once, is stored once. What auth
tells of a token goes into the notice's secret and nowhere else.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import httpx
import msgspec

from services.infra import postgres, telemetry
from services.infra.http import internal_client
from services.notifier import kinds, metrics, notices
from services.notifier.intake import Intake
from services.notifier.notices import NewNotice
from services.notifier.settings import NotifierSettings

_PAGE: Final = 100
_TIMEOUT_S: Final = 5.0
_RETRY_S: Final = 1.0
_TOKEN: Final = "token"  # noqa: S105  # The field's name, not a secret.

_log = telemetry.logger(__name__)


class _AuthNotice(msgspec.Struct, frozen=True, rename="camel"):
    notice_id: int
    account_id: int
    email: str | None
    kind: str
    occurred_at: datetime
    data: dict[str, Any]


_decoder: Final = msgspec.json.Decoder(list[_AuthNotice])


class AuthSource:
    """``run`` it as a task; ``close`` it in the end."""

    def __init__(self, settings: NotifierSettings, intake: Intake) -> None:
        self._client = internal_client(settings, timeout_s=_TIMEOUT_S, max_connections=2)
        self._url = f"{settings.auth_url.rstrip('/')}/internal/notices"
        self._lifetime = timedelta(seconds=settings.secret_lifetime_s)
        self._interval_s = settings.poll_interval_s
        self._intake = intake

    async def close(self) -> None:
        await self._client.aclose()

    async def run(self) -> None:
        while True:
            try:
                read = await self.read_page()
            except (*postgres.FAILURES, httpx.HTTPError, msgspec.MsgspecError) as error:
                metrics.SOURCE_FAILURES.labels("auth").inc()
                # Not the error itself: it may hold what could not be read.
                _log.warning("auth_notices_not_read", error=type(error).__name__)
                await asyncio.sleep(_RETRY_S)
                continue
            await asyncio.sleep(0 if read == _PAGE else self._interval_s)

    async def read_page(self) -> int:
        """Store the oldest notices; return how many there were."""
        response = await self._client.get(self._url, params={"limit": _PAGE})
        response.raise_for_status()
        found = _decoder.decode(response.content)
        if not found:
            return 0
        await self._store(found)
        body = {"noticeIds": [notice.notice_id for notice in found]}
        (await self._client.post(f"{self._url}/acknowledge", json=body)).raise_for_status()
        return len(found)

    async def _store(self, found: Sequence[_AuthNotice]) -> None:
        async with self._intake.storing() as storing:
            await notices.join(storing.connection, (notice.account_id for notice in found))
            await storing.store([self._notice(notice) for notice in found])

    def _notice(self, told: _AuthNotice) -> NewNotice:
        data = dict(told.data)
        token = data.pop(_TOKEN, None)
        kind = told.kind
        if kind not in kinds.GROUPS:
            kind, data = kinds.SECURITY_NOTICE, {"what": told.kind.replace("_", " ").lower()[:64]}
        # A link is worth nothing later; any other notice keeps its address for as long as it is on its way.
        expires_at = told.occurred_at + self._lifetime if kinds.GROUPS[kind] is kinds.Group.LINK else None
        return NewNotice(
            f"auth:{told.notice_id}",
            told.account_id,
            kind,
            told.occurred_at,
            data,
            recipient=told.email,
            secret=None if token is None else str(token),
            expires_at=expires_at if token is None or expires_at else told.occurred_at + self._lifetime,
        )
