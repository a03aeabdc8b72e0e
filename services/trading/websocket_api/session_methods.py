"""The methods that belong to a connection: logging on and off, and following user data.

They have no REST twin. They are answered one at a time and before anything that the client sent after them, so a
request that follows ``session.logon`` finds the session, and no event comes before the reply to who asked for it.

Beyond the dialect a subscription may ``resume`` after an event's cursor, and a web session follows its user data with
its access token (``userDataStream.subscribe.bearer``).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Generic, NamedTuple, TypeVar

from services.trading import errors
from services.trading.endpoint import NoParameters, Security
from services.trading.limits import Tally
from services.trading.parameters import AnyText, Long, Parameters, validate
from services.trading.user_data.credentials import Credential, KeyCredential
from services.trading.websocket_api.messages import Request
from services.trading.websocket_api.session import Session
from services.trading.weights import Charge

Json = dict[str, Any]
P = TypeVar("P", bound=Parameters)

CHARGE: Final = Charge(2)
_READ: Final = Security.USER_DATA.value
_SIGNING_PARAMETERS: Final = frozenset({"apiKey", "timestamp", "recvWindow", "signature"})


class SubscribeParameters(Parameters):
    resume: AnyText | None = None


class BearerParameters(SubscribeParameters):
    access_token: str


class UnsubscribeParameters(Parameters):
    subscription_id: Long | None = None


class Ask(NamedTuple, Generic[P]):
    """One request of a session's, with what it says beyond who sent it."""

    session: Session
    request: Request
    parameters: P
    now_us: int


class SessionMethod(NamedTuple, Generic[P]):
    parameters: type[P]
    handler: Callable[[Ask[P]], Awaitable[Any]]


async def perform(session: Session, method: SessionMethod[Any], request: Request, _tally: Tally | None) -> Any:
    own = {name: value for name, value in request.parameters.items() if name not in _SIGNING_PARAMETERS}
    parameters = validate(method.parameters, own)
    return await method.handler(Ask(session, request, parameters, session.services.clock()))


# Sessions


async def log_on(ask: Ask[NoParameters]) -> Json:
    await ask.session.log_on(ask.request, ask.now_us)
    return _status(ask)


async def status(ask: Ask[NoParameters]) -> Json:
    return _status(ask)


async def log_out(ask: Ask[NoParameters]) -> Json:
    ask.session.log_out()
    return _status(ask)


def _status(ask: Ask[NoParameters]) -> Json:
    session = ask.session
    unit, logon = session.options.unit, session.logon
    return {
        "apiKey": None if logon is None else logon.api_key,
        "authorizedSince": None if logon is None else logon.since_us // unit,
        "connectedSince": session.connection.connected_us // unit,
        "returnRateLimits": session.options.shows_limits,
        "serverTime": ask.now_us // unit,
        "userDataStream": bool(session.subscriptions.numbers),
    }


# User data


async def subscribe(ask: Ask[SubscribeParameters]) -> Json:
    logon = ask.session.logon
    if logon is None:
        raise errors.UNAUTHORIZED
    await ask.session.session_key(logon, _READ)
    return await _open(ask, KeyCredential(logon.api_key, logon.account_id, ask.session.address), is_of_session=True)


async def subscribe_signed(ask: Ask[SubscribeParameters]) -> Json:
    caller = await ask.session.signer(ask.request, _READ, ask.now_us)
    return await _open(ask, KeyCredential(ask.request.parameters["apiKey"], caller.account_id, ask.session.address))


async def subscribe_bearer(ask: Ask[BearerParameters]) -> Json:
    return await _open(ask, await ask.session.services.principals.session(ask.parameters.access_token))


async def _open(ask: Ask[Any], credential: Credential, *, is_of_session: bool = False) -> Json:
    resume = ask.parameters.resume
    opened = await ask.session.subscriptions.subscribe(credential, resume, is_of_session=is_of_session)
    ask.session.after_reply = opened.begin
    return opened.result


async def unsubscribe(ask: Ask[UnsubscribeParameters]) -> Json:
    ask.session.subscriptions.unsubscribe(ask.parameters.subscription_id)
    return {}


async def subscriptions(ask: Ask[NoParameters]) -> list[Json]:
    return [{"subscriptionId": number} for number in ask.session.subscriptions.numbers]


SESSION_METHODS: Final[Mapping[str, SessionMethod[Any]]] = {
    "session.logon": SessionMethod(NoParameters, log_on),
    "session.status": SessionMethod(NoParameters, status),
    "session.logout": SessionMethod(NoParameters, log_out),
    "session.subscriptions": SessionMethod(NoParameters, subscriptions),
    "userDataStream.subscribe": SessionMethod(SubscribeParameters, subscribe),
    "userDataStream.subscribe.signature": SessionMethod(SubscribeParameters, subscribe_signed),
    "userDataStream.subscribe.bearer": SessionMethod(BearerParameters, subscribe_bearer),
    "userDataStream.unsubscribe": SessionMethod(UnsubscribeParameters, unsubscribe),
}
