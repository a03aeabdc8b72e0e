"""The page itself: rows and tables from ``tables``."""

from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any, Final

from services.trading.endpoint import Endpoint, Security
from services.trading.legs import Leg
from services.trading.parameters import Parameters
from services.trading.routes import (
    account,
    cancel_replace,
    capital,
    general,
    listen_keys,
    market_data,
    order_lists,
    orders,
    sapi,
    tickers,
)
from services.trading.streams import control
from services.trading.websocket_api import session_methods
from services.trading.websocket_api.methods import METHODS
from services.trading.websocket_api.session_methods import SESSION_METHODS
from services.trading.weights import Charge, charge_of
from tests.clients.conversations import METHOD, STREAM
from tests.compatibility.tables import CLIENTS, EVENT, EVENTS, REMARKS, asked, beyond, locked, parameters_of, streams

NOTHING: Final = "-"

_GROUPS: Final[tuple[tuple[str, tuple[ModuleType, ...]], ...]] = (
    ("General", (general,)),
    ("Market data", (market_data, tickers)),
    ("Orders", (orders, cancel_replace)),
    ("Order lists", (order_lists,)),
    ("Account", (account,)),
    ("Listen keys", (listen_keys,)),
    ("Money on networks", (capital,)),
    ("Around the exchange", (sapi,)),
)

_NOTES: Final = {
    "Around the exchange": "Not of the Spot dialect, but asked by its clients, some before they do anything else. The "
    "answers are true of an exchange\nwith nothing but spot markets.",
}

# Each may make a weight another one.
_SAMPLES: Final = (
    {},
    {"symbol": "BTCUSDT"},
    *({"symbols": ",".join(["BTCUSDT"] * count)} for count in (1, 20, 21, 100, 101)),
    *({"limit": str(limit)} for limit in (100, 500, 1000, 5000)),
    {"orderId": "1"},
    {"computeCommissionRates": "true"},
)


def page() -> str:
    sections = (_head(), _clients(), *_rest(), _methods(), _streams(), _events(), _unsupported())
    return "\n\n".join(sections) + "\n"


def _head() -> str:
    leg = " ".join(str(field.alias) for field in Leg.model_fields.values() if field.alias != "type")
    history = " ".join(parameters_of(sapi.HistoryParameters))
    return f"""# Compatibility

What of the Binance Spot dialect Crossbook speaks: every endpoint, parameter, method and stream, and which unmodified
clients use it in the tests. Written by `make compatibility` from the services' own tables and from what the clients
were seen to ask on the wire; a test fails when it is out of date, or when something is neither used nor explained.

- **Bold** parameters are mandatory. A mark° says that no client sends it in its tests.
- (read), (trade) and (withdraw) name the permission that the API key needs; the others need no key. Weight\\* is taken
  only from requests that fail; orders are what a request adds to the unfilled order count.
- `timestamp`, `recvWindow` and `signature` belong to every signed request (on sockets `apiKey`, too) and are not
  repeated. Keys are HMAC, Ed25519 or RSA. Times are milliseconds or microseconds (`X-MBX-TIME-UNIT`, `timeUnit`).
- `above…`, `below…`, `working…`, `pending…` stand for a whole order. Behind the prefix come Type, ClientOrderId and:
  {leg}
- "any filter" stands for what clients send to ask for part of a history:
  {history}
- A parameter that is not listed is refused (-1104)."""


def _clients() -> str:
    rows = [("", "Client", "Version", "What is run", "Calls")]
    for client in CLIENTS:
        version = client.version
        if client.name == "freqtrade":
            version += f" (ccxt {locked(client.lock, 'ccxt')})"
        rows.append((client.letter, client.name, version, REMARKS["clients"][client.name], str(len(asked(client)))))
    return "## Clients\n\nRun in CI, told nothing but where the exchange is.\n\n" + _table(rows)


def _rest() -> Iterator[str]:
    yield "## REST"
    for title, modules in _GROUPS:
        endpoints = [endpoint for module in modules for endpoint in module.ENDPOINTS]
        rows: list[tuple[str, ...]] = [("Endpoint", "Parameters", "Weight", "Clients", "Remarks")]
        rows += [_endpoint_row(endpoint) for endpoint in endpoints]
        note = f"{_NOTES[title]}\n\n" if title in _NOTES else ""
        yield f"### {title}\n\n{note}{_table(rows)}"


def _endpoint_row(endpoint: Endpoint[Any]) -> tuple[str, ...]:
    call = f"{endpoint.method} {endpoint.path}"
    key = f" ({endpoint.security.value})" if endpoint.security is not Security.NONE else ""
    weight = _weight(charge_of(endpoint.method, endpoint.path))
    return f"`{call}`{key}", _parameters_cell(call, endpoint.parameters), weight, *_use(call, endpoint.summary)


