"""What docs/compatibility.md is made of: what the services declare, what Binance documents, what clients asked.

Endpoints, methods and streams are the services' own tables; ``calls.json`` says which clients asked for them;
``dialect.json`` holds the names that Binance documents; ``remarks.toml`` says why the two differ. ``complaints`` is
empty when every difference, and everything that no client asked for, is explained.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from services.trading.parameters import Parameters
from services.trading.routes import ENDPOINTS
from services.trading.streams import control, names
from services.trading.websocket_api.methods import METHODS
from services.trading.websocket_api.session_methods import SESSION_METHODS
from tests.clients.conversations import METHOD, STREAM, shape_of

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "compatibility.md"
# What can be asked, by its key, to the names of its parameters and whether they are mandatory.
Calls = dict[str, dict[str, bool]]

_HERE: Final = Path(__file__).parent
_TESTS: Final = ROOT / "tests" / "clients"
EVENT: Final = "EVENT "
# Set per connection or request on the WebSocket API, whatever the method.
_ENVELOPE: Final = frozenset({"returnRateLimits"})

DIALECT: Final = json.loads((_HERE / "dialect.json").read_text())
REMARKS: Final = tomllib.loads((_HERE / "remarks.toml").read_text())
CALLS: Final[dict[str, dict[str, str]]] = json.loads((_TESTS / "calls.json").read_text())


class Client(NamedTuple):
    """Its tests are the modules whose names begin with ``modules``; its version is the lock's."""

    name: str
    letter: str
    modules: str
    lock: Path

    @property
    def version(self) -> str:
        return locked(self.lock, self.name)


CLIENTS: Final = (
    Client("ccxt", "C", "test_ccxt", ROOT / "requirements-dev.lock"),
    Client("python-binance", "P", "test_python_binance", ROOT / "requirements-dev.lock"),
    Client("binance-sdk-spot", "S", "test_binance_sdk_spot", ROOT / "requirements-dev.lock"),
    Client("binance-connector", "B", "test_binance_connector", _TESTS / "binance-connector.lock"),
    Client("cryptofeed", "Y", "test_cryptofeed", _TESTS / "cryptofeed.lock"),
    Client("freqtrade", "F", "test_freqtrade", _TESTS / "freqtrade.lock"),
)

# One example of each way to name a stream; those that mean nothing are no streams.
_STREAM_FORMS: Final = (
    "btcusdt@{}",
    "btcusdt@{}@100ms",
    "btcusdt@{}_1m",
    "btcusdt@{}_1m@+08:00",
    "!{}@arr",
)
EVENTS: Final = (
    "outboundAccountPosition",
    "balanceUpdate",
    "executionReport",
    "listStatus",
    "eventStreamTerminated",
    "listenKeyExpired",
    "serverShutdown",
)


def locked(lock: Path, package: str) -> str:
    """The version, or those that it is on older and newer Pythons."""
    found = re.findall(rf"^{re.escape(package)}==(\S+)", lock.read_text(), re.MULTILINE)
    assert found, f"{lock.name} does not have {package}"
    return ", ".join(found)


def parameters_of(model: type[Parameters]) -> dict[str, bool]:
    """Names on the wire; whether they are mandatory."""
    return {str(field.alias): field.is_required() for field in model.model_fields.values()}


def streams() -> list[str]:
    """The shapes of all streams that can be named."""
    kinds = [kind.value.replace("<n>", "5") for kind in names.Kind]
    examples = [form.format(kind) for kind in kinds for form in _STREAM_FORMS]
    shapes = [shape_of(example) for example in examples if names.parse(example) is not None]
    return [*dict.fromkeys(shapes), "<listenKey>"]


