"""What operators and the ``crossbook`` command ask, under ``/internal``, and health. A gateway must not route these."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from services.infra.problems import (
    BUSY,
    INVALID_INTERNAL_CREDENTIAL,
    INVALID_REQUEST,
    UNAVAILABLE,
    Refused,
    documented,
)
from services.infra.telemetry import logger
from services.infra.web import shows_internal_credential
from services.notifier.errors import DELIVERY_NOT_FOUND
from services.notifier.queue import PARKED_PAGE_MAX
from services.notifier.resources import Held
from services.notifier.wire import Health, ParkedView

log = logger(__name__)

_internal_credential = HTTPBearer(
    scheme_name="internalCredential", description="The credential services show each other.", auto_error=False
)


async def internal_only(
    request: Request,
    held: Held,
    _documented: Annotated[HTTPAuthorizationCredentials | None, Depends(_internal_credential)],
) -> None:
    if not shows_internal_credential(request, held.settings):
        raise Refused(INVALID_INTERNAL_CREDENTIAL)


_ALWAYS = (INVALID_INTERNAL_CREDENTIAL, BUSY, UNAVAILABLE)

router = APIRouter(prefix="/internal", tags=["internal"], dependencies=[Depends(internal_only)])
health = APIRouter(prefix="/health", tags=["health"])


@router.get("/parked", responses=documented(INVALID_REQUEST, *_ALWAYS))
async def list_parked(held: Held, limit: Annotated[int, Query(ge=1, le=PARKED_PAGE_MAX)] = 100) -> list[ParkedView]:
    """List deliveries that were given up, newest first."""
    return [ParkedView.model_validate(parked._asdict()) for parked in await held.queue.parked(limit)]


@router.post("/parked/{delivery_id}/retry", status_code=204, responses=documented(DELIVERY_NOT_FOUND, *_ALWAYS))
async def retry_parked(delivery_id: uuid.UUID, held: Held) -> None:
    """Begin anew with a delivery that was given up."""
    if not await held.queue.retry(delivery_id):
        raise Refused(DELIVERY_NOT_FOUND)
    held.wake()
    log.info("parked delivery retried by an operator", delivery_id=str(delivery_id))


@health.get("/live")
async def live() -> Health:
    """Answer while the process runs."""
    return Health(status="live")


@health.get("/ready", responses=documented(UNAVAILABLE))
async def ready(held: Held) -> Health:
    """Answer while the database can be reached."""
    async with held.transaction() as connection:
        await connection.execute("SELECT 1")
    return Health(status="ready")
