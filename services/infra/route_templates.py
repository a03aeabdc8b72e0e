"""Which route answered a request: its template (``/accounts/{account_id}``), never what a client sent."""

from typing import Any

from starlette.types import Scope


def template(scope: Scope) -> str | None:
    """As the router left it in the scope; None if no route matched."""
    # FastAPI's routes know their own part of the path only; the whole is with the routers that include them.
    matched: Any = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    path: str | None = getattr(matched, "path_format", None) or getattr(matched, "path", None)
    return path
