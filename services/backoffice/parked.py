"""Notices that could not be delivered, as the notifier tells of them."""

from typing import Any

import httpx

from services.backoffice.errors import NOTIFIER_UNAVAILABLE
from services.backoffice.resources import Resources
from services.infra.problems import Refused


async def parked_notices(held: Resources) -> list[dict[str, Any]]:
    if held.settings.notifier_url is None:
        return []
    try:
        response = await held.internal.get(f"{held.settings.notifier_url.rstrip('/')}/internal/parked")
    except httpx.HTTPError:
        raise Refused(NOTIFIER_UNAVAILABLE) from None
    if response.status_code != httpx.codes.OK:
        raise Refused(NOTIFIER_UNAVAILABLE)
    found: list[dict[str, Any]] = response.json()
    return found
