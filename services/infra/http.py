"""Calls from one service to another, over httpx."""

import httpx

from services.infra import traces
from services.infra.settings import ServiceSettings
from services.infra.web import internal_credential

CONNECT_TIMEOUT_S = 1.0


def internal_client(settings: ServiceSettings, *, timeout_s: float, max_connections: int = 8) -> httpx.AsyncClient:
    """Return a client that shows the internal credential and keeps connections open."""
    return httpx.AsyncClient(
        headers=internal_credential(settings),
        timeout=httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S),
        limits=httpx.Limits(max_connections=max_connections, max_keepalive_connections=max_connections),
        trust_env=False,
        event_hooks={"request": [traces.carry_with]} if traces.is_on else None,
    )
