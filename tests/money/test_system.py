"""Goal: the real exchange conserves every asset and does each acknowledged movement exactly once, whatever is killed.

Several movers at a time ask the engine over HTTP, as the services in front of it do, while it is killed again and
again. Afterwards every word they were told is held against the database. CROSSBOOK_MOVEMENTS raises the number (10,000
takes some minutes).
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Final

import asyncpg
import httpx
import msgspec
import pytest

from services.domain.protocol import Envelope, Reply
from services.engine.core.accounts import FEE_ACCOUNT_ID
from services.engine.verify import verify
from services.infra.postgres import Connection
from services.infra.reserves import reserves
from tests.faults import report
from tests.money.movers import SYMBOL, Mover
from tests.running import RunningSystem

MOVEMENTS: Final = int(os.environ.get("CROSSBOOK_MOVEMENTS", "600"))
MOVERS = 4
PARCEL = 8
MOVEMENTS_PER_KILL = 250
SEED = 20261130
FUNDS = {"USDT": "100000", "BTC": "1000"}

StartSystem = Callable[..., RunningSystem]


@pytest.mark.timeout(120 + MOVEMENTS // 5)
async def test_random_movements_with_random_kills(start_system: StartSystem) -> None:
    system = start_system()
    accounts = [FEE_ACCOUNT_ID, *(system.create_account(FUNDS).user_id for _ in range(4))]
    movers = [Mover(f"mover{number}", accounts, SEED + number) for number in range(MOVERS)]
    async with asyncio.TaskGroup() as group:
        moving = [group.create_task(move(system, mover)) for mover in movers]
        kills = await kill_now_and_then(system, movers, moving)
    assert kills >= MOVEMENTS // MOVEMENTS_PER_KILL
    await asyncio.to_thread(system.wait_ready)
    await check(system, movers)
    words = {name: sum(getattr(mover, name) for mover in movers) for name in ("movements", "doubted", "repeated")}
    report.record("payments", {"faults": {"engine": kills}, **words})
    assert words["doubted"] > 0 and words["repeated"] > 0


async def move(system: RunningSystem, mover: Mover) -> None:
    """Until it has done its share and knows what became of everything."""
    async with httpx.AsyncClient(timeout=20, trust_env=False) as client:
        while mover.movements < MOVEMENTS // MOVERS or not mover.is_certain:
            size = PARCEL if mover.movements < MOVEMENTS // MOVERS else 0
            mover.hear(await ask(system, client, mover, size))


async def ask(system: RunningSystem, client: httpx.AsyncClient, mover: Mover, size: int) -> list[Reply] | None:
    body = msgspec.msgpack.encode([Envelope(2**62, command) for command in mover.parcel(size)])
    headers = {"Authorization": f"Bearer {system.internal_token}"}
    try:
        response = await client.post(f"{system.engine_urls[0]}/internal/commands", content=body, headers=headers)
    except httpx.HTTPError:
        response = None
    if response is None or response.status_code != httpx.codes.OK:
        await asyncio.sleep(0.05)
        return None
    return msgspec.msgpack.decode(response.content, type=list[Reply])


async def kill_now_and_then(system: RunningSystem, movers: list[Mover], moving: list["asyncio.Task[None]"]) -> int:
    """At random places: after so many more movements, and then at any instant of a batch."""
    random, kills = Random(SEED), 0
    while not all(task.done() for task in moving):
        await asyncio.sleep(random.uniform(0, 0.02))
        if sum(mover.movements for mover in movers) >= (kills + 0.5) * MOVEMENTS_PER_KILL:
            await asyncio.to_thread(system.kill_process, "engine")
            await asyncio.to_thread(system.wait_ready)
            kills += 1
    return kills


async def check(system: RunningSystem, movers: list[Mover]) -> None:
    connection: Connection = await asyncpg.connect(system.database_url)
    try:
        await check_told(connection, movers)
        await check_statements(connection)
        assert all(one.is_balanced for one in await reserves(connection, FEE_ACCOUNT_ID))
    finally:
        await connection.close()
    await verify(system.database_url)


async def check_told(connection: Connection, movers: list[Mover]) -> None:
    """The ledger holds what was acknowledged, each once, and nothing that was refused."""
    ledger = await connection.fetch(
        "SELECT reference, account_id, asset, amount_e8, kind FROM exchange.transfers WHERE reference LIKE 'mover%'"
    )
    assert sorted(map(tuple, ledger)) == sorted(line for mover in movers for line in mover.lines())
    rows = await connection.fetch("SELECT reference, status FROM exchange.withdrawals")
    stored = {row["reference"]: row["status"] for row in rows}
    assert stored == {name: status for mover in movers for name, status in mover.withdrawals().items()}
    assert stored and ledger


async def check_statements(connection: Connection) -> None:
    """What an account has is what its ledger and its trades add up to."""
    totals: Counter[tuple[int, str]] = Counter()
    for account_id, asset, amount_e8 in await connection.fetch(
        "SELECT account_id, asset, amount_e8 FROM exchange.transfers"
    ):
        totals[account_id, asset] += amount_e8
    trades = await connection.fetch("SELECT * FROM exchange.trades WHERE symbol = $1", SYMBOL)
    assert trades
    for trade in trades:
        buyer, seller = ("maker", "taker") if trade["buyer_is_maker"] else ("taker", "maker")
        base_fee, quote_fee = trade[f"{buyer}_fee_e8"], trade[f"{seller}_fee_e8"]
        totals[trade[f"{buyer}_account_id"], "BTC"] += trade["quantity_e8"] - base_fee
        totals[trade[f"{buyer}_account_id"], "USDT"] -= trade["quote_e8"]
        totals[trade[f"{seller}_account_id"], "BTC"] -= trade["quantity_e8"]
        totals[trade[f"{seller}_account_id"], "USDT"] += trade["quote_e8"] - quote_fee
        totals[FEE_ACCOUNT_ID, "BTC"] += base_fee
        totals[FEE_ACCOUNT_ID, "USDT"] += quote_fee
    held = await connection.fetch(
        "SELECT account_id, asset, free_e8 + locked_e8 + withdrawing_e8 FROM exchange.balances"
    )
    assert {(account_id, asset): total for account_id, asset, total in held if total} == +totals
