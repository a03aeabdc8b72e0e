"""Schemathesis asks every service whatever their OpenAPI documents allow, and what they do not allow.

Nothing may be answered with a 5xx, in another shape than documented, or accepted against the schema. The requests are
the same in every run.
"""

import base64
import copy
import os
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest
import requests
import schemathesis
from fastapi import FastAPI
from hypothesis import settings
from requests.auth import AuthBase
from schemathesis import BaseSchema, Case, HookContext, SerializationContext, checks
from schemathesis.config import SchemathesisConfig

from services.auth.app import create_app as create_auth
from services.auth.settings import AuthSettings
from services.backoffice.app import create_app as create_backoffice
from services.backoffice.settings import BackofficeSettings
from services.engine.app import create_app as create_engine
from services.engine.settings import EngineSettings
from services.infra.settings import ServiceSettings
from services.notifier.app import create_app as create_notifier
from services.notifier.settings import NotifierSettings
from services.trading.app import create_app as create_trading
from services.trading.endpoint import API_KEY_HEADER
from services.trading.settings import TradingSettings
from tests.api.member import Member
from tests.api.trader import Trader
from tests.running import RunningSystem

CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
]
SIGNING = {"timestamp", "recvWindow", "signature"}
# The documents do not depend on these; nothing connects to them.
NOWHERE = {
    "port": 1,
    "database_url": "x",
    "redis_url": "x",
    "internal_token": "x" * 32,
    "encryption_key": base64.b64encode(bytes(32)).decode(),
    "auth_url": "x",
    "engine_urls": "x",
    "public_base_url": "http://x",
    # As in the local run.
    "outbox_directory": "x",
}


def examples(count: int) -> int:
    """As many as a quick run needs; CROSSBOOK_FUZZ_EXAMPLES asks for more."""
    return max(count, int(os.environ.get("CROSSBOOK_FUZZ_EXAMPLES", "0")))


def document(kind: type[ServiceSettings], create_app: Callable[[Any], FastAPI]) -> dict[str, Any]:
    return create_app(kind.model_validate(NOWHERE)).openapi()


def schema_of(openapi: dict[str, Any]) -> BaseSchema:
    """Without the cache that would be left in the working directory. What is too long may be refused as too large."""
    rejection = {"expected-statuses": ["400", "401", "403", "404", "405", "409", "413", "429"]}
    config = SchemathesisConfig.from_dict(
        {"cache": {"enabled": False}, "checks": {"negative_data_rejection": rejection}}
    )
    return schemathesis.openapi.from_dict(openapi, config=config)


def without_credentials(openapi: dict[str, Any]) -> dict[str, Any]:
    """Leave what the classes below add out of what is made up."""
    openapi = copy.deepcopy(openapi)
    for path in openapi["paths"].values():
        for operation in path.values():
            operation.pop("security", None)
            operation["parameters"] = [one for one in operation.get("parameters", ()) if one["name"] not in SIGNING]
    return openapi


TRADING, AUTH, ENGINE, NOTIFIER, BACKOFFICE = (
    document(TradingSettings, create_trading),
    document(AuthSettings, create_auth),
    document(EngineSettings, create_engine),
    document(NotifierSettings, create_notifier),
    document(BackofficeSettings, create_backoffice),
)
trading, auth, engine, notifier, backoffice = (
    schema_of(without_credentials(one)) for one in (TRADING, AUTH, ENGINE, NOTIFIER, BACKOFFICE)
)


class Signed(AuthBase):
    def __init__(self, trader: Trader) -> None:
        self._trader = trader

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        url = urlsplit(str(request.url))
        request.url = urlunsplit(url._replace(query=self._trader.signed(url.query)))
        request.headers[API_KEY_HEADER] = self._trader.api_key
        return request


class Internal(AuthBase):
    def __init__(self, system: RunningSystem) -> None:
        self._token = system.internal_token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class SignedIn(AuthBase):
    """Internal routes as a service, the others as a member; whoever signs out is another."""

    def __init__(self, system: RunningSystem, http: httpx.Client) -> None:
        self._internal = Internal(system)
        self._member, self._leaving = Member(http), Member(http)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        path = urlsplit(str(request.url)).path
        if path.startswith("/internal/"):
            return self._internal(request)
        member = self._leaving if path.endswith("/logout") else self._member
        request.headers["Authorization"] = f"Bearer {member.access_token}"
        return request


class Parameter(NamedTuple):
    """What is well formed, and what would make sense instead; "" leaves it as it is."""

    pattern: str
    sensible: tuple[str, ...] = ("",)


