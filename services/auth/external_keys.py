"""The public keys of other issuers, as each publishes them (JWKS, RFC 7517).

- Fetched on first need, kept, and fetched again when they are ``MAX_AGE_S`` old or a token names a key that is not
  among them; but never more often than once in ``MIN_INTERVAL_S``, whatever tokens are shown.
- Bounded in time, size and number. While an issuer does not answer, the keys at hand go on working for ``TRUSTED_S``.
- Only keys for signatures by the allowed algorithms are taken; each is used with the algorithm of its own kind, so a
  token cannot choose one.
"""

import asyncio
import json
import time
from typing import Any, Final, NamedTuple

import httpx
from jose import jwk
from jose.backends.base import Key
from jose.exceptions import JOSEError

from services.infra.telemetry import logger

TIMEOUT_S: Final = 3.0
MAX_BYTES: Final = 256 * 1024
MAX_KEYS: Final = 100
KEY_ID_CHARS_MAX: Final = 256
MAX_AGE_S: Final = 60 * 60
TRUSTED_S: Final = 24 * 60 * 60
MIN_INTERVAL_S: Final = 30
# By kind of key, and for curves by their name.
_ALGORITHMS: Final = {("RSA", None): "RS256", ("EC", "P-256"): "ES256"}
RSA_MODULUS_CHARS: Final = range(342, 1400)

log = logger(__name__)


class IssuerKey(NamedTuple):
    algorithm: str
    key: Key


class IssuerKeys:
    """The keys of one issuer. Many may ask at once; one fetch answers all of them."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client = client
        self._url = url
        self._keys: dict[str, IssuerKey] = {}
        self._tried_s = -float(MIN_INTERVAL_S)
        self._fetched_s = -float(TRUSTED_S)
        self._fetching = asyncio.Lock()

    async def find(self, key_id: str) -> IssuerKey | None:
        age_s = time.monotonic() - self._fetched_s
        if key_id not in self._keys or age_s > MAX_AGE_S:
            await self._refresh()
        if time.monotonic() - self._fetched_s > TRUSTED_S:
            return None
        return self._keys.get(key_id)

    async def _refresh(self) -> None:
        async with self._fetching:
            now_s = time.monotonic()
            # Whoever waited may find what it wants, or that the issuer was asked just now.
            if now_s - self._tried_s < MIN_INTERVAL_S:
                return
            self._tried_s = now_s
            try:
                keys = _usable(await self._fetch())
            except (httpx.HTTPError, ValueError, TimeoutError) as error:
                log.warning("issuer's keys not fetched", url=self._url, error=repr(error))
                return
            self._keys, self._fetched_s = keys, now_s
            log.info("issuer's keys fetched", url=self._url, keys=len(keys))

    async def _fetch(self) -> Any:
        # The client's own timeout is per read; this one is for the whole answer.
        async with asyncio.timeout(TIMEOUT_S), self._client.stream("GET", self._url) as response:
            if response.status_code != httpx.codes.OK:
                raise ValueError(f"status {response.status_code}")
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise ValueError(f"more than {MAX_BYTES} bytes")
        try:
            return json.loads(body)
        except RecursionError:
            raise ValueError("nested too deeply") from None


def _usable(document: Any) -> dict[str, IssuerKey]:
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("not a key set")
    keys = {}
    for entry in document["keys"][:MAX_KEYS]:
        found = _key(entry) if isinstance(entry, dict) else None
        if found is not None:
            keys[entry["kid"]] = found
    return keys


def _key(entry: dict[str, Any]) -> IssuerKey | None:
    key_id, kind, curve = entry.get("kid"), entry.get("kty"), entry.get("crv")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= KEY_ID_CHARS_MAX or not isinstance(kind, str):
        return None
    algorithm = _ALGORITHMS.get((kind, curve if isinstance(curve, str) else None))
    if algorithm is None or entry.get("alg", algorithm) != algorithm or entry.get("use", "sig") != "sig":
        return None
    if kind == "RSA" and not (isinstance(entry.get("n"), str) and len(entry["n"]) in RSA_MODULUS_CHARS):
        return None
    try:
        return IssuerKey(algorithm, jwk.construct(entry, algorithm))
    except (JOSEError, ValueError, TypeError, KeyError, AttributeError):
        return None
