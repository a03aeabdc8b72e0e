"""What providers ask, under ``/wallet/v1``: report arrivals, take payouts, report what became of them.

Every request is signed and recent (``services.backoffice.callers``). Each may be delivered any number of times, in any
order: what it reports happens once.
"""

from fastapi import APIRouter

from services.backoffice import deposits, sending, withdrawals
from services.backoffice.callers import Signed
from services.backoffice.deposits import Arrival
from services.backoffice.errors import (
    DEPOSIT_DIFFERS,
    INVALID_SIGNATURE,
    NOT_HERE,
    NOT_YOUR_NETWORK,
    TOO_OLD,
    TX_ID_DIFFERS,
    UNKNOWN_ASSET,
    WRONG_STATUS,
)
from services.backoffice.resources import Held
from services.backoffice.wire import ArrivalView, Arrived, PayoutQuery, PayoutReport, PayoutView, StatusView
from services.infra.problems import BODY_TOO_LARGE, BUSY, INVALID_REQUEST, UNAVAILABLE, Refused, documented
from services.infra.telemetry import logger
from services.infra.transactions import Connection

log = logger(__name__)

_ALWAYS = (INVALID_SIGNATURE, TOO_OLD, NOT_YOUR_NETWORK, INVALID_REQUEST, BODY_TOO_LARGE, BUSY, UNAVAILABLE)

router = APIRouter(prefix="/wallet/v1", tags=["providers"])


@router.post("/deposits/webhook", responses=documented(UNKNOWN_ASSET, DEPOSIT_DIFFERS, *_ALWAYS))
async def report_deposit(body: Arrived, provider: Signed, held: Held) -> ArrivalView:
    """Report an output that pays a deposit address, once more at every change of its confirmations."""
    network = sending.network_of(held, body.asset, body.network)
    provider.check_network(body.network)
    arrival = Arrival(
        *(body.asset, body.network, body.tx_id, body.index, body.address, body.memo, body.amount),
        *(body.confirmations, provider.name),
    )
    async with held.transaction() as connection:
        deposit_id, command_id = await deposits.report(connection, arrival, network.confirmations)
    if command_id is not None:
        await held.courier.deliver(command_id)
    async with held.transaction() as connection:
        deposit = await connection.fetchrow(deposits.FIND, deposit_id)
    assert deposit is not None, "deposits are never deleted"
    return ArrivalView(deposit_id=deposit_id, status=deposit["status"])


@router.post("/payouts/claim", responses=documented(*_ALWAYS))
async def claim_payouts(body: PayoutQuery, provider: Signed, held: Held) -> list[PayoutView]:
    """Take approved withdrawals to send, and those taken before whose end has not been reported, oldest first."""
    async with held.transaction() as connection:
        taken = await connection.fetch(withdrawals.TAKEN, provider.name, body.limit)
        more = body.limit - len(taken)
        if more:
            taken += await connection.fetch(withdrawals.CLAIM, provider.name, list(provider.networks), more)
    return [PayoutView.model_validate({name: row[name] for name in _PAYOUT_COLUMNS}) for row in taken]


_PAYOUT_COLUMNS = ("withdrawal_id", "asset", "network", "address", "memo", "amount_e8")


@router.post("/payouts/webhook", responses=documented(NOT_HERE, TX_ID_DIFFERS, WRONG_STATUS, *_ALWAYS))
async def report_payout(body: PayoutReport, provider: Signed, held: Held) -> StatusView:
    """Report that a payout was sent, or that it was not and will not be."""
    tx_id = body.tx_id

    async def decide(connection: Connection) -> int | None:
        withdrawal = await withdrawals.get(connection, body.withdrawal_id)
        provider.check_network(withdrawal["network"])
        if body.status == "SENT":
            assert tx_id is not None, "checked when it was read"
            return await withdrawals.settle(connection, body.withdrawal_id, tx_id, provider=provider.name)
        if withdrawal["provider"] != provider.name:
            raise Refused(WRONG_STATUS)
        await withdrawals.fail_payout(connection, body.withdrawal_id, body.note or "no reason given")
        return None

    await sending.deliver(held, decide)
    async with held.transaction() as connection:
        withdrawal = await withdrawals.get(connection, body.withdrawal_id)
    log.info("payout_reported", withdrawal_id=body.withdrawal_id, status=body.status, provider=provider.name)
    return StatusView(status=withdrawal["status"])
