"""Every error there is, provoked: none in ``services/trading/errors.py``, no ``Refusal``, without a request here.

``provocations.py`` names for each error the request that is answered with it; the last tests here name those that need
more than a request. Each case has an account and an address of its own, for limits are counted by both.
"""

import asyncio
import functools
import inspect
import itertools
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from msgspec.structs import replace

from services.domain.commands import (
    Command,
    DefineMarket,
    DefineVenue,
    Deposit,
    HoldWithdrawal,
    PlaceOrder,
    RejectWithdrawal,
    SetAccountTerms,
    SetMarketStatus,
    SettleWithdrawal,
)
from services.domain.market import Market, MarketStatus, Venue
from services.domain.money import MAX_E8, ONE_E8
from services.domain.orders import OrderType, Side, TimeInForce
from services.domain.protocol import Applied, Refused
from services.domain.refusals import Refusal
from services.engine.app import MAX_PARCEL
from services.engine.core.transfers import MAX_HELD_WITHDRAWALS
from services.trading import errors
from services.trading.errors import REFUSALS, DialectError
from tests.api.process import TradingProcess, serving
from tests.api.provocations import CASES, LIMITS, MARKETS, MONEY, Ask, Stage, buy
from tests.api.trader import Trader, error_of, succeeded
from tests.api.wire import Mode, Wire
from tests.running import RunningSystem

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def own(session_directory: Path, migrated_cluster: Path) -> Iterator[RunningSystem]:
    """Where a header says from where a request comes."""
    file = session_directory / "every-error.toml"
    file.write_text(MARKETS)
    environment = {"CROSSBOOK_MARKETS_FILE": str(file), "CROSSBOOK_TRUSTED_PROXIES": "127.0.0.1"}
    arguments = ("--no-demo", "--limits", LIMITS)
    root = session_directory / "every-error"
    running = RunningSystem(root, *arguments, environment=environment, cluster=migrated_cluster).start()
    yield running
    running.stop()


@pytest.fixture
def stage(own: RunningSystem) -> Iterator[Stage]:
    with httpx.Client(base_url=own.base_url, timeout=20, trust_env=False) as http:
        number = next(_numbers)
        http.headers["X-Forwarded-For"] = f"203.0.113.{number}"
        trader = Trader(http, own.create_account(MONEY))
        yield Stage(own, http, trader)
        http.headers["X-Forwarded-For"] = f"198.51.100.{number}"
        trader.cancel_everything()


@pytest.mark.parametrize(("key", "expected", "ask"), [pytest.param(*case, id=str(case[0])) for case in CASES])
def test_a_request_that_is_answered_with_it(
    key: str | Refusal, expected: DialectError | None, ask: Ask, stage: Stage
) -> None:
    expected = expected or (REFUSALS[key] if isinstance(key, Refusal) else vars(errors)[key])
    status, code, message = error_of(ask(stage))
    # When a ban ends is nobody's guess.
    message = re.sub(r"(?<=banned until )[0-9]{13}", "0", message)
    assert (status, code, message) == (expected.status, expected.code, expected.message)


# What a request alone does not bring about

ORDER = buy(newClientOrderId="mine")
NEEDING_MORE: set[str] = set()


def provokes(name: str) -> Callable[[Any], Any]:
    """The test's request is answered with this error; the test returns the answer."""
    NEEDING_MORE.add(name)

    def decorate(ask: Any) -> Any:
        @functools.wraps(ask)
        async def test(**fixtures: Any) -> None:
            expected: DialectError = vars(errors)[name]
            assert error_of(await ask(**fixtures)) == (expected.status, expected.code, expected.message)

        return test

    return decorate


@provokes("INTERNAL")
async def test_something_that_nothing_of_ours_would_write(stage: Stage) -> httpx.Response:
    connection = await asyncpg.connect(stage.system.database_url)
    terms = "INSERT INTO exchange.account_terms VALUES ($1, 'NONSENSE', NULL, NULL, 0, 0)"
    await connection.execute(terms, stage.trader.account_id)
    await connection.close()
    return stage.order({}, "account", "GET")


@provokes("UNAVAILABLE")
async def test_no_engine(stage: Stage) -> httpx.Response:
    async with wired(stage, command_deadline_ms=300) as (wire, send):
        await wire.close()
        return await send("POST", "order", ORDER)


@provokes("UNKNOWN_OUTCOME")
async def test_a_lost_reply(stage: Stage) -> httpx.Response:
    async with wired(stage) as (wire, send):
        await wire.set_mode(Mode.CUT_AT_REPLY)
        return await send("POST", "order", ORDER)


@provokes("OVERLOADED")
async def test_more_than_may_wait(stage: Stage) -> httpx.Response:
    async with wired(stage, gateway_queue_limit=1, command_deadline_ms=30_000, gateway_timeout_ms=30_000) as (
        wire,
        send,
    ):
        await wire.set_mode(Mode.HOLD_REQUESTS)
        placing = {asyncio.create_task(send("POST", "order", ORDER)) for _ in range(3)}
        done, _ = await asyncio.wait(placing, return_when=asyncio.FIRST_COMPLETED)
        await wire.set_mode(Mode.PASS)
        await asyncio.wait(placing)
        return done.pop().result()


