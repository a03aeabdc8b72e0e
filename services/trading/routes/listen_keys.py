"""Listen keys over REST (compatibility reference section 1.6). They name an API key and are not signed."""

from typing import Any, Final

from services.trading import errors
from services.trading.endpoint import Call, Endpoint, NoParameters, Security
from services.trading.parameters import AnyText, Parameters
from services.trading.schemas import NOTHING, TEXT, record
from services.trading.user_data.credentials import KeyCredential
from services.trading.user_data.listen_keys import ListenKeys

PATH: Final = "/api/v3/userDataStream"


class ListenKeyParameters(Parameters):
    listen_key: AnyText


async def create(call: Call, _parameters: NoParameters) -> dict[str, Any]:
    return {"listenKey": await _listen_keys(call).create(_owner(call))}


async def prolong(call: Call, parameters: ListenKeyParameters) -> dict[str, Any]:
    await _listen_keys(call).prolong(parameters.listen_key, _owner(call))
    return {}


async def delete(call: Call, parameters: ListenKeyParameters) -> dict[str, Any]:
    await _listen_keys(call).delete(parameters.listen_key, _owner(call))
    streams = call.services.user_data.listen_key_streams
    assert streams is not None, "where there are listen keys there are streams of them"
    streams.expire(parameters.listen_key)
    return {}


def _listen_keys(call: Call) -> ListenKeys:
    listen_keys = call.services.user_data.listen_keys
    if listen_keys is None:
        raise errors.NOT_FOUND
    return listen_keys


def _owner(call: Call) -> KeyCredential:
    if call.api_key is None:
        # A web session follows its account over the WebSocket API.
        raise errors.KEY_FORMAT
    return KeyCredential(call.api_key.name, call.account_id)


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        "POST",
        PATH,
        Security.USER_DATA,
        NoParameters,
        create,
        "Make or prolong the API key's listen key",
        record(listenKey=TEXT),
        is_signed=False,
    ),
    Endpoint(
        "PUT",
        PATH,
        Security.USER_DATA,
        ListenKeyParameters,
        prolong,
        "Prolong a listen key",
        NOTHING,
        is_signed=False,
    ),
    Endpoint(
        "DELETE",
        PATH,
        Security.USER_DATA,
        ListenKeyParameters,
        delete,
        "End a listen key and its streams",
        NOTHING,
        is_signed=False,
    ),
)
