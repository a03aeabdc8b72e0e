"""Principals: who is calling, by API key or by a web session's access token.

The auth service knows; this keeps its answers for a short time. An entry is dropped when auth announces a change on
Redis, and whoever relies on one for longer than a request is told. While that announcement cannot be heard, nothing
is kept and every request asks auth.
"""

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_network
from typing import Any, Final, Generic, NamedTuple, TypeVar

import httpx
import msgspec
import structlog
from jose import jwt
from jose.exceptions import JOSEError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.infra.addresses import Network
from services.infra.http import internal_client
from services.infra.tokens import (
    API_KEY_CHANGED_PREFIX,
    AUTH_CHANGED_CHANNEL,
    ISSUER,
    MAX_EXTERNAL_TOKEN_CHARS,
    SESSION_CHANGED_PREFIX,
    AccessToken,
    InvalidToken,
    TokenVerifier,
    UnknownSigningKey,
)
from services.trading import errors, metrics
from services.trading.settings import TradingSettings
from services.trading.signing import HmacKey, SigningKey, public_signing_key

MAX_ENTRIES: Final = 50_000
_AUTH_TIMEOUT_S: Final = 3.0
_RESUBSCRIBE_S: Final = 0.5
_LISTEN_TIMEOUT_S: Final = 1.0
# A key that auth has withdrawn is trusted no longer than this.
_KEY_SET_TTL_S: Final = 60.0
# A flood of tokens with made-up key ids must not become a flood of requests to auth.
_KEY_SET_MIN_INTERVAL_S: Final = 1.0
# A timer further away would only be kept for nothing; whoever is still here by then is looked at again.
_TIMER_S_MAX: Final = 30 * 24 * 60 * 60.0
_RENEW_AGAIN_S: Final = 1.0
# In which part of its time an entry that is in use is asked for anew.
_RENEWED_WITHIN: Final = (0.5, 0.9)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

# Finding a series by its labels costs more than counting in it.
_KEPT: Final = metrics.PRINCIPAL_LOOKUPS.labels("kept")
_ASKED: Final = metrics.PRINCIPAL_LOOKUPS.labels("auth")
_SHARED: Final = metrics.PRINCIPAL_LOOKUPS.labels("shared")

T = TypeVar("T")

_log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)


class _Authority(msgspec.Struct, frozen=True, rename="camel"):
    """What auth says of a key: the secret of an HMAC key, the public key of the others. Never printed."""

    account_id: int
    permissions: frozenset[str]
    created_at: datetime
    expires_at: datetime | None = None
    secret_key: str | None = None
    public_key: str | None = None
    ip_allow_list: list[str] = []

    def __repr__(self) -> str:
        return f"_Authority(account_id={self.account_id})"


class ApiKey(NamedTuple):
    """A key ready for use: parsed once, when auth tells of it. Empty ``networks`` means from anywhere."""

    name: str
    account_id: int
    permissions: frozenset[str]
    signing_key: SigningKey
    networks: tuple[Network, ...]
    created_us: int
    expires_us: int | None = None

    def has_expired(self) -> bool:
        """Auth does not tell of expired keys; what it told of may have expired since."""
        return self.expires_us is not None and time.time_ns() // 1_000 >= self.expires_us


class Session(msgspec.Struct, frozen=True, rename="camel"):
    account_id: int


class _Holder(msgspec.Struct, frozen=True, rename="camel"):
    """Who holds another issuer's access token, and until when."""

    account_id: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class WebSession:
    """Somebody signed in, from then until they sign out or stay away for too long.

    With another issuer's token there is no session of ours: it lasts as long as the token does.
    """

    session_id: str
    account_id: int
    external_token: str | None = field(default=None, repr=False)


