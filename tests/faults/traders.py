"""Traders who remember every word they were told, so that it can be held against the database afterwards.

Each trades through the public API like anyone else: places, takes and cancels around one price. An answer is one of
three: acknowledged (200), refused (a definite error), or unknown (504, or the connection broke).
"""

import asyncio
import hashlib
import hmac
import random
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx

SYMBOL = "BTCUSDT"
MIDDLE_PRICE = 60_000
REQUEST_TIMEOUT_S = 20.0
PAUSE_S = 0.02
# Definite refusals by the dialect; anything else that is not 200 is unknown.
DEFINITE_STATUSES = frozenset({400, 401, 409, 429, 503})


@dataclass
class Told:
    """What one account's owner was told."""

    placed: dict[str, dict[str, Any]] = field(default_factory=dict)
    cancelled: set[int] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)


class Trader:
    """One account's owner, seeded."""

    def __init__(self, base_url: str, account_id: int, api_key: str, secret_key: str, seed: int) -> None:
        self.account_id = account_id
        self.told = Told()
        self._secret_key = secret_key
        self._random = random.Random(seed)
        self._open: list[str] = []
        self._count = 0
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers={"X-MBX-APIKEY": api_key},
            timeout=REQUEST_TIMEOUT_S,
            trust_env=False,
        )

    async def trade(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if self._open and self._random.random() < 0.35:
                await self._cancel(self._open.pop(self._random.randrange(len(self._open))))
            else:
                await self._place()
            await asyncio.sleep(PAUSE_S * self._random.random())

    async def close(self) -> None:
        await self._client.aclose()

    async def query(self, client_order_id: str) -> dict[str, Any] | None:
        """What the exchange says of the order now; None if it says there is none."""
        response = await self._request("GET", {"symbol": SYMBOL, "origClientOrderId": client_order_id})
        assert response is not None, "the exchange must answer once the faults are over"
        if response.status_code == 400 and response.json()["code"] == -2013:
            return None
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def _place(self) -> None:
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
        response = await self._request("POST", parameters)
        if response is not None and response.status_code == 200:
            self.told.placed[name] = response.json()
            if response.json()["status"] in ("NEW", "PARTIALLY_FILLED"):
                self._open.append(name)
        elif response is not None and response.status_code in DEFINITE_STATUSES:
            self.told.refused[name] = response.text
        else:
            self.told.unknown.add(name)

    async def _cancel(self, name: str) -> None:
        response = await self._request("DELETE", {"symbol": SYMBOL, "origClientOrderId": name})
        if response is not None and response.status_code == 200:
            self.told.cancelled.add(response.json()["orderId"])

    async def _request(self, method: str, parameters: dict[str, str]) -> httpx.Response | None:
        """Send one signed request; None when no answer came."""
        signed = urlencode({**parameters, "timestamp": str(time.time_ns() // 1_000_000), "recvWindow": "60000"})
        signature = hmac.new(self._secret_key.encode(), signed.encode(), hashlib.sha256).hexdigest()
        try:
            return await self._client.request(method, f"/api/v3/order?{signed}&signature={signature}")
        except httpx.HTTPError:
            return None
