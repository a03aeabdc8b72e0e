"""Traders and sockets on the running exchange."""

import tests.profiles  # noqa: F401
from tests.api.conftest import http, new_trader

__all__ = ["http", "new_trader"]