class Principals:
    """``api_key`` and ``session`` look up; ``run`` listens for changes for the life of the process."""

    def __init__(self, settings: TradingSettings, redis: Redis) -> None:
        self._client = internal_client(settings, timeout_s=_AUTH_TIMEOUT_S)
        self._auth_url = settings.auth_url.rstrip("/")
        self._redis = redis
        self._keys: _Kept[ApiKey] = _Kept(settings.principal_ttl_s)
        self._sessions: _Kept[Session] = _Kept(settings.principal_ttl_s)
        self._holders: _Kept[_Holder] = _Kept(settings.principal_ttl_s)
        self._followers: dict[str, list[Callable[[], None]]] = {}
        self._verifier: TokenVerifier | None = None
        self._fetched_s = 0.0

    async def api_key(self, api_key: str) -> ApiKey | None:
        """What the key may do and how to check its signatures; None for one that is unknown, expired or was deleted."""
        entry = self._keys.fresh(api_key)
        found = entry.answer if entry is not None else await self._keys.get(api_key, lambda: self._ask_key(api_key))
        return None if found is None or found.has_expired() else found

    async def session_account(self, access_token: str) -> int:
        """The account of a web session; raise -1002 unless token and session are valid."""
        return (await self.session(access_token)).account_id

    async def session(self, access_token: str) -> WebSession:
        """The web session itself, on the same terms."""
        try:
            claims = await self._verify(access_token)
        except UnknownSigningKey:
            return await self._external_session(access_token)
        except InvalidToken:
            raise errors.UNAUTHORIZED from None
        session = WebSession(claims.session_id, claims.account_id)
        if not await self.is_signed_in(session):
            raise errors.UNAUTHORIZED
        return session

    async def _external_session(self, access_token: str) -> WebSession:
        if not _is_external(access_token):
            raise errors.UNAUTHORIZED
        holder = await self._holder(access_token)
        if holder is None:
            raise errors.UNAUTHORIZED
        return WebSession(_digest(access_token), holder.account_id, access_token)

    async def _holder(self, external_token: str) -> _Holder | None:
        """Auth knows the issuers it trusts, and whose account the token's subject has."""
        body = {"token": external_token}
        name = _digest(external_token)
        found = await self._holders.get(name, lambda: self._ask("/internal/introspect", _Holder, body))
        return None if found is None or found.expires_at <= datetime.now(UTC) else found

    async def is_signed_in(self, session: WebSession) -> bool:
        """Whether the session still lasts. Its access tokens come and go meanwhile."""
        if session.external_token is not None:
            holder = await self._holder(session.external_token)
            return holder is not None and holder.account_id == session.account_id
        path = f"/internal/sessions/{session.session_id}"
        found = await self._sessions.get(session.session_id, lambda: self._ask(path, Session))
        return found is not None and found.account_id == session.account_id

    def follow_key(self, api_key: str, on_change: Callable[[], None]) -> Callable[[], None]:
        """Call ``on_change`` whenever the key may have changed, until what is returned is called."""
        return self._follow(API_KEY_CHANGED_PREFIX + api_key, on_change)

    def follow_session(self, session: WebSession, on_change: Callable[[], None]) -> Callable[[], None]:
        """The same for a web session. Nobody announces that another issuer's token expires, so that is timed."""
        end_following = self._follow(SESSION_CHANGED_PREFIX + session.session_id, on_change)
        if session.external_token is None:
            return end_following
        left_s = _expiry_s(session.external_token) - time.time()
        timer = asyncio.get_running_loop().call_later(max(0.0, min(left_s, _TIMER_S_MAX)), on_change)

        def end() -> None:
            timer.cancel()
            end_following()

        return end

    def _follow(self, announcement: str, on_change: Callable[[], None]) -> Callable[[], None]:
        followers = self._followers.setdefault(announcement, [])
        followers.append(on_change)

        def end() -> None:
            followers.remove(on_change)
            if not followers and self._followers.get(announcement) is followers:
                del self._followers[announcement]

        return end

    async def run(self) -> None:
        """Follow auth's announcements; keep nothing while they cannot be heard."""
        while True:
            try:
                async with self._redis.pubsub() as subscription:
                    await subscription.subscribe(AUTH_CHANGED_CHANNEL)
                    self._set_keeping(True)
                    while True:
                        message = await subscription.get_message(
                            ignore_subscribe_messages=True, timeout=_LISTEN_TIMEOUT_S
                        )
                        if message is not None:
                            self._drop(message["data"].decode())
            except (RedisError, OSError) as error:
                self._set_keeping(False)
                _log.warning("auth_changes_not_heard", error=str(error))
                await asyncio.sleep(_RESUBSCRIBE_S)

    async def close(self) -> None:
        await self._client.aclose()

    def _set_keeping(self, keeping: bool) -> None:
        self._keys.set_keeping(keeping)
        self._sessions.set_keeping(keeping)
        self._holders.set_keeping(keeping)
        if keeping:
            # What was announced while nobody could hear it is not known.
            for announcement in tuple(self._followers):
                self._tell_followers(announcement)

    def _tell_followers(self, announcement: str) -> None:
        for on_change in tuple(self._followers.get(announcement, ())):
            on_change()

    def _drop(self, announcement: str) -> None:
        if announcement.startswith(API_KEY_CHANGED_PREFIX):
            self._keys.drop(announcement.removeprefix(API_KEY_CHANGED_PREFIX))
        elif announcement.startswith(SESSION_CHANGED_PREFIX):
            self._sessions.drop(announcement.removeprefix(SESSION_CHANGED_PREFIX))
        self._tell_followers(announcement)

    async def _verify(self, access_token: str) -> AccessToken:
        """Check the token; fetch auth's keys when there are none yet or the token names a newer one."""
        if self._verifier is None or time.monotonic() - self._fetched_s > _KEY_SET_TTL_S:
            self._verifier = await self._fetch_verifier()
        try:
            return self._verifier.verify(access_token)
        except UnknownSigningKey:
            if time.monotonic() - self._fetched_s < _KEY_SET_MIN_INTERVAL_S:
                raise
            self._verifier = await self._fetch_verifier()
            return self._verifier.verify(access_token)

    async def _fetch_verifier(self) -> TokenVerifier:
        self._fetched_s = time.monotonic()
        keys = await self._ask("/.well-known/jwks.json", dict[str, list[dict[str, str]]])
        if keys is None:
            raise errors.UNAVAILABLE
        return TokenVerifier(keys)

    async def _ask_key(self, api_key: str) -> ApiKey | None:
        found = await self._ask(f"/internal/api-keys/{api_key}", _Authority)
        return None if found is None else _ready(api_key, found)

    async def _ask(self, path: str, kind: type[T], body: object = None) -> T | None:
        method = "GET" if body is None else "POST"
        try:
            response = await self._client.request(method, self._auth_url + path, json=body)
        except httpx.HTTPError as error:
            _log.warning("auth_unreachable", error=repr(error))
            raise errors.UNAVAILABLE from None
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        if response.status_code != httpx.codes.OK:
            _log.warning("auth_refused", status=response.status_code)
            raise errors.UNAVAILABLE
        return msgspec.json.decode(response.content, type=kind)


