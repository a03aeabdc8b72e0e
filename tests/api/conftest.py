"""Traders on the running exchange. Whatever a trader leaves on the books is cancelled after the test."""

import asyncio
from collections.abc import Callable, Iterator

import asyncpg
import httpx
import pytest

import tests.profiles  # noqa: F401
from tests.api.trader import Trader
from tests.running import RunningSystem

NewTrader = Callable[..., Trader]


@pytest.fixture(scope="session")
def http(system: RunningSystem) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=system.base_url, timeout=20, trust_env=False) as client:
        yield client


@pytest.fixture
def new_trader(system: RunningSystem, http: httpx.Client) -> Iterator[NewTrader]:
    """Open an account with these amounts: ``new_trader(USDT="1000")``."""
    traders = []

    def opened(**amounts: str) -> Trader:
        trader = Trader(http, system.create_account(amounts))
        traders.append(trader)
        return trader

    yield opened
    for trader in traders:
        trader.cancel_everything()


@pytest.fixture
def trade_at(new_trader: NewTrader) -> Callable[[str], None]:
    """Make BTCUSDT trade once, at this price, between two accounts that nobody else uses."""
    seller, buyer = new_trader(BTC="1"), new_trader(USDT="100000")

    def trade(price: str) -> None:
        seller.sell("0.001", price)
        assert buyer.buy("0.001", price)["status"] == "FILLED"

    return trade


@pytest.fixture(scope="session")
def journal_sequence(system: RunningSystem) -> Iterator[Callable[[], int]]:
    """How far the journal is, as the database says."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        connection = runner.run(asyncpg.connect(system.database_url))

        def sequence() -> int:
            found = runner.run(connection.fetchval("SELECT sequence FROM exchange.engine_lease"))
            assert isinstance(found, int)
            return found

        yield sequence
        # Not a polite goodbye: a server that has gone away meanwhile is no concern of this fixture.
        connection.terminate()
