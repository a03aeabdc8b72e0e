"""Credentials: what a stream was opened with, and the watch that ends the stream once that no longer holds.

An API key is checked again when auth announces a change of it, a web session likewise; besides, everything is checked
once in ``interval_s``, so that a stream outlives its credential no longer than an answer of auth is kept
(``services/trading/principals.py``), whether or not announcements can be heard. While auth does not answer, streams go
on and it is asked again.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final, NamedTuple

from services.infra.addresses import Address, within
from services.trading.errors import DialectError
from services.trading.principals import Principals, WebSession

# What a key must be allowed to do.
READ: Final = "read"
_ASK_AGAIN_S: Final = 1.0


class KeyCredential(NamedTuple):
    """An API key that was shown for this account. It must go on to be allowed at the ``address``, if that is given."""

    api_key: str
    account_id: int
    address: Address | None = None


Credential = KeyCredential | WebSession
OnEnd = Callable[[], None]


class _Watched:
    __slots__ = ("end_following", "on_end")

    def __init__(self, end_following: Callable[[], None]) -> None:
        self.end_following = end_following
        self.on_end: dict[object, OnEnd] = {}


class Credentials:
    """``run`` it as a task for the life of the process."""

    def __init__(self, principals: Principals, interval_s: float) -> None:
        self._principals = principals
        self._interval_s = interval_s
        self._watched: dict[Credential, _Watched] = {}
        self._due: set[Credential] = set()
        self._something_due = asyncio.Event()

    def watch(self, credential: Credential, on_end: OnEnd) -> Callable[[], None]:
        """Call ``on_end``, once, when the credential no longer holds, unless what is returned is called before."""
        watched = self._watched.get(credential)
        if watched is None:
            watched = self._watched[credential] = _Watched(self._follow(credential))
            # It may have changed since it was shown.
            self._check_soon(credential)
        ticket = object()
        watched.on_end[ticket] = on_end

        def stop() -> None:
            watched.on_end.pop(ticket, None)
            if not watched.on_end and self._watched.get(credential) is watched:
                self._forget(credential)

        return stop

    async def run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval_s):
                    await self._something_due.wait()
            due = self._due or set(self._watched)
            self._due = set()
            self._something_due.clear()
            for credential in due:
                await self._check(credential)
            if self._due:
                await asyncio.sleep(_ASK_AGAIN_S)

    async def _check(self, credential: Credential) -> None:
        if credential not in self._watched:
            return
        try:
            holds = await self._holds(credential)
        except DialectError as error:
            error.__traceback__ = None
            self._check_soon(credential)
            return
        watched = self._watched.get(credential)
        if holds or watched is None:
            return
        self._forget(credential)
        for on_end in tuple(watched.on_end.values()):
            on_end()

    async def _holds(self, credential: Credential) -> bool:
        if isinstance(credential, WebSession):
            return await self._principals.is_signed_in(credential)
        key = await self._principals.api_key(credential.api_key)
        if key is None or key.account_id != credential.account_id or READ not in key.permissions:
            return False
        return credential.address is None or not key.networks or within(credential.address, key.networks)

    def _follow(self, credential: Credential) -> Callable[[], None]:
        def changed() -> None:
            self._check_soon(credential)

        if isinstance(credential, WebSession):
            return self._principals.follow_session(credential, changed)
        return self._principals.follow_key(credential.api_key, changed)

    def _check_soon(self, credential: Credential) -> None:
        self._due.add(credential)
        self._something_due.set()

    def _forget(self, credential: Credential) -> None:
        watched = self._watched.pop(credential)
        self._due.discard(credential)
        watched.end_following()
