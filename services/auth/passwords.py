"""Passwords: argon2id in threads of their own, with a limit on how many may run and wait.

Hashing is what anyone can make this service do before showing anything, so it has a definite bound: ``threads`` at
work, ``max_waiting`` behind them, and everyone else is refused at once. Every check costs the same, whether or not
there is a hash to check against.
"""

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from passlib.context import CryptContext  # type: ignore[import-untyped]

from services.auth.breached import BreachedPasswords

ARGON2_LANES: Final = 4

PASSWORD_CHARS_MIN: Final = 8
# Also bounds what is hashed: at most four bytes a character.
PASSWORD_CHARS_MAX: Final = 128

T = TypeVar("T")


class TooManyWaiting(Exception):
    """More logins are waiting for their password check than this process takes on."""


class Breached(Exception):
    """Everybody tries this password."""


class Verdict(NamedTuple):
    """``new_hash`` replaces a hash that was made with other costs than today's."""

    matches: bool
    new_hash: str | None = None


def normalise_password(password: str) -> str:
    """Make one password of all the ways keyboards write it; raise ValueError with what is wrong with it."""
    normalised = unicodedata.normalize("NFKC", password)
    # JSON can spell half of a surrogate pair, which has no bytes to hash.
    if any("\ud800" <= character <= "\udfff" for character in normalised):
        raise ValueError("must be valid Unicode")
    # A character may stand for several or be put together from several: both lengths count.
    if not all(PASSWORD_CHARS_MIN <= len(form) <= PASSWORD_CHARS_MAX for form in (password, normalised)):
        raise ValueError(f"must have {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters")
    return normalised


class Passwords:
    """Makes and checks hashes."""

    def __init__(
        self, *, threads: int, max_waiting: int, passes: int, memory_kib: int, breached_file: Path | None = None
    ) -> None:
        self._context = CryptContext(
            schemes=["argon2"],
            argon2__type="ID",
            argon2__time_cost=passes,
            argon2__memory_cost=memory_kib,
            argon2__parallelism=ARGON2_LANES,
        )
        self._breached = BreachedPasswords(breached_file, chars_min=PASSWORD_CHARS_MIN)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._max_in_hand = threads + max_waiting
        self._in_hand = 0
        self._nobodys_hash: str = self._context.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        """Hash a password that is to be somebody's; raise Breached for one that must not be."""
        return await self._run(lambda: self._hash(password))

    async def check(self, password: str, password_hash: str | None) -> Verdict:
        """Compare; without a hash do the same work in vain, so that nobody can tell the difference by the clock."""
        matches, new_hash = await self._run(
            lambda: self._context.verify_and_update(password, password_hash or self._nobodys_hash)
        )
        if password_hash is None:
            return Verdict(False)
        return Verdict(matches, new_hash)

    def _hash(self, password: str) -> str:
        if password in self._breached:
            raise Breached
        hashed: str = self._context.hash(password)
        return hashed

    async def _run(self, work: Callable[[], T]) -> T:
        if self._in_hand >= self._max_in_hand:
            raise TooManyWaiting
        self._in_hand += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._in_hand -= 1

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)
