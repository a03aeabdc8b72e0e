"""Accounts for client libraries, and the record of what the libraries ask.

What a client leaves on the books is cancelled after the test. What it asked of the exchange is compared, when all tests
of its module have run, with ``calls.json``, from which ``docs/compatibility.md`` is made; ``make compatibility`` writes
both anew.
"""

import asyncio
import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import ccxt  # type: ignore[import-untyped]
import httpx
import pytest

from services.local.internal import Account
from tests.api.trader import Trader
from tests.backoffice.conftest import town as town
from tests.clients.conversations import Calls
from tests.clients.recorder import Recorder
from tests.clients.watching import Busy, trading_of
from tests.running import RunningSystem

with warnings.catch_warnings():
    # It imports names that its own dependency, websockets, has deprecated.
    warnings.filterwarnings("ignore", r"websockets\.", DeprecationWarning)
    from binance import Client  # type: ignore[import-untyped]
    from binance.base_client import BaseClient  # type: ignore[import-untyped]

NewAccount = Callable[..., Account]
NewClient = Callable[..., Client]
TradeAt = Callable[..., None]
# ccxt has no types of its own.
Exchange = Any
Connect = Callable[[str, str], Exchange]
NewExchange = Callable[..., Exchange]

CALLS_FILE: Final = Path(__file__).with_name("calls.json")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-calls", action="store_true", help="write what clients ask to tests/clients/calls.json")


@pytest.fixture(scope="module")
def exchange_url(request: pytest.FixtureRequest, system: RunningSystem) -> Iterator[str]:
    """Where clients find the exchange."""
    module = request.node.obj
    with Recorder(system.base_url) as recorder:
        yield recorder.url
    items = (item for item in request.session.items if isinstance(item, pytest.Function))
    ran = {item.function.__name__ for item in items if item.module is module}
    if ran >= {name for name in vars(module) if name.startswith("test_")} and not request.session.testsfailed:
        _keep(
            module.__name__.rpartition(".")[2], recorder.calls, write=request.config.getoption("--write-calls", False)
        )


def _keep(module: str, calls: Calls, *, write: bool) -> None:
    """Hold what was asked against the file, or write it there; nothing is if the client cannot run on this machine."""
    if not calls:
        return
    asked = {call: " ".join(sorted(names)) for call, names in calls.items()}
    kept: dict[str, dict[str, str]] = json.loads(CALLS_FILE.read_text())
    if write:
        CALLS_FILE.write_text(json.dumps(kept | {module: asked}, indent=1, sort_keys=True) + "\n")
    else:
        assert asked == kept.get(module), f"{CALLS_FILE.name} tells of other calls; run `make compatibility`"


@pytest.fixture
def new_account(system: RunningSystem) -> Iterator[NewAccount]:
    """Open an account with these amounts: ``new_account(USDT="1000")``."""
    accounts: list[Account] = []

    def opened(**amounts: str) -> Account:
        accounts.append(system.create_account(amounts))
        return accounts[-1]

    yield opened
    with httpx.Client(base_url=system.base_url, trust_env=False) as http:
        for account in accounts:
            Trader(http, account).cancel_everything()


def ccxt_addresses(http: str, ws: str) -> dict[str, Any]:
    """The one thing that ccxt is told (section 9.1 of the compatibility reference)."""
    return {
        "api": {
            "public": f"{http}/api/v3",
            "private": f"{http}/api/v3",
            "v1": f"{http}/api/v1",
            "sapi": f"{http}/sapi/v1",
            "sapiV2": f"{http}/sapi/v2",
            "sapiV3": f"{http}/sapi/v3",
            "sapiV4": f"{http}/sapi/v4",
            "fapiPublic": f"{http}/fapi/v1",
            "dapiPublic": f"{http}/dapi/v1",
            "ws": {
                "spot": f"{ws}/stream/ws",
                "margin": f"{ws}/stream/ws",
                "ws-api": {"spot": f"{ws}/ws-api/v3"},
            },
        }
    }


@pytest.fixture
def ccxt_urls(exchange_url: str) -> dict[str, Any]:
    return ccxt_addresses(exchange_url, exchange_url.replace("http", "ws", 1))


@pytest.fixture
def connect(ccxt_urls: dict[str, Any]) -> Connect:
    """ccxt's synchronous client with its stock settings, told nothing but where the exchange is."""

    def connected(api_key: str, secret_key: str) -> Exchange:
        return ccxt.binance({"apiKey": api_key, "secret": secret_key, "urls": ccxt_urls})

    return connected


@pytest.fixture
def new_exchange(connect: Connect, new_account: NewAccount) -> NewExchange:
    def opened(**amounts: str) -> Exchange:
        account = new_account(**amounts)
        return connect(account.api_key, account.secret_key)

    return opened


@pytest.fixture
def trade_at(system: RunningSystem, new_account: NewAccount) -> Iterator[TradeAt]:
    """Make BTCUSDT, or another market, trade once at this price between two accounts that nobody else uses."""
    with httpx.Client(base_url=system.base_url, trust_env=False) as http:
        seller, buyer = (Trader(http, new_account(BTC="10", ETH="100", USDT="1000000")) for _ in range(2))

        def trade(price: str, quantity: str = "0.001", symbol: str = "BTCUSDT") -> None:
            seller.sell(quantity, price, symbol=symbol)
            assert buyer.buy(quantity, price, symbol=symbol)["status"] == "FILLED"

        yield trade


@pytest.fixture
def trader(system: RunningSystem, new_account: NewAccount) -> Iterator[Trader]:
    """The other side of a client's trades, or both sides where the trader says so."""
    with httpx.Client(base_url=system.base_url, timeout=20, trust_env=False) as http:
        yield Trader(http, new_account(BTC="100", USDT="1000000"))


@pytest.fixture
def busy(trader: Trader) -> Busy:
    return trading_of(trader)


@pytest.fixture
def binance_address(exchange_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one thing that python-binance is told (section 9.2 of the compatibility reference)."""
    monkeypatch.setattr(BaseClient, "API_URL", f"{exchange_url}/api")
    monkeypatch.setattr(BaseClient, "MARGIN_API_URL", f"{exchange_url}/sapi")


@pytest.fixture
def _event_loop() -> Iterator[None]:
    """python-binance's synchronous client takes the thread's event loop, makes one if there is none, and never closes
    it.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture
def new_client(new_account: NewAccount, binance_address: None, _event_loop: None) -> Iterator[NewClient]:
    """python-binance's synchronous client."""
    clients = []

    def opened(**amounts: str) -> Client:
        account = new_account(**amounts)
        clients.append(Client(account.api_key, account.secret_key))
        return clients[-1]

    yield opened
    for client in clients:
        client.close_connection()