def _ready(name: str, found: _Authority) -> ApiKey:
    if found.public_key is not None:
        signing_key = public_signing_key(found.public_key)
    elif found.secret_key is not None:
        signing_key = HmacKey(found.secret_key)
    else:
        raise ValueError("auth knows neither a secret nor a public key")
    networks = tuple(ip_network(text) for text in found.ip_allow_list)
    expires_us = None if found.expires_at is None else _microseconds(found.expires_at)
    created_us = _microseconds(found.created_at)
    return ApiKey(name, found.account_id, found.permissions, signing_key, networks, created_us, expires_us)


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _is_external(token: str) -> bool:
    """Whether it is worth asking auth about: something else's token, by its own words."""
    if len(token) > MAX_EXTERNAL_TOKEN_CHARS:
        return False
    issuer = _hearsay(token).get("iss")
    return isinstance(issuer, str) and issuer != ISSUER


def _expiry_s(token: str) -> float:
    """When a token that auth vouches for expires."""
    expiry = _hearsay(token).get("exp")
    return float(expiry) if isinstance(expiry, int | float) else 0.0


def _hearsay(token: str) -> dict[str, Any]:
    """What a token claims, believed by nobody yet."""
    try:
        return jwt.get_unverified_claims(token)
    except (JOSEError, ValueError, TypeError, RecursionError):
        return {}


