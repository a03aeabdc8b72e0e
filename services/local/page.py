"""The web terminal as the local exchange serves it: static files, with the headers that CloudFront sends too.

A path that is a file of the built page is that file. Any other path that a browser asks for as a document is a page of
the terminal, which finds its way by the path itself, unless it belongs to an API: those always win. ``config.json``
says what this exchange offers. What is read is ``web/dist`` (``make web``) and ``web/security-headers.json``, which
holds the policy for every way of serving the page. Without ``dist`` a visitor is told how to build it.
"""

import json
from pathlib import Path
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

SOURCE: Final = Path(__file__).parents[2] / "web"
# Whatever is below these is the API's to answer, also what it answers with 404.
API_PREFIXES: Final = (
    *("/api/", "/sapi/", "/fapi/", "/dapi/", "/auth/", "/wallet/v1/", "/admin/v1/", "/notifier/v1/"),
    *("/local/", "/internal/", "/ws", "/stream", "/health/", "/metrics", "/openapi.json", "/.well-known/", "/outbox"),
)
_CONFIG: Final = "/config.json"
_DOCUMENT: Final = "index.html"
_NOT_BUILT: Final = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>Crossbook</title>"
    "<h1>Crossbook is running</h1><p>Its API answers here. The web terminal has not been built on this machine: "
    "<code>make web</code> does that (it needs npm&rsquo;s registry once), then reload this page.</p>"
)


class Page:
    """``takes`` says whether a request is the page's; calling it answers."""

    def __init__(self, source: Path = SOURCE, *, demo_funds: bool = False) -> None:
        self._dist = source / "dist"
        policy: dict[str, Any] = json.loads((source / "security-headers.json").read_text())
        headers: dict[str, str] = policy["headers"]
        # One origin serves page and API here.
        self._headers = {name: value.replace("$API_ORIGINS", "") for name, value in headers.items()}
        self._cache_control: dict[str, str] = policy["cacheControl"]
        self._config = {"apiOrigin": "", "demoFunds": demo_funds, "outbox": True}

    def takes(self, scope: Scope) -> bool:
        """Nothing but reading, and nothing of the API's."""
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            return False
        path: str = scope["path"]
        if path.startswith(API_PREFIXES):
            return False
        return (
            path in {"/", _CONFIG}
            or self._file(path) is not None
            or "text/html" in Headers(scope=scope).get("accept", "")
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = self._answer(scope["path"])
        response.headers.update(self._headers)
        await response(scope, receive, send)

    def _answer(self, path: str) -> Response:
        if path == _CONFIG:
            return JSONResponse(self._config, headers={"Cache-Control": "no-store"})
        file = self._file(path) or self._file(f"/{_DOCUMENT}")
        if file is None:
            return HTMLResponse(_NOT_BUILT, headers={"Cache-Control": "no-store"})
        prefix = next(prefix for prefix in self._cache_control if f"/{file.relative_to(self._dist)}".startswith(prefix))
        return FileResponse(file, headers={"Cache-Control": self._cache_control[prefix]})

    def _file(self, path: str) -> Path | None:
        """The file of the page at this path, which may not lead out of its directory."""
        if "\0" in path or "\\" in path:
            return None
        try:
            file = (self._dist / path.lstrip("/")).resolve()
        except OSError:
            return None
        return file if file.is_relative_to(self._dist.resolve()) and file.is_file() else None
