"""``crossbook verify`` finds any single change to the journal or a table."""

import pytest

from services.domain.orders import Side
from services.engine.runner import Engine
from services.engine.verify import Mismatch, verify
from services.infra.postgres import Connection
from tests.engine.conftest import ALICE, BOB, StartEngine, fund, limit, submit


async def trade(engine: Engine) -> None:
    await fund(engine, ALICE, BOB)
    for price in range(90, 100):
        await submit(engine, limit(ALICE, Side.BUY, price, 2), limit(BOB, Side.SELL, price, 1))


@pytest.fixture
async def traded(start_engine: StartEngine, postgres_url: str) -> str:
    async with start_engine() as engine:
        await trade(engine)
    await verify(postgres_url)
    return postgres_url


FLIP = "set_byte({column}, 10, get_byte({column}, 10) # 1)"


@pytest.mark.parametrize(
    ("tampering", "complaint"),
    [
        (f"UPDATE exchange.journal SET events = {FLIP.format(column='events')} WHERE sequence = 4", "row 4 does not"),
        (f"UPDATE exchange.journal SET commands = {FLIP.format(column='commands')} WHERE sequence = 5", "row 5 does"),
        (f"UPDATE exchange.journal SET hash = {FLIP.format(column='hash')} WHERE sequence = 3", "row 3 does not"),
        ("DELETE FROM exchange.journal WHERE sequence = 6", "row 6 is missing"),
        (
            "UPDATE exchange.balances SET free_e8 = free_e8 + 1 WHERE account_id = 1000",
            "balances: row",
        ),
        ("UPDATE exchange.balances SET locked_e8 = 1 WHERE account_id = 1001 AND asset = 'ETH'", "balances: row"),
        ("INSERT INTO exchange.balances VALUES (7777, 'BTC', 1, 0, 0, 1)", "balances: row (7777, 'BTC')"),
        ("DELETE FROM exchange.balances WHERE account_id = 1000 AND asset = 'BTC'", "balances: row (1000, 'BTC')"),
        ("UPDATE exchange.orders SET status = 'FILLED', is_open = false WHERE order_id = 1", "open orders: row 1"),
        ("UPDATE exchange.orders SET price_e8 = price_e8 + 1 WHERE NOT is_open", "orders: row"),
        ("DELETE FROM exchange.orders WHERE order_id = 2", "orders: row 2"),
        ("UPDATE exchange.trades SET taker_fee_e8 = 0 WHERE trade_id = 3", "trades: row ('BTCUSDT', 3)"),
        ("DELETE FROM exchange.trades WHERE trade_id = 1", "trades: row ('BTCUSDT', 1)"),
        (
            "INSERT INTO exchange.trades SELECT symbol, 900, price_e8, quantity_e8, quote_e8, time_us, buyer_is_maker, "
            "taker_order_id, taker_account_id, taker_fee_e8, maker_order_id, maker_account_id, maker_fee_e8, sequence "
            "FROM exchange.trades WHERE trade_id = 1",
            "trades: the journal leads to 10 rows, the table has 11",
        ),
        ("UPDATE exchange.transfers SET amount_e8 = amount_e8 - 1 WHERE account_id = 1000", "transfers: row"),
        ("INSERT INTO exchange.transfers VALUES ('forged', 1000, 'BTC', 5, 0, 1)", "transfers: the journal leads to 6"),
        (
            "UPDATE exchange.markets SET definition = jsonb_set(definition, '{taker_fee_rate_e8}', '0')",
            "markets: row 'BTCUSDT'",
        ),
        ("UPDATE exchange.engine_lease SET sequence = sequence - 1", "otherwise"),
    ],
)
async def test_tampering_is_found(tampering: str, complaint: str, traded: str, database: Connection) -> None:
    await database.execute(tampering)
    with pytest.raises(Mismatch) as caught:
        await verify(traded)
    assert complaint in str(caught.value)


async def test_from_the_newest_snapshot(start_engine: StartEngine, postgres_url: str) -> None:
    async with start_engine() as engine:
        await trade(engine)
    async with start_engine() as engine:
        await submit(engine, limit(ALICE, Side.BUY, 50))
        whole = await verify(postgres_url)
        tail = await verify(postgres_url, from_snapshot=True)
    assert tail.from_sequence > 0
    assert (tail.sequence, tail.state_hash) == (whole.sequence, whole.state_hash)
    assert tail.commands < whole.commands


async def test_an_empty_exchange_verifies(postgres_url: str) -> None:
    report = await verify(postgres_url)
    assert (report.sequence, report.commands, report.orders) == (0, 0, 0)
