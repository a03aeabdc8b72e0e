"""Journal entries as an engine writes them."""

import msgspec

from services.domain.events import Event, FundsDeposited, OrderFilled
from services.domain.money import ONE_E8
from services.domain.orders import ExpiryReason, OrderState, OrderStatus, OrderType, Side, TimeInForce
from services.infra.postgres import Connection

TIME_US = 1_767_225_600_000_000


async def append(connection: Connection, *commands: list[Event]) -> int:
    """One entry after those there are; return its sequence."""
    sequence: int = await connection.fetchval(
        "INSERT INTO exchange.journal (sequence, epoch, time_us, commands, events, hash) "
        "SELECT coalesce(max(sequence), 0) + 1, 1, $1, '', $2, '' FROM exchange.journal RETURNING sequence",
        TIME_US,
        encoded(*commands),
    )
    return sequence


def encoded(*commands: list[Event]) -> bytes:
    return msgspec.msgpack.encode(list(commands))


def deposit(account_id: int, amount: int = 5, asset: str = "USDT", reference: str = "r") -> list[Event]:
    return [FundsDeposited(account_id, asset, amount * ONE_E8, reference)]


def order(
    account_id: int,
    order_id: int,
    side: Side = Side.BUY,
    *,
    executed: int = 0,
    status: OrderStatus = OrderStatus.NEW,
    reason: ExpiryReason = ExpiryReason.NONE,
    client_order_id: str = "mine",
) -> OrderState:
    return OrderState(
        order_id,
        account_id,
        "BTCUSDT",
        client_order_id,
        side,
        OrderType.LIMIT,
        TimeInForce.GTC,
        100 * ONE_E8,
        50 * ONE_E8,
        0,
        executed * ONE_E8,
        100 * executed * ONE_E8,
        status,
        TIME_US,
        TIME_US,
        TIME_US,
        reason,
    )


def fill(taker: int, maker: int, number: int, *, taker_order: int = 1) -> OrderFilled:
    """The number-th fill, of one each, of one taker's order of fifty by as many makers' orders."""
    status = OrderStatus.FILLED if number == 50 else OrderStatus.PARTIALLY_FILLED
    return OrderFilled(
        number,
        "BTCUSDT",
        100 * ONE_E8,
        ONE_E8,
        100 * ONE_E8,
        0,
        0,
        order(taker, taker_order, executed=number, status=status),
        order(maker, 1_000 + number, Side.SELL, executed=1, status=OrderStatus.FILLED),
    )
