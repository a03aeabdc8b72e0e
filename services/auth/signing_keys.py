"""The keys that sign access tokens: made here, stored sealed, shared by every auth process, published as a JWKS.

- A key is published before it signs. The newest key that has been public for ``PUBLIC_BEFORE_SIGNING_S`` signs; only
  where there is none (the first start) does a new one sign at once.
- Past half of the newest key's life a successor is made. Until a key expires it stays in the JWKS, so every token it
  signed can still be checked.
- A database lock makes two processes that start at once agree on one key.
- Every auth process reads the keys again once in ``RELOAD_INTERVAL_S``. Deleting a row withdraws its key from them, and
  from everyone else as soon as they fetch the JWKS again.
"""

import asyncio
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import asyncpg
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from services.infra.postgres import Pool
from services.infra.sealing import CannotOpen, Seal
from services.infra.telemetry import logger
from services.infra.tokens import AccessToken, TokenSigner, TokenVerifier
from services.infra.transactions import Connection

RELOAD_INTERVAL_S: Final = 60
# Longer than anyone keeps a JWKS: our own reload and the cache lifetime we allow clients.
PUBLIC_BEFORE_SIGNING_S: Final = 15 * 60
JWKS_MAX_AGE_S: Final = 5 * 60

# Any fixed number; it only has to differ from other advisory locks in this database.
ADVISORY_LOCK: Final = 0x6B657973

LOCK: Final = f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"
SUCCESSOR_IS_DUE: Final = """
SELECT NOT EXISTS (
    SELECT 1 FROM auth.signing_keys WHERE now() < created_at + (expires_at - created_at) / 2
)
"""
DELETE_EXPIRED: Final = "DELETE FROM auth.signing_keys WHERE expires_at <= now()"
ADD: Final = """
INSERT INTO auth.signing_keys (key_id, private_key_sealed, expires_at)
VALUES ($1, $2, now() + make_interval(secs => $3))
"""
# The one that signs comes first.
READ: Final = """
SELECT key_id, private_key_sealed FROM auth.signing_keys WHERE expires_at > now()
ORDER BY created_at <= now() - make_interval(secs => $1) DESC,
    CASE WHEN created_at <= now() - make_interval(secs => $1) THEN created_at END DESC,
    created_at, key_id
"""

log = logger(__name__)


class _Keys(NamedTuple):
    signer: TokenSigner
    verifier: TokenVerifier
    jwks: Mapping[str, Any]


class SigningKeys:
    """This process's view of the keys. Replaced as a whole on each reload."""

    def __init__(self, keys: _Keys, seal: Seal, lifetime_s: int) -> None:
        self._keys = keys
        self._seal = seal
        self._lifetime_s = lifetime_s

    @classmethod
    async def load(cls, pool: Pool, seal: Seal, lifetime_s: int) -> "SigningKeys":
        return cls(await _load(pool, seal, lifetime_s), seal, lifetime_s)

    @property
    def jwks(self) -> Mapping[str, Any]:
        return self._keys.jwks

    def issue(self, account_id: int, session_id: str, *, lifetime_s: int) -> str:
        return self._keys.signer.issue(account_id, session_id, now_s=int(time.time()), lifetime_s=lifetime_s)

    def verify(self, token: str) -> AccessToken:
        """Raise InvalidToken unless the token is one of ours and in force."""
        return self._keys.verifier.verify(token)

    async def reload(self, pool: Pool) -> None:
        self._keys = await _load(pool, self._seal, self._lifetime_s)

    async def keep_fresh(self, pool: Pool) -> None:
        """Reload for as long as the process lives. While the database is away the known keys go on working."""
        while True:
            await asyncio.sleep(RELOAD_INTERVAL_S)
            try:
                await self.reload(pool)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, CannotOpen) as error:
                log.warning("signing keys not reloaded", error=repr(error))


async def _load(pool: Pool, seal: Seal, lifetime_s: int) -> _Keys:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(LOCK)
        await connection.execute(DELETE_EXPIRED)
        if await connection.fetchval(SUCCESSOR_IS_DUE):
            await _add(connection, seal, lifetime_s)
        rows = await connection.fetch(READ, PUBLIC_BEFORE_SIGNING_S)
    signers = [
        TokenSigner(row["key_id"], seal.open(row["private_key_sealed"], belongs_to=row["key_id"])) for row in rows
    ]
    jwks = {"keys": [signer.public_jwk() for signer in signers]}
    return _Keys(signers[0], TokenVerifier(jwks), jwks)


async def _add(connection: Connection, seal: Seal, lifetime_s: int) -> None:
    private_key = ec.generate_private_key(ec.SECP256R1())
    pem = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    key_id = secrets.token_hex(8)
    await connection.execute(ADD, key_id, seal.close(pem, belongs_to=key_id), lifetime_s)
    log.info("signing key made", key_id=key_id)
