"""Sessions: what a connection remembers between requests, and above all who is logged on.

One key at most is logged on. It is looked up again for every request that relies on it, and whenever auth announces a
change; once it may no longer be used from here, the session ends and the client is told so.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from services.infra.addresses import Address
from services.trading import errors
from services.trading.authentication import Caller, Claim, allowed_key, authenticate, recognize
from services.trading.endpoint import Endpoint, Services
from services.trading.errors import DialectError
from services.trading.principals import ApiKey
from services.trading.signing import Ed25519Key, Window
from services.trading.streams.connection import Connection
from services.trading.websocket_api import messages
from services.trading.websocket_api.messages import Request

ANY_PERMISSION: Final = ""
# The dialect's code for a key of a kind that cannot do this; its text for this case is not documented.
WRONG_KEY_TYPE: Final = DialectError(-4056, "Only Ed25519 API keys can log on to a session.", 401)


class Options(NamedTuple):
    """What the URL asked for. ``unit`` divides microseconds into the client's time unit."""

    unit: int
    shows_limits: bool


class Logon(NamedTuple):
    """``end_following`` ends the notices about the key."""

    api_key: str
    account_id: int
    since_us: int
    end_following: Callable[[], None]


class Session:
    """One connection's. ``close`` it with the connection."""

    def __init__(self, services: Services, connection: Connection, address: Address, options: Options) -> None:
        self.services = services
        self.connection = connection
        self.address = address
        self.options = options
        self.logon: Logon | None = None
        self.subscriptions = services.user_data.subscriptions(connection, options.unit)
        # What a session method does once its reply is sent.
        self.after_reply: Callable[[], None] | None = None
        self._checks: set[asyncio.Task[None]] = set()

    async def caller(self, request: Request, endpoint: Endpoint[Any], logon: Logon | None, now_us: int) -> Caller:
        """Return who sent a request: the key it names and is signed with, else the one that was logged on."""
        parameters, permission = request.parameters, endpoint.security.value
        if not endpoint.is_signed:
            name = parameters.get("apiKey", "" if logon is None else logon.api_key)
            return await recognize(self.services.principals, permission, name, self.address)
        if "apiKey" not in parameters and logon is not None:
            window = Window(parameters.get("timestamp"), parameters.get("recvWindow"))
            window.check(now_us)
            key = await self.session_key(logon, permission)
            return Caller(key.account_id, window.ends_us, key)
        return await self.signer(request, permission, now_us)

    async def log_on(self, request: Request, now_us: int) -> None:
        """Remember the key that signed the request, instead of the one before."""
        caller = await self.signer(request, ANY_PERMISSION, now_us)
        assert caller.api_key is not None, "a signer has a key"
        if not isinstance(caller.api_key.signing_key, Ed25519Key):
            raise WRONG_KEY_TYPE
        name = request.parameters["apiKey"]
        if self.logon is not None and self.logon.api_key == name:
            self.logon = self.logon._replace(since_us=now_us)
            return
        self.log_out()
        end_following = self.services.principals.follow_key(name, self._check_soon)
        self.logon = Logon(name, caller.account_id, now_us, end_following)

    def log_out(self) -> None:
        """Forget the key; nothing happens without one."""
        logon, self.logon = self.logon, None
        if logon is None:
            return
        logon.end_following()
        self.subscriptions.log_out()

    async def session_key(self, logon: Logon, permission: str) -> ApiKey:
        """Return the logged-on key; end the session if it may no longer be used from here."""
        try:
            key = await allowed_key(self.services.principals, ANY_PERMISSION, logon.api_key, self.address)
        except DialectError as error:
            if error is errors.KEY_REJECTED and self.logon is logon:
                self.log_out()
                self.connection.reply(messages.failure(messages.NO_ID, error, None, time.time_ns() // 1000))
            raise
        if permission and permission not in key.permissions:
            raise errors.KEY_REJECTED
        return key

    def close(self) -> None:
        self.subscriptions.close()
        self.log_out()
        for check in self._checks:
            check.cancel()

    async def signer(self, request: Request, permission: str, now_us: int) -> Caller:
        """Return who signed a request; it names its key."""
        parameters = request.parameters
        if "apiKey" not in parameters:
            raise errors.mandatory("apiKey")
        claim = Claim(
            parameters["apiKey"],
            parameters.get("signature"),
            parameters.get("timestamp"),
            parameters.get("recvWindow"),
            request.payloads(),
        )
        return await authenticate(self.services.principals, permission, claim, self.address, now_us)

    def _check_soon(self) -> None:
        check = asyncio.create_task(self._check())
        self._checks.add(check)
        check.add_done_callback(self._checks.discard)

    async def _check(self) -> None:
        """Whatever goes wrong here, the next request finds out as well."""
        if self.logon is None:
            return
        try:
            await self.session_key(self.logon, ANY_PERMISSION)
        except DialectError as error:
            error.__traceback__ = None
