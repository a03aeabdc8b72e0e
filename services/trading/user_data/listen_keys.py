"""Listen keys: the older way to user data. Whoever knows one follows the account for as long as it is valid.

They live in Redis, so that every trading process honours them, for an hour after they were last asked for or prolonged.
An API key has at most one. Without Redis there are none: it is told as unavailable, never as unknown. A Redis that was
emptied has forgotten them, and clients make new ones.
"""

import re
import secrets
import string
from collections.abc import Sequence
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.trading import errors
from services.trading.errors import DialectError
from services.trading.user_data.credentials import KeyCredential

VALIDITY_S: Final = 60 * 60
UNKNOWN: Final = DialectError(-1125, "This listenKey does not exist.")

_ALPHABET: Final = string.ascii_letters + string.digits
_LENGTH: Final = 64
_listen_key = re.compile(r"[A-Za-z0-9]{64}", re.ASCII)
# The owner of a key, and the key of an owner.
_OWNER: Final = "crossbook:listen-key:"
_KEY_OF: Final = "crossbook:listen-key-of:"


def is_listen_key(stream: str) -> bool:
    """Whether a stream's name has the form of one."""
    return _listen_key.fullmatch(stream) is not None


class ListenKeys:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def create(self, owner: KeyCredential) -> str:
        """Return the owner's key, made now or prolonged."""
        made = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
        name = _KEY_OF + owner.api_key
        try:
            if not await self._redis.set(name, made, nx=True, ex=VALIDITY_S):
                found: Any = await self._redis.get(name)
                # None: it expired just now.
                made = made if found is None else found.decode()
            await self._keep(made, owner)
        except (RedisError, OSError):
            raise errors.UNAVAILABLE from None
        return made

    async def prolong(self, listen_key: str, owner: KeyCredential) -> None:
        """Raise -1125 unless it is the owner's."""
        await self._check(listen_key, owner)
        try:
            await self._keep(listen_key, owner)
        except (RedisError, OSError):
            raise errors.UNAVAILABLE from None

    async def delete(self, listen_key: str, owner: KeyCredential) -> None:
        """Raise -1125 unless it is the owner's."""
        await self._check(listen_key, owner)
        try:
            await self._redis.delete(_KEY_OF + owner.api_key)
            await self._redis.delete(_OWNER + listen_key)
        except (RedisError, OSError):
            raise errors.UNAVAILABLE from None

    async def owner(self, listen_key: str) -> KeyCredential | None:
        """Whose it is, None if it is not valid."""
        return (await self.owners([listen_key]))[0]

    async def owners(self, listen_keys: Sequence[str]) -> list[KeyCredential | None]:
        """The same of several."""
        pipeline = self._redis.pipeline(transaction=False)
        for listen_key in listen_keys:
            pipeline.get(_OWNER + listen_key)
        try:
            found: list[bytes | None] = await pipeline.execute()
        except (RedisError, OSError):
            raise errors.UNAVAILABLE from None
        return [None if text is None else _read_owner(text) for text in found]

    async def _check(self, listen_key: str, owner: KeyCredential) -> None:
        if not is_listen_key(listen_key) or await self.owner(listen_key) != owner:
            raise UNKNOWN

    async def _keep(self, listen_key: str, owner: KeyCredential) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.set(_OWNER + listen_key, f"{owner.account_id}:{owner.api_key}", ex=VALIDITY_S)
        pipeline.set(_KEY_OF + owner.api_key, listen_key, ex=VALIDITY_S)
        await pipeline.execute()


def _read_owner(text: bytes) -> KeyCredential:
    account_id, _, api_key = text.decode().partition(":")
    return KeyCredential(api_key, int(account_id))
