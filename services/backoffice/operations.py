"""Whether this process is well."""

from fastapi import APIRouter

from services.backoffice.resources import Held
from services.backoffice.wire import Health
from services.infra.problems import UNAVAILABLE, documented

router = APIRouter(tags=["health"])


@router.get("/health/live")
async def live() -> Health:
    """Answer while the process runs."""
    return Health(status="live")


@router.get("/health/ready", responses=documented(UNAVAILABLE))
async def ready(held: Held) -> Health:
    """Answer while the database can be reached."""
    async with held.transaction() as connection:
        await connection.execute("SELECT 1")
    return Health(status="ready")
