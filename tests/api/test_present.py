"""Many who ask at once are answered by few statements, each with what is its own."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator

import pytest
from prometheus_client import REGISTRY

from services.domain.commands import SetAccountTerms
from services.infra import postgres
from services.infra.postgres import Pool
from services.local.embedded import EmbeddedPostgres
from services.local.processes import DATABASE
from services.trading.present import MAX_KEYS, ORDERS_BY_CLIENT_ID, ORDERS_BY_ID, Present
from services.trading.queries import Terms
from tests.api.conftest import NewTrader
from tests.api.trader import Trader
from tests.running import RunningSystem

SYMBOL = "BTCUSDT"
NOBODY = 2**62


@pytest.fixture
async def pool(system: RunningSystem) -> AsyncIterator[Pool]:
    url = EmbeddedPostgres(system.directory.postgres).url(DATABASE, "crossbook_trading")
    opened = await postgres.create_pool(url, application_name="test", size=4, statement_timeout_ms=30_000)
    yield opened
    await opened.close()


@pytest.fixture
def traders(new_trader: NewTrader) -> Iterator[list[Trader]]:
    yield [new_trader(USDT="1000", BTC="2"), new_trader(USDT="500"), new_trader()]


def statements(what: str) -> float:
    return REGISTRY.get_sample_value("crossbook_trading_reads_shared_count", {"what": what}) or 0.0


async def test_orders_looked_up_together_are_each_ones_own(pool: Pool, traders: list[Trader]) -> None:
    one, other, _ = traders
    first = one.buy("0.001", "20000", newClientOrderId="same")
    # A cancelled order's name may be used again, and then the newest has it.
    one.delete("order", symbol=SYMBOL, orderId=first["orderId"], newClientOrderId="cancel")
    second = one.buy("0.001", "20001", newClientOrderId="same")
    third = other.buy("0.001", "20002", newClientOrderId="same")
    present = Present(pool)
    before = statements("order")
    found = await asyncio.gather(
        *(present.order(order["orderId"], one.account_id, SYMBOL) for order in (second, first, third)),
        present.order(first["orderId"], one.account_id, "ETHUSDT"),
        present.order(third["orderId"], other.account_id, SYMBOL),
        present.order(first["orderId"], one.account_id, SYMBOL),
    )
    ids = [row and row["order_id"] for row in found]
    assert ids == [second["orderId"], first["orderId"], None, None, third["orderId"], first["orderId"]]
    assert statements("order") == before + 1
    named = await asyncio.gather(
        present.order_by_client_id("same", one.account_id, SYMBOL),
        present.order_by_client_id("same", other.account_id, SYMBOL),
        present.order_by_client_id("same", other.account_id, "ETHUSDT"),
        present.order_by_client_id("other", one.account_id, SYMBOL),
    )
    assert [row and row["order_id"] for row in named] == [second["orderId"], third["orderId"], None, None]


async def test_accounts_read_together_are_each_ones_own(
    pool: Pool, traders: list[Trader], system: RunningSystem
) -> None:
    rich, poor, empty = traders
    system.set_account_terms(SetAccountTerms(poor.account_id, maker_fee_rate_e8=7))
    present = Present(pool)
    before = statements("account")
    states = await asyncio.gather(
        *(present.account(number) for number in (poor.account_id, NOBODY, rich.account_id, empty.account_id))
    )
    assert statements("account") == before + 1
    held = [{asset: row["free_e8"] // 10**8 for asset, row in state.balances.items()} for state in states]
    assert held == [{"USDT": 500}, {}, {"USDT": 1000, "BTC": 2}, {}]
    assert [state.terms for state in states] == [Terms(maker_fee_rate_e8=7), Terms(), Terms(), Terms()]


async def test_more_than_fit_take_several_statements(pool: Pool) -> None:
    present = Present(pool)
    before = statements("account")
    await asyncio.gather(*(present.account(NOBODY + number) for number in range(2 * MAX_KEYS + 1)))
    assert statements("account") == before + 3


BY_ACCOUNT = re.compile("by_account|account_id_symbol_order_id_idx")


@pytest.mark.parametrize(
    ("sql", "arguments", "index"),
    [
        (ORDERS_BY_ID, ([1], [1], [SYMBOL], 1, 1), "_pkey"),
        (ORDERS_BY_CLIENT_ID, (["a"], [1], [SYMBOL], 0), "client_order_id"),
    ],
)
async def test_the_planner_has_no_choice_but_the_key(
    pool: Pool, sql: str, arguments: tuple[object, ...], index: str
) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {sql}", *arguments))
    scans = [line for line in plan.splitlines() if " Scan " in line and "Function" not in line]
    assert len(scans) > 0, plan
    assert all(index in line for line in scans if "using" in line), plan
    assert not BY_ACCOUNT.search(plan), plan
