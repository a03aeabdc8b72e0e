"""Accounts for client libraries. What a client leaves on the books is cancelled after the test."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from services.local.internal import Account
from tests.api.trader import Trader
from tests.running import RunningSystem

NewAccount = Callable[..., Account]


@pytest.fixture
def new_account(system: RunningSystem) -> Iterator[NewAccount]:
    """Open an account with these amounts: ``new_account(USDT="1000")``."""
    accounts: list[Account] = []

    def opened(**amounts: str) -> Account:
        accounts.append(system.create_account(amounts))
        return accounts[-1]

    yield opened
    with httpx.Client(base_url=system.base_url, trust_env=False) as http:
        for account in accounts:
            Trader(http, account).cancel_everything()


@pytest.fixture
def ccxt_urls(system: RunningSystem) -> dict[str, Any]:
    """The one thing that ccxt is told (section 9.1 of the compatibility reference)."""
    http, ws = system.base_url, system.base_url.replace("http", "ws", 1)
    return {
        "api": {
            "public": f"{http}/api/v3",
            "private": f"{http}/api/v3",
            "v1": f"{http}/api/v1",
            "sapi": f"{http}/sapi/v1",
            "sapiV2": f"{http}/sapi/v2",
            "sapiV3": f"{http}/sapi/v3",
            "sapiV4": f"{http}/sapi/v4",
            "fapiPublic": f"{http}/fapi/v1",
            "dapiPublic": f"{http}/dapi/v1",
            "ws": {
                "spot": f"{ws}/stream/ws",
                "margin": f"{ws}/stream/ws",
                "ws-api": {"spot": f"{ws}/ws-api/v3"},
            },
        }
    }
