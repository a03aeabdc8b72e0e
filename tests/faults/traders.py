"""Traders who remember every word they were told, so that it can be held against the database afterwards.

Each trades through the public API like anyone else: places, takes and cancels around one price. An answer is one of
four: acknowledged (200), refused (a definite error), not sent (nobody took the connection), or unknown (504, or the
connection broke). Whoever does not know asks, as the documentation says: what the exchange then says of an order is
final ``SETTLED_S`` after it was sent, and is kept to be checked as well.
"""

import asyncio
import hashlib
import hmac
import random
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx

from services.local.internal import Account

SYMBOL = "BTCUSDT"
MIDDLE_PRICE = 60_000
REQUEST_TIMEOUT_S = 20.0
PAUSE_S = 0.02
# As docs/orders.md promises.
SETTLED_S = 10.0
# Definite refusals by the dialect; anything else that is not 200 is unknown.
DEFINITE_STATUSES = frozenset({400, 401, 409, 429, 503})
UNKNOWN_ORDER = -2013


@dataclass
class Told:
    """What one account's owner was told. ``answers`` counts them all by status and code."""

    placed: dict[str, dict[str, Any]] = field(default_factory=dict)
    cancelled: set[int] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    not_sent: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    # Of the unknown ones: whether there is such an order, by the exchange's final word.
    settled: dict[str, bool] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)


class Pulse:
    """How long orders stood still for everybody, and how long anybody waited for an answer."""

    def __init__(self) -> None:
        self.longest_pause_s = 0.0
        self.longest_answer_s = 0.0
        self._last_s = time.monotonic()

    def beat(self) -> None:
        now_s = time.monotonic()
        self.longest_pause_s = max(self.longest_pause_s, now_s - self._last_s)
        self._last_s = now_s


class Trader:
    """One account's owner, seeded. ``clock_ahead_s`` is by how much the exchange's clock is ahead of hers."""

    def __init__(self, base_url: str, account: Account, seed: int, pulse: Pulse | None = None) -> None:
        self.account = account
        self.account_id = account.user_id
        self.told = Told()
        self.pulse = pulse or Pulse()
        self.clock_ahead_s = 0.0
        self._random = random.Random(seed)
        self._open: list[str] = []
        self._doubts: deque[tuple[float, str]] = deque()
        self._count = 0
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers={"X-MBX-APIKEY": account.api_key},
            timeout=REQUEST_TIMEOUT_S,
            trust_env=False,
        )

    async def trade(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if self._doubts and time.monotonic() - self._doubts[0][0] > SETTLED_S:
                await self._settle(self._doubts[0][1])
            elif self._open and self._random.random() < 0.35:
                await self._cancel(self._open.pop(self._random.randrange(len(self._open))))
            else:
                await self.place()
            await asyncio.sleep(PAUSE_S * self._random.random())

    async def close(self) -> None:
        await self._client.aclose()

    async def query(self, client_order_id: str) -> dict[str, Any] | None:
        """What the exchange says of the order now; None if it says there is none."""
        response = await self._ask("GET", {"symbol": SYMBOL, "origClientOrderId": client_order_id})
        assert response is not None, "the exchange must answer once the faults are over"
        return self._told_of(response)

    @staticmethod
    def _told_of(response: httpx.Response) -> dict[str, Any] | None:
        if response.status_code == 400 and response.json()["code"] == UNKNOWN_ORDER:
            return None
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def _settle(self, name: str) -> None:
        """Ask what became of it; whoever gets no answer asks again later."""
        response = await self._ask("GET", {"symbol": SYMBOL, "origClientOrderId": name})
        if response is not None and response.status_code in (200, 400):
            self.told.settled[name] = self._told_of(response) is not None
            self._doubts.popleft()

    async def place(self) -> None:
        self._count += 1
        name = f"t{self.account_id}-{self._count}"
        side = self._random.choice(("BUY", "SELL"))
        away = self._random.randrange(-3, 8)
        price = MIDDLE_PRICE + (-away if side == "BUY" else away)
        parameters = {
            "symbol": SYMBOL,
            "side": side,
            "quantity": f"0.00{self._random.randrange(1, 10)}",
            "newClientOrderId": name,
            "newOrderRespType": "FULL",
        }
        if self._random.random() < 0.15:
            parameters |= {"type": "MARKET"}
        else:
            tif = self._random.choices(("GTC", "IOC", "FOK"), (8, 1, 1))[0]
            parameters |= {"type": "LIMIT", "timeInForce": tif, "price": str(price)}
        sent_s = time.monotonic()
        try:
            response = await self._request("POST", parameters)
        except httpx.ConnectError:
            self.told.not_sent.add(name)
            return
        if response is not None and response.status_code == 200:
            self.pulse.beat()
            self.told.placed[name] = response.json()
            if response.json()["status"] in ("NEW", "PARTIALLY_FILLED"):
                self._open.append(name)
        elif response is not None and response.status_code in DEFINITE_STATUSES:
            self.told.refused[name] = response.text
        else:
            self.told.unknown.add(name)
            self._doubts.append((sent_s, name))

    async def _cancel(self, name: str) -> None:
        response = await self._ask("DELETE", {"symbol": SYMBOL, "origClientOrderId": name})
        if response is not None and response.status_code == 200:
            self.told.cancelled.add(response.json()["orderId"])

    async def _ask(self, method: str, parameters: dict[str, str]) -> httpx.Response | None:
        try:
            return await self._request(method, parameters)
        except httpx.ConnectError:
            return None

    async def _request(self, method: str, parameters: dict[str, str]) -> httpx.Response | None:
        """Send one signed request; None when no answer came. Raise ConnectError when it was certainly not sent."""
        now_ms = time.time_ns() // 1_000_000 + int(self.clock_ahead_s * 1000)
        signed = urlencode({**parameters, "timestamp": str(now_ms), "recvWindow": "60000"})
        signature = hmac.new(self.account.secret_key.encode(), signed.encode(), hashlib.sha256).hexdigest()
        asked_s = time.monotonic()
        try:
            response = await self._client.request(method, f"/api/v3/order?{signed}&signature={signature}")
        except httpx.TimeoutException:
            self.told.answers["none in time"] += 1
            return None
        except httpx.ConnectError:
            self.told.answers["not sent"] += 1
            raise
        except httpx.HTTPError:
            self.told.answers["connection broken"] += 1
            return None
        self.pulse.longest_answer_s = max(self.pulse.longest_answer_s, time.monotonic() - asked_s)
        self.told.answers[_kind(response)] += 1
        return response


def _kind(response: httpx.Response) -> str:
    if response.status_code == 200:
        return "200"
    try:
        return f"{response.status_code} {response.json()['code']}"
    except (ValueError, KeyError):
        return str(response.status_code)
