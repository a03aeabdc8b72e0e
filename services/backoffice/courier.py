"""The courier: brings commands to the engine until it is known what became of each.

A command is written in the transaction that decides it, and nowhere else does the back office move money. So after any
crash the tables say what is still to be done, and doing it again is harmless: every command is named by its reference,
and the engine carries each out once.

What became of a command is recorded together with what follows from it, in one transaction. "Refused" is believed only
because no earlier delivery can still be started then: each has a deadline, and the next is not sent before it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import msgspec

from services.backoffice.metrics import DELIVERIES
from services.domain.commands import Command
from services.domain.protocol import Applied, Refused
from services.domain.refusals import Refusal
from services.infra import postgres
from services.infra.engine_client import EngineClient, NotStarted, OutcomeUnknown
from services.infra.postgres import Pool
from services.infra.telemetry import logger
from services.infra.transactions import Connection, NoFreeConnection, transaction

DELIVERIES_AT_ONCE: Final = 32
# Beyond a delivery's deadline, for clocks that differ.
CLOCK_MARGIN_MS: Final = 1_000

ENQUEUE: Final = """
INSERT INTO backoffice.commands (kind, reference, payload) VALUES ($1, $2, $3) RETURNING command_id
"""
CLAIM: Final = """
UPDATE backoffice.commands
SET busy_until = clock_timestamp() + make_interval(secs => $2::float / 1000), attempts = attempts + 1
WHERE command_id = $1 AND outcome IS NULL AND busy_until < clock_timestamp()
RETURNING kind, reference, payload, attempts
"""
RELEASE: Final = "UPDATE backoffice.commands SET busy_until = '-infinity' WHERE command_id = $1 AND outcome IS NULL"
COMPLETE: Final = """
UPDATE backoffice.commands SET outcome = $2, refusal = $3, completed_at = now()
WHERE command_id = $1 AND outcome IS NULL RETURNING kind, reference
"""
WAITING: Final = """
SELECT command_id FROM backoffice.commands WHERE outcome IS NULL AND busy_until < clock_timestamp()
ORDER BY command_id LIMIT $1
"""

# How the ledger says that a command was carried out. The engine remembers 100,000 references, the ledger all.
IN_LEDGER: Final = {
    "DEPOSIT": "SELECT true FROM exchange.transfers WHERE reference = $1 LIMIT 1",
    "TRANSFER": "SELECT true FROM exchange.transfers WHERE reference = $1 LIMIT 1",
    "HOLD": "SELECT true FROM exchange.withdrawals WHERE reference = $1",
    "SETTLE": "SELECT true FROM exchange.withdrawals WHERE reference = $1 AND status = 'SETTLED'",
    "REJECT": "SELECT true FROM exchange.withdrawals WHERE reference = $1 AND status = 'REJECTED'",
}
# How the engine says that it has done so before.
DONE_BEFORE: Final = {
    "DEPOSIT": Refusal.REFERENCE_ALREADY_USED,
    "HOLD": Refusal.REFERENCE_ALREADY_USED,
    "TRANSFER": Refusal.REFERENCE_ALREADY_USED,
    "SETTLE": Refusal.WITHDRAWAL_ALREADY_SETTLED,
    "REJECT": Refusal.WITHDRAWAL_ALREADY_REJECTED,
}

_log = logger(__name__)
_decoder: Final = msgspec.msgpack.Decoder(Command)


class Outcome(NamedTuple):
    """What became of a command: ``refusal`` is None if it was carried out."""

    kind: str
    reference: str
    refusal: Refusal | None


# What a request decides within its transaction: the command that follows, if any.
Decide = Callable[[Connection], Awaitable[int | None]]
Follow = Callable[[Connection, Outcome], Awaitable[None]]


async def enqueue(connection: Connection, kind: str, reference: str, command: Command) -> int:
    """Decide on a command. Deliver it, or let the courier do so, once this has been committed."""
    command_id: int = await connection.fetchval(ENQUEUE, kind, reference, msgspec.msgpack.encode(command))
    return command_id


class Courier:
    """``deliver`` one command now; ``run`` as a task delivers what was left over, for the life of the process."""

    def __init__(
        self,
        pool: Pool,
        engine: EngineClient,
        follow: Follow,
        *,
        deadline_ms: int,
        interval_ms: int,
        pool_timeout_s: float,
    ) -> None:
        self._pool = pool
        self._engine = engine
        self._follow = follow
        self._busy_ms = deadline_ms + CLOCK_MARGIN_MS
        self._interval_s = interval_ms / 1000
        self._pool_timeout_s = pool_timeout_s

    async def deliver(self, command_id: int) -> None:
        """Try once. Whatever happens, the tables say what is known afterwards."""
        claimed = await self._pool.fetchrow(CLAIM, command_id, self._busy_ms)
        if claimed is None:
            return
        kind, reference = claimed["kind"], claimed["reference"]
        if claimed["attempts"] > 1 and await self._pool.fetchval(IN_LEDGER[kind], reference):
            await self._complete(command_id, None)
            return
        try:
            reply = await self._engine.submit(_decoder.decode(claimed["payload"]))
        except OutcomeUnknown:
            DELIVERIES.labels("unknown").inc()
            _log.warning("command_outcome_unknown", command_id=command_id)
            return
        except NotStarted:
            DELIVERIES.labels("not_started").inc()
            await self._pool.execute(RELEASE, command_id)
            return
        await self._complete(command_id, _refusal(kind, reply))

    async def _complete(self, command_id: int, refusal: Refusal | None) -> None:
        outcome, reason = ("APPLIED", None) if refusal is None else ("REFUSED", refusal.value)
        async with transaction(self._pool, timeout_s=self._pool_timeout_s) as connection:
            completed = await connection.fetchrow(COMPLETE, command_id, outcome, reason)
            if completed is not None:
                await self._follow(connection, Outcome(completed["kind"], completed["reference"], refusal))
        DELIVERIES.labels(outcome.lower()).inc()

    async def run(self) -> None:
        while True:
            try:
                await self._deliver_waiting()
            except (*postgres.FAILURES, NoFreeConnection) as error:
                _log.warning("courier_waits", error=repr(error))
            await asyncio.sleep(self._interval_s)

    async def _deliver_waiting(self) -> None:
        for row in await self._pool.fetch(WAITING, DELIVERIES_AT_ONCE):
            await self._deliver_or_report(row["command_id"])

    async def _deliver_or_report(self, command_id: int) -> None:
        """One command that cannot be completed must not keep the others; it is tried again and again, and seen."""
        try:
            await self.deliver(command_id)
        except (*postgres.FAILURES, NoFreeConnection):
            raise
        except Exception as error:
            DELIVERIES.labels("defect").inc()
            _log.error("command_stuck", command_id=command_id, exc_info=error)


def _refusal(kind: str, reply: Applied | Refused) -> Refusal | None:
    if isinstance(reply, Applied) or reply.reason is DONE_BEFORE[kind]:
        return None
    return reply.reason