def supported() -> Calls:
    """Everything that can be asked, by its key, with its parameters."""
    rest = {f"{endpoint.method} {endpoint.path}": parameters_of(endpoint.parameters) for endpoint in ENDPOINTS}
    twins = {f"{METHOD}{name}": parameters_of(endpoint.parameters) for name, endpoint in METHODS.items()}
    own = {f"{METHOD}{name}": parameters_of(method.parameters) for name, method in SESSION_METHODS.items()}
    requests = {f"{METHOD}{name}": dict[str, bool]() for name in control.METHODS}
    return rest | twins | own | requests | {f"{STREAM}{stream}": {} for stream in streams()}


def documented() -> dict[str, list[str]]:
    """What Binance documents, by the same keys."""
    rest = {call: text.split() for call, text in DIALECT["rest"].items()}
    methods = {f"{METHOD}{name}": text.split() for name, text in DIALECT["websocket_api"].items()}
    requests = {f"{METHOD}{name}": list[str]() for name in DIALECT["stream_requests"]}
    return rest | methods | requests | {f"{STREAM}{stream}": [] for stream in DIALECT["streams"]}


def asked(client: Client) -> dict[str, set[str]]:
    """What one client asked for, with which parameters."""
    calls: dict[str, set[str]] = {}
    for module, made in CALLS.items():
        if module.startswith(client.modules):
            for call, sent in made.items():
                calls.setdefault(call, set()).update(set(sent.split()) - _ENVELOPE)
    return calls


def complaints() -> Iterator[str]:
    """What is neither supported, nor exercised, nor explained; and explanations of nothing."""
    have, want = supported(), documented()
    exercised = {call for client in CLIENTS for call in asked(client)}
    yield from _differing_calls(have, want)
    yield from _differing_parameters(have, want)
    for call in have.keys() - exercised - REMARKS["unexercised"].keys():
        yield f"no client asks for {call}: say why in [unexercised]"
    for client in CLIENTS:
        for call, sent in asked(client).items():
            if not sent <= have.get(call, {}).keys():
                yield f"{client.name} asked for {call} with {sorted(sent)}, which is not in the tables"
    for module in CALLS:
        if not any(module.startswith(client.modules) for client in CLIENTS):
            yield f"{module} in calls.json belongs to no client"
        if not (_TESTS / f"{module}.py").exists():
            yield f"{module} in calls.json is gone: delete it there"
    yield from _idle_remarks(have, exercised)


def _differing_calls(have: Calls, want: dict[str, list[str]]) -> Iterator[str]:
    for call in want.keys() - have.keys() - REMARKS["unsupported"].keys():
        yield f"{call} is documented and not supported: say why in [unsupported]"
    for call in have.keys() - want.keys():
        if beyond(call) is None:
            yield f"{call} is not documented: say why it is there in [beyond]"
    for event in {*DIALECT["events"]} - {*EVENTS}:
        if f"{EVENT}{event}" not in REMARKS["unsupported"]:
            yield f"the event {event} is documented and not supported: say why in [unsupported]"


def _differing_parameters(have: Calls, want: dict[str, list[str]]) -> Iterator[str]:
    for call in have.keys() & want.keys():
        for name in set(want[call]) - have[call].keys():
            if f"{call} {name}" not in REMARKS["missing_parameters"]:
                yield f"{call} has no parameter {name}: say why in [missing_parameters]"
        for name in have[call].keys() - set(want[call]) - REMARKS["extra_parameters"].keys():
            yield f"the dialect's {call} has no parameter {name}: say in [extra_parameters] why it is there"


def _idle_remarks(have: Calls, exercised: set[str]) -> Iterator[str]:
    known = {"unsupported": have.keys(), "unexercised": exercised}
    for section, wrong in known.items():
        for call in REMARKS[section].keys() & wrong:
            yield f"{call} does not belong in [{section}]"
    for section in ("remarks", "unexercised"):
        for call in REMARKS[section].keys() - have.keys():
            yield f"[{section}] is about {call}, which is not in the tables"


def beyond(call: str) -> str | None:
    return next((str(why) for start, why in REMARKS["beyond"].items() if call.startswith(start)), None)
