"""A payment provider and its customer: what goes on around trading while processes die.

The provider reports deposits as docs/wallet.md says, each until it is answered. The customer, who is signed in, looks
at pages of every service: whichever of them is dead, she must never hear that she is not signed in.
"""

import asyncio
import itertools
import random
import time
from collections import Counter
from decimal import Decimal

import asyncpg
import httpx

from tests.backoffice.people import WALLET, Person, Town
from tests.running import RunningSystem

PAGES = ("/auth/v1/account", "/auth/v1/sessions", "/notifier/v1/notices", f"{WALLET}/deposits", f"{WALLET}/withdrawals")
# A service that is not there, or waits for one that is not.
NOT_NOW = frozenset({500, 502, 503, 504})
TIMEOUT_S = 20.0
PAUSE_S = 0.15


class Depositor:
    """``run`` until told to stop; then ``check``."""

    def __init__(self, system: RunningSystem, seed: int) -> None:
        self.answers: Counter[str] = Counter()
        self.reported: dict[str, Decimal] = {}
        self._random = random.Random(seed)
        self._http = httpx.Client(base_url=system.base_url, timeout=TIMEOUT_S, trust_env=False)
        self._town = Town(system, self._http)
        self._person: Person = self._town.join()
        self._address: str = self._person.get(f"{WALLET}/deposit-address", asset="BTC")["address"]
        self._provider = self._town.provider()
        self._numbers = itertools.count(1)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await asyncio.to_thread(self._deposit)
            await asyncio.to_thread(self._look)
            await asyncio.sleep(PAUSE_S * self._random.random())
        self._http.close()

    def _deposit(self) -> None:
        transaction = f"chaos-{self._person.account_id}-{next(self._numbers)}"
        amount = Decimal(self._random.randrange(1, 1000)) / 1000
        body = {"asset": "BTC", "network": "CROSSBOOK", "address": self._address}
        while not self._is_taken({**body, "txId": transaction, "amount": str(amount), "confirmations": 1}):
            self.answers["deposit asked again"] += 1
            time.sleep(PAUSE_S)
        self.reported[transaction] = amount

    def _is_taken(self, body: dict[str, object]) -> bool:
        try:
            answer = self._provider.send("/deposits/webhook", body)
        except httpx.HTTPError:
            return False
        self.answers[f"deposit {answer.status_code}"] += 1
        assert answer.is_success or answer.status_code in NOT_NOW, answer.text
        return answer.is_success

    def _look(self) -> None:
        page = self._random.choice(PAGES)
        try:
            answer = self._person.ask("GET", page)
        except httpx.HTTPError:
            self.answers["page not reached"] += 1
            return
        self.answers[f"page {answer.status_code}"] += 1
        assert answer.is_success or answer.status_code in NOT_NOW, f"{page}: {answer.status_code} {answer.text}"

    async def check(self, database_url: str, patience_s: float) -> int:
        """Each deposit that was taken comes to the account once; the courier may still be at it."""
        connection = await asyncpg.connect(database_url)
        try:
            async with asyncio.timeout(patience_s):
                while True:
                    credited = await self._credited(connection)
                    if len(credited) >= len(self.reported):
                        break
                    await asyncio.sleep(PAUSE_S)
        finally:
            await connection.close()
        assert sorted(credited) == sorted(self.reported.values())
        return len(credited)

    async def _credited(self, connection: "asyncpg.Connection[asyncpg.Record]") -> list[Decimal]:
        rows = await connection.fetch(
            "SELECT amount_e8 FROM exchange.transfers WHERE account_id = $1 AND kind = 'DEPOSIT'",
            self._person.account_id,
        )
        return [Decimal(row["amount_e8"]) / 10**8 for row in rows]
