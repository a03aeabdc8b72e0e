"""What a trading process keeps of auth's answers, and how its metrics tell of hits."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from prometheus_client import REGISTRY
from redis.exceptions import RedisError

from services.infra import redis
from services.infra.tokens import API_KEY_CHANGED_PREFIX, AUTH_CHANGED_CHANNEL
from services.trading import errors
from services.trading import principals as principals_module
from services.trading.principals import Principals, _Kept
from services.trading.settings import TradingSettings
from tests.api.member import Member
from tests.replica.standby import until
from tests.running import RunningSystem, free_port

AT_ONCE = 5

Opened = Callable[[str], AbstractAsyncContextManager[Principals]]


@pytest.fixture
def opened(system: RunningSystem) -> Opened:
    """Principals of a process that hears auth over this Redis."""

    @asynccontextmanager
    async def open_principals(redis_url: str) -> AsyncIterator[Principals]:
        settings = TradingSettings.model_validate(
            {
                "port": 1,
                "database_url": system.database_url,
                "redis_url": redis_url,
                "internal_token": system.internal_token,
                "engine_urls": tuple(system.engine_urls),
                "auth_url": system.auth_url,
            }
        )
        client = redis.connect(redis_url)
        principals = Principals(settings, client)
        running = asyncio.create_task(principals.run())
        try:
            yield principals
        finally:
            while not running.done():
                running.cancel()
                await asyncio.wait([running], timeout=1)
            await principals.close()
            await client.aclose()

    return open_principals


def counts() -> dict[str, float]:
    name = "crossbook_trading_principal_lookups_total"
    return {source: REGISTRY.get_sample_value(name, {"source": source}) or 0.0 for source in ("kept", "shared", "auth")}


async def counted(principals: Principals, api_key: str) -> dict[str, float]:
    """What so many look-ups at once added to the counts."""
    before = counts()
    found = await asyncio.gather(*(principals.api_key(api_key) for _ in range(AT_ONCE)))
    assert all(one is not None and one.name == api_key for one in found)
    return {source: now - before[source] for source, now in counts().items()}


async def announce_change(system: RunningSystem, api_key: str) -> None:
    async with redis.connect(system.redis_url) as client:
        await client.publish(AUTH_CHANGED_CHANNEL, API_KEY_CHANGED_PREFIX + api_key)


ASKED = {"kept": 0, "shared": AT_ONCE - 1, "auth": 1}
KEPT = {"kept": AT_ONCE, "shared": 0, "auth": 0}


async def test_auth_is_asked_once_by_many_and_again_after_a_change(system: RunningSystem, opened: Opened) -> None:
    account = system.create_account()
    answered: list[dict[str, float]] = []

    async def are_kept() -> bool:
        answered.append(await counted(principals, account.api_key))
        return answered[-1] == KEPT

    async def are_asked_for() -> bool:
        return not await are_kept()

    async with opened(system.redis_url) as principals:
        # From when it hears auth.
        await until(are_kept)
        await announce_change(system, account.api_key)
        await until(are_asked_for)
        assert answered[-1] == ASKED
        assert await are_kept()


async def test_what_is_in_use_is_asked_for_anew_and_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(principals_module, "_RENEWED_WITHIN", (0.0, 0.0))
    kept = _Kept[int](60)
    kept.set_keeping(True)
    asked: list[asyncio.Future[int]] = []

    def ask() -> asyncio.Future[int]:
        asked.append(asyncio.get_running_loop().create_future())
        return asked[-1]

    first = asyncio.create_task(kept.get("name", ask))
    await asyncio.sleep(0)
    asked[0].set_result(1)
    assert await first == 1
    # Once for all, and answered meanwhile from what there is.
    assert [await kept.get("name", ask) for _ in range(3)] == [1, 1, 1]
    assert len(asked) == 2
    # A failure is nobody's; the next try is not at once.
    asked[1].set_exception(errors.UNAVAILABLE)
    await asyncio.sleep(0)
    assert [await kept.get("name", ask) for _ in range(3)] == [1, 1, 1]
    assert len(asked) == 2
    await asyncio.sleep(principals_module._RENEW_AGAIN_S)
    assert await kept.get("name", ask) == 1
    asked[2].set_result(2)
    await asyncio.sleep(0)
    assert await kept.get("name", ask) == 2


async def test_nothing_is_kept_while_changes_cannot_be_heard(system: RunningSystem, opened: Opened) -> None:
    account = system.create_account()
    nobody = f"redis://127.0.0.1:{free_port()}"
    async with redis.connect(nobody) as client:
        with pytest.raises((RedisError, OSError)):
            await client.ping()
    async with opened(nobody) as principals:
        for _ in range(3):
            assert await counted(principals, account.api_key) == ASKED


def short_lived_key(base_url: str, lasts: timedelta) -> str:
    with httpx.Client(base_url=base_url, timeout=20, trust_env=False) as http:
        member = Member(http)
        body = {"label": "short", "permissions": ["read"], "expiresAt": (datetime.now(UTC) + lasts).isoformat()}
        made = http.post("/auth/v1/api-keys", json=body, headers={"Authorization": f"Bearer {member.access_token}"})
    assert made.status_code == httpx.codes.CREATED, made.text
    api_key: str = made.json()["apiKey"]
    return api_key


async def test_a_key_expires_while_it_is_kept(system: RunningSystem, opened: Opened) -> None:
    api_key = short_lived_key(system.base_url, timedelta(seconds=3))

    async def is_kept() -> bool:
        before = counts()
        found = await principals.api_key(api_key)
        return found is None or counts()["kept"] > before["kept"]

    async def has_ended() -> bool:
        return await principals.api_key(api_key) is None

    async with opened(system.redis_url) as principals:
        await until(is_kept)
        await until(has_ended)
        # It was refused from what is kept: auth was not asked for that.
        before = counts()
        assert await has_ended()
        assert counts()["auth"] == before["auth"]