def _use(call: str, summary: str = "") -> tuple[str, str]:
    """Which clients ask for it, and what is to be said."""
    letters = "".join(client.letter for client in CLIENTS if call in asked(client))
    said = (
        f"{summary}." if summary else "",
        REMARKS["remarks"].get(call),
        beyond(call),
        REMARKS["unexercised"].get(call),
    )
    return letters or NOTHING, " ".join(filter(None, said))


def _weight(charge: Charge) -> str:
    weight = charge.weight
    found = {weight} if isinstance(weight, int) else {weight(sample) for sample in _SAMPLES}
    text = f"{min(found)}-{max(found)}" if len(found) > 1 else f"{max(found)}"
    text += "\\*" if charge.free_on_success else ""
    return f"{text}, {charge.orders} order{'s' if charge.orders > 1 else ''}" if charge.orders else text


def _parameters_cell(call: str, model: type[Parameters]) -> str:
    if model is sapi.HistoryParameters:
        return "any filter"
    mandatory = parameters_of(model)
    sent = {name for client in CLIENTS for name in asked(client).get(call, ())}
    legs = _legs(mandatory)
    cells = []
    for name in mandatory:
        leg = next((leg for leg in legs if name.startswith(leg) and name in _leg_names(leg)), None)
        if leg is None:
            cells.append(_parameter(name, is_mandatory=mandatory[name], is_sent=name in sent))
        elif name == f"{leg}Type":
            cells.append(f"**{leg}…**")
    return " ".join(cells) or NOTHING


def _parameter(name: str, *, is_mandatory: bool, is_sent: bool) -> str:
    return f"{f'**{name}**' if is_mandatory else name}{'' if is_sent else '°'}"


def _legs(parameters: Iterable[str]) -> list[str]:
    """The prefixes of whole orders, the longest first."""
    known = set(parameters)
    prefixes = [name.removesuffix("StopPrice") for name in known if name.endswith("StopPrice")]
    return sorted((prefix for prefix in prefixes if prefix and _leg_names(prefix) <= known), key=len, reverse=True)


def _leg_names(prefix: str) -> set[str]:
    own = ["clientOrderId", *(str(field.alias) for field in Leg.model_fields.values())]
    return {f"{prefix}{name[0].upper()}{name[1:]}" for name in own}


def _methods() -> str:
    twins = [("Method", "REST endpoint", "Clients", "Remarks")]
    twins += [
        (f"`{name}`", f"`{endpoint.method} {endpoint.path}`", *_use(f"{METHOD}{name}"))
        for name, endpoint in METHODS.items()
    ]
    own = [("Method", "Parameters", "Weight", "Clients", "Remarks")]
    own += [
        (
            f"`{name}`",
            _parameters_cell(f"{METHOD}{name}", method.parameters),
            str(session_methods.CHARGE.weight),
            *_use(f"{METHOD}{name}"),
        )
        for name, method in SESSION_METHODS.items()
    ]
    return f"""## WebSocket API

`/ws-api/v3`. A method and its REST endpoint are one entry of a table: parameters, weights and answers are the same. Any
request may have `returnRateLimits`.

{_table(twins)}

Methods of the connection itself:

{_table(own)}"""


def _streams() -> str:
    requests = [("Request", "Clients", "Remarks")]
    requests += [(f"`{name}`", *_use(f"{METHOD}{name}")) for name in control.METHODS]
    rows = [("Stream", "Clients", "Remarks")]
    rows += [(f"`{stream}`", *_use(f"{STREAM}{stream}")) for stream in streams()]
    return f"""## Streams

`/ws`, `/ws/<streams>`, `/stream`, `/stream?streams=`, and `/stream/ws/<streams>`, which ccxt needs. How they behave:
[streams](streams.md).

{_table(rows)}

{_table(requests)}"""


def _events() -> str:
    rows = [("Event", "Remarks")]
    rows += [(f"`{event}`", beyond(f"{EVENT}{event}") or "") for event in EVENTS]
    return f"## User data\n\n{_table(rows)}"


def _unsupported() -> str:
    rows = [("What", "Why")]
    rows += [
        (f"`{call.removeprefix(METHOD).removeprefix(STREAM).removeprefix(EVENT)}`", why)
        for call, why in REMARKS["unsupported"].items()
    ]
    rows += list(REMARKS["interfaces"].items())
    rows += [(f"`{call}`", why) for call, why in REMARKS["missing_parameters"].items()]
    extra = [("Parameter", "Why")]
    extra += [(f"`{name}`", why) for name, why in REMARKS["extra_parameters"].items()]
    every = (
        "" if REMARKS["missing_parameters"] else "Every documented parameter of what is listed above is supported.\n\n"
    )
    return f"""## Not supported

{every}{_table(rows)}

## Not of the dialect

Parameters that the dialect's documents do not have:

{_table(extra)}"""


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])
