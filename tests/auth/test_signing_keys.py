"""Signing keys over their life: the first start, succession, withdrawal."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from services.auth.settings import DAY_S, AuthSettings
from services.auth.signing_keys import PUBLIC_BEFORE_SIGNING_S, SigningKeys
from services.infra.postgres import Connection, Pool
from services.infra.sealing import CannotOpen, Seal
from services.infra.tokens import InvalidToken, TokenVerifier

from .conftest import Join

LIFETIME_S = 60 * DAY_S
SESSION_ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def pool(settings: AuthSettings) -> AsyncIterator[Pool]:
    async with asyncpg.create_pool(settings.database_url.get_secret_value(), min_size=1, max_size=8) as pool:
        yield pool


@pytest.fixture
def seal(settings: AuthSettings) -> Seal:
    return Seal(settings.encryption_key_bytes())


def _key_ids(keys: SigningKeys) -> list[str]:
    return [key["kid"] for key in keys.jwks["keys"]]


async def _age(database: Connection, by_s: float, key_id: str = "%") -> None:
    await database.execute(
        "UPDATE auth.signing_keys SET created_at = created_at - make_interval(secs => $1),"
        " expires_at = expires_at - make_interval(secs => $1) WHERE key_id LIKE $2",
        by_s,
        key_id,
    )


async def test_processes_that_start_at_once_share_one_key(pool: Pool, seal: Seal, database: Connection) -> None:
    starts = await asyncio.gather(*(SigningKeys.load(pool, seal, LIFETIME_S) for _ in range(6)))
    assert await database.fetchval("SELECT count(*) FROM auth.signing_keys") == 1
    for signer in starts:
        token = signer.issue(1000, SESSION_ID, lifetime_s=60)
        for verifier in starts:
            assert verifier.verify(token).account_id == 1000


async def test_a_restart_keeps_the_key(pool: Pool, seal: Seal) -> None:
    first = await SigningKeys.load(pool, seal, LIFETIME_S)
    second = await SigningKeys.load(pool, seal, LIFETIME_S)
    assert _key_ids(first) == _key_ids(second)


async def test_a_successor_is_public_before_it_signs(pool: Pool, seal: Seal, database: Connection) -> None:
    keys = await SigningKeys.load(pool, seal, LIFETIME_S)
    (old,) = _key_ids(keys)
    token_of_old = keys.issue(1000, SESSION_ID, lifetime_s=60)
    await _age(database, LIFETIME_S / 2 + 1)

    await keys.reload(pool)
    assert (_key_ids(keys)[0], len(_key_ids(keys))) == (old, 2)
    successor = _key_ids(keys)[1]
    only_old = TokenVerifier({"keys": [key for key in keys.jwks["keys"] if key["kid"] == old]})
    only_old.verify(keys.issue(1000, SESSION_ID, lifetime_s=60))

    await _age(database, PUBLIC_BEFORE_SIGNING_S + 1, successor)
    await keys.reload(pool)
    assert _key_ids(keys) == [successor, old]
    with pytest.raises(InvalidToken):
        only_old.verify(keys.issue(1000, SESSION_ID, lifetime_s=60))
    assert keys.verify(token_of_old).account_id == 1000


async def test_an_expired_key_is_neither_published_nor_kept(pool: Pool, seal: Seal, database: Connection) -> None:
    keys = await SigningKeys.load(pool, seal, LIFETIME_S)
    token_of_old = keys.issue(1000, SESSION_ID, lifetime_s=60)
    await _age(database, LIFETIME_S + 1)
    await keys.reload(pool)
    with pytest.raises(InvalidToken):
        keys.verify(token_of_old)
    assert keys.verify(keys.issue(1000, SESSION_ID, lifetime_s=60)).account_id == 1000
    assert await database.fetchval("SELECT count(*) FROM auth.signing_keys") == 1


async def test_deleting_the_row_withdraws_the_key(pool: Pool, seal: Seal, database: Connection) -> None:
    keys = await SigningKeys.load(pool, seal, LIFETIME_S)
    stolen = keys.issue(1000, SESSION_ID, lifetime_s=60)
    await database.execute("DELETE FROM auth.signing_keys")
    await keys.reload(pool)
    with pytest.raises(InvalidToken):
        keys.verify(stolen)


async def test_another_encryption_key_does_not_start(pool: Pool, seal: Seal) -> None:
    await SigningKeys.load(pool, seal, LIFETIME_S)
    with pytest.raises(CannotOpen, match="does not open with this encryption key"):
        await SigningKeys.load(pool, Seal(bytes(32)), LIFETIME_S)


async def test_the_published_set_verifies_what_login_issues(client: httpx.AsyncClient, join: Join) -> None:
    ada = await join("ada@example.com")
    answers = [await client.get(path) for path in ("/.well-known/jwks.json", "/auth/v1/jwks.json")]
    assert answers[0].json() == answers[1].json()
    assert answers[0].headers["Cache-Control"] == "public, max-age=300"
    assert TokenVerifier(answers[0].json()).verify(ada.access_token).account_id == ada.account_id
    assert all("d" not in key for key in answers[0].json()["keys"])
