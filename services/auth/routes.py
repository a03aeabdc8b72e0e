"""The public routes, under ``/auth/v1``, put together."""

from fastapi import APIRouter, Depends, Response

from services.auth import account_routes, api_key_routes, second_factor_routes, session_routes


async def _never_store(response: Response) -> None:
    """Keep tokens and secrets out of every cache on the way."""
    response.headers["Cache-Control"] = "no-store"


router = APIRouter(prefix="/auth/v1", dependencies=[Depends(_never_store)])
for part in (account_routes, session_routes, second_factor_routes, api_key_routes):
    router.include_router(part.router)
