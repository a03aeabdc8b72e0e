"""What every client and operator may read: the public keys, and whether this process is well."""

from fastapi import APIRouter, Response

from services.auth.errors import UNAVAILABLE, documented
from services.auth.resources import Held
from services.auth.signing_keys import JWKS_MAX_AGE_S
from services.auth.wire import Health, JsonWebKeySet

router = APIRouter()


@router.get("/.well-known/jwks.json", tags=["sessions"], operation_id="read_well_known_jwks")
@router.get("/auth/v1/jwks.json", tags=["sessions"], operation_id="read_jwks")
async def read_jwks(held: Held, response: Response) -> JsonWebKeySet:
    """Publish the keys that access tokens are signed with. A token's ``kid`` names one of them."""
    response.headers["Cache-Control"] = f"public, max-age={JWKS_MAX_AGE_S}"
    return JsonWebKeySet.model_validate(held.signing_keys.jwks)


@router.get("/health/live", tags=["health"])
async def live() -> Health:
    """Answer while the process runs."""
    return Health(status="live")


@router.get("/health/ready", tags=["health"], responses=documented(UNAVAILABLE))
async def ready(held: Held) -> Health:
    """Answer while the database can be reached."""
    async with held.transaction() as connection:
        await connection.execute("SELECT 1")
    return Health(status="ready")