@asynccontextmanager
async def wired(stage: Stage, **settings: Any) -> AsyncIterator[tuple[Wire, TradingProcess]]:
    async with (
        Wire(stage.system.engine_urls[0]) as wire,
        serving(stage.system, wire, stage.trader, **settings) as send,
    ):
        succeeded(await send("GET", "exchangeInfo"))
        yield wire, send


# Refusals of what only operators ask

NEW = Market(symbol="ZQ", base_asset="Z", quote_asset="Q", tick_size_e8=10**6, step_size_e8=10**6)
GIFT = Deposit(1000, "Z", ONE_E8, "gift")
REFUSED_COMMANDS: list[tuple[Refusal, Command]] = [
    (Refusal.INVALID_MARKET, DefineMarket(replace(NEW, tick_size_e8=0))),
    (Refusal.INVALID_VENUE, DefineVenue(Venue(max_open_orders=-1))),
    (Refusal.MARKET_UNCHANGED, DefineMarket(NEW)),
    (Refusal.MARKET_ASSETS_FIXED, DefineMarket(replace(NEW, quote_asset="A"))),
    (Refusal.GRID_COARSER_THAN_OPEN_ORDERS, DefineMarket(replace(NEW, tick_size_e8=10**8))),
    (Refusal.DEFINED_BY_COMMAND, DefineMarket(replace(NEW, max_open_orders=9), from_file=True)),
    (Refusal.STATUS_UNCHANGED, SetMarketStatus("ZQ", MarketStatus.TRADING)),
    (Refusal.INVALID_TERMS, SetAccountTerms(1000, maker_fee_rate_e8=-1)),
    (Refusal.REFERENCE_ALREADY_USED, GIFT),
    (Refusal.REFERENCE_USED_DIFFERENTLY, replace(GIFT, amount_e8=1)),
    (Refusal.INVALID_AMOUNT, replace(GIFT, reference="none", amount_e8=0)),
    (Refusal.INVALID_ACCOUNT, replace(GIFT, reference="nobody's", account_id=0)),
    (Refusal.INVALID_REFERENCE, replace(GIFT, reference="")),
    (Refusal.UNKNOWN_ASSET, replace(GIFT, reference="unheard of", asset="NOPE")),
    (Refusal.SUPPLY_OVERFLOW, replace(GIFT, reference="everything", amount_e8=MAX_E8)),
    (Refusal.UNKNOWN_WITHDRAWAL, SettleWithdrawal("none")),
    (Refusal.WITHDRAWAL_ALREADY_SETTLED, RejectWithdrawal("settled")),
    (Refusal.WITHDRAWAL_ALREADY_REJECTED, SettleWithdrawal("rejected")),
    (Refusal.TOO_MANY_WITHDRAWALS, HoldWithdrawal(1000, "Z", 1, 0, "one too many")),
]


def test_what_operators_are_refused(stage: Stage) -> None:
    system = stage.system
    order = PlaceOrder(1000, "ZQ", "mine", Side.SELL, OrderType.LIMIT, TimeInForce.GTC, ONE_E8, ONE_E8)
    accepted: list[Command] = [
        *(DefineMarket(NEW), GIFT, replace(GIFT, reference="another"), order),
        *(HoldWithdrawal(1000, "Z", 1, 0, reference) for reference in ("settled", "rejected")),
        *(SettleWithdrawal("settled"), RejectWithdrawal("rejected")),
    ]
    assert {type(reply) for reply in system.ask_engine(*accepted)} == {Applied}
    holds = [HoldWithdrawal(1000, "Z", 1, 0, f"held {number}") for number in range(MAX_HELD_WITHDRAWALS)]
    for parcel in (holds[:MAX_PARCEL], holds[MAX_PARCEL:]):
        assert {type(reply) for reply in system.ask_engine(*parcel)} == {Applied}
    for reason, command in REFUSED_COMMANDS:
        assert system.ask_engine(command) == [Refused(reason)]


# Nothing is missing


# Only a WebSocket can meet these: see tests/streams/test_websocket_api.py and test_limits.py beside this file.
OF_SOCKETS = {"NOT_SUPPORTED", "too_many_connections"}


def test_every_error_was_provoked() -> None:
    """A constant is an error, and so is what a function of the module makes."""
    made = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, DialectError)
        or (inspect.isfunction(value) and value.__module__ == errors.__name__ and not name.startswith("_"))
    }
    named = {key for key, _, _ in CASES if isinstance(key, str)}
    assert made == named | NEEDING_MORE | OF_SOCKETS
    assert not named & NEEDING_MORE


def test_every_refusal_was_provoked() -> None:
    public = {key for key, _, _ in CASES if isinstance(key, Refusal)}
    internal = {reason for reason, _ in REFUSED_COMMANDS}
    assert public == REFUSALS.keys()
    assert internal == set(Refusal) - public


def test_no_error_is_made_elsewhere() -> None:
    """A code spelled out where it is raised would escape the tests above. What sockets and the wallet say has
    tests of its own.
    """
    package = Path(errors.__file__).parent
    sockets = (package / "websocket_api", package / "user_data", package / "streams")
    wallet = (package / "back_office.py", package / "routes" / "capital.py")
    elsewhere = [
        file
        for file in package.rglob("*.py")
        if file != Path(errors.__file__) and not any(map(file.is_relative_to, (*sockets, *wallet)))
    ]
    assert len(elsewhere) > 30
    made = [file.name for file in elsewhere if re.search(r"DialectError\(\s*-?[0-9]", file.read_text())]
    assert made == []