DECIMAL = r"[0-9]{1,20}(\.[0-9]{1,20})?"
PARAMETERS = {
    "symbol": Parameter(r"[A-Z0-9\-_.]{1,20}", ("BTCUSDT", "BTCUSDT", "ETHUSDT", "")),
    "price": Parameter(DECIMAL, ("30000", "20000.01", "")),
    "quantity": Parameter(DECIMAL, ("0.001", "0.01", "")),
    "quoteOrderQty": Parameter(DECIMAL, ("100", "")),
    "timeInForce": Parameter("GTC|IOC|FOK"),
}
# What an order of a type must have, and what it must not.
DEMANDED = {
    "LIMIT": {"timeInForce": "GTC", "price": "30000", "quantity": "0.01"},
    "LIMIT_MAKER": {"price": "30000", "quantity": "0.01"},
    "MARKET": {"quoteOrderQty": "100"},
}
SUPERFLUOUS = {
    "LIMIT": ("quoteOrderQty",),
    "LIMIT_MAKER": ("quoteOrderQty", "timeInForce"),
    "MARKET": ("price", "timeInForce", "quantity"),
}


@trading.hook
def map_query(_context: HookContext, query: dict[str, Any] | None) -> dict[str, Any] | None:
    """Let what is well formed also make sense, mostly: no made-up order would ever get as far as the engine.

    What is not well formed stays as it is, because the schema says that it must be refused.
    """
    if query is None:
        return None
    kind = str(query.get("type"))
    superfluous = SUPERFLUOUS.get(kind, ())
    return DEMANDED.get(kind, {}) | {
        name: _sensible(name, value) if _is_well_formed(name, value) else value
        for name, value in query.items()
        if not (name in superfluous and _is_well_formed(name, value))
    }


def _is_well_formed(name: str, value: Any) -> bool:
    known = PARAMETERS.get(name)
    return known is not None and isinstance(value, str) and bool(re.fullmatch(known.pattern, value, re.ASCII))


def _sensible(name: str, value: str) -> str:
    choices = PARAMETERS[name].sensible
    return choices[len(value) % len(choices)] or value


@schemathesis.serializer("application/msgpack")
def as_bytes(_context: SerializationContext, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


@pytest.fixture(scope="module")
def trader(system: RunningSystem, http: httpx.Client) -> Iterator[Trader]:
    """Has open orders and a trade, so that there is something to read and to cancel."""
    trader = Trader(http, system.create_account({"USDT": "100000", "BTC": "10"}))
    trader.sell("1", "40000")
    trader.buy("0.5", "40000")
    yield trader
    trader.cancel_everything()


@pytest.fixture(scope="module")
def signed_in(system: RunningSystem, http: httpx.Client) -> SignedIn:
    return SignedIn(system, http)


def ask(case: Case[Any], base_url: str, credentials: AuthBase) -> None:
    case.call_and_validate(base_url=base_url, auth=credentials, checks=CHECKS)


@trading.parametrize()
@settings(max_examples=examples(15), derandomize=True)
def test_trading(case: Case[Any], trader: Trader, system: RunningSystem) -> None:
    ask(case, system.base_url, Signed(trader))


@auth.parametrize()
@settings(max_examples=examples(5), derandomize=True)
def test_auth(case: Case[Any], signed_in: SignedIn, system: RunningSystem) -> None:
    ask(case, system.auth_url, signed_in)


@engine.parametrize()
@settings(max_examples=examples(10), derandomize=True)
def test_engine(case: Case[Any], system: RunningSystem) -> None:
    ask(case, system.engine_urls[0], Internal(system))


@notifier.parametrize()
@settings(max_examples=examples(5), derandomize=True)
def test_notifier(case: Case[Any], signed_in: SignedIn, system: RunningSystem) -> None:
    ask(case, system.state.notifier_url, signed_in)


@backoffice.parametrize()
@settings(max_examples=examples(5), derandomize=True)
def test_backoffice(case: Case[Any], signed_in: SignedIn, system: RunningSystem) -> None:
    ask(case, system.state.backoffice_url, signed_in)


def test_the_services_serve_these_documents(system: RunningSystem, http: httpx.Client) -> None:
    assert http.get("/openapi.json").json() == TRADING
    assert http.get("/auth/v1/openapi.json").json() == AUTH
    assert http.get("/notifier/v1/openapi.json").json() == NOTIFIER
    assert http.get("/wallet/v1/openapi.json").json() == BACKOFFICE
    assert httpx.get(f"{system.engine_urls[0]}/openapi.json", trust_env=False).json() == ENGINE