def _digest(token: str) -> str:
    return f"external-{sha256(token.encode(errors='surrogatepass')).hexdigest()}"


class _Entry(NamedTuple, Generic[T]):
    ends_s: float
    renew_s: float
    answer: T | None


class _Kept(Generic[T]):
    """Answers kept for ``ttl_s``, at most ``MAX_ENTRIES``, the least recently used dropped first.

    Concurrent questions about one name share one request. "Unknown" is kept too, or guesses would all reach auth.
    What is still in use is asked for anew before it ends, at a time drawn for each: nobody waits, and what was asked
    for together, as after a restart, does not come due together.
    """

    def __init__(self, ttl_s: float) -> None:
        self._ttl_s = ttl_s
        self._keeping = False
        self._entries: OrderedDict[str, _Entry[T]] = OrderedDict()
        self._asking: dict[str, asyncio.Future[T | None]] = {}

    def set_keeping(self, keeping: bool) -> None:
        self._keeping = keeping
        self._entries.clear()
        self._asking.clear()

    def drop(self, name: str) -> None:
        """Forget the entry, and do not keep what a request already under way will bring."""
        self._entries.pop(name, None)
        self._asking.pop(name, None)

    def fresh(self, name: str) -> "_Entry[T] | None":
        """What is kept, if there is nothing to ask for: what ``get`` comes to for nearly everybody."""
        entry = self._entries.get(name)
        if entry is None or entry.renew_s <= time.monotonic():
            return None
        _KEPT.inc()
        self._entries.move_to_end(name)
        return entry

    async def get(self, name: str, ask: Callable[[], Awaitable[T | None]]) -> T | None:
        entry, now_s = self._entries.get(name), time.monotonic()
        if entry is not None and entry.ends_s > now_s:
            _KEPT.inc()
            self._entries.move_to_end(name)
            if entry.renew_s <= now_s and name not in self._asking:
                self._ask(name, ask)
            return entry.answer
        asking = self._asking.get(name)
        if asking is None:
            asking = self._ask(name, ask)
        else:
            _SHARED.inc()
        return await asyncio.shield(asking)

    def _ask(self, name: str, ask: Callable[[], Awaitable[T | None]]) -> "asyncio.Future[T | None]":
        _ASKED.inc()
        asking = self._asking[name] = asyncio.ensure_future(ask())
        asking.add_done_callback(lambda done: self._keep(name, done))
        return asking

    def _keep(self, name: str, asked: "asyncio.Future[T | None]") -> None:
        # Looked at in any case: it may be that nobody waits for it.
        has_failed = asked.cancelled() or asked.exception() is not None
        if self._asking.get(name) is not asked:
            return
        del self._asking[name]
        now_s, entry = time.monotonic(), self._entries.get(name)
        if has_failed:
            if entry is not None:
                self._entries[name] = entry._replace(renew_s=now_s + _RENEW_AGAIN_S)
        elif self._keeping:
            renew_s = now_s + self._ttl_s * random.uniform(*_RENEWED_WITHIN)  # noqa: S311
            self._entries[name] = _Entry(now_s + self._ttl_s, renew_s, asked.result())
            if len(self._entries) > MAX_ENTRIES:
                self._entries.popitem(last=False)
