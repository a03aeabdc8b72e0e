"""docs/compatibility.md is up to date, and everything in it is used by a client or explained."""

import re

import pytest

from services.trading.routes import ENDPOINTS
from services.trading.streams import names
from services.trading.websocket_api.methods import METHODS
from services.trading.websocket_api.session_methods import SESSION_METHODS
from tests.compatibility.page import page
from tests.compatibility.tables import CLIENTS, EVENTS, PAGE, ROOT, Client, asked, complaints, streams


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), (
        "run `make compatibility`, or `python -m tests.compatibility` if no client changed"
    )


def test_every_endpoint_and_method_has_a_line() -> None:
    lines = page().splitlines()
    for name in (*(f"{endpoint.method} {endpoint.path}" for endpoint in ENDPOINTS), *METHODS, *SESSION_METHODS):
        assert sum(line.startswith(f"| `{name}`") for line in lines) == 1, name


def test_every_difference_is_explained() -> None:
    assert sorted(complaints()) == []


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_every_client_was_run(client: Client) -> None:
    assert asked(client)


def test_every_kind_of_stream_is_listed() -> None:
    examples = ("trade", "aggTrade", "bookTicker", "avgPrice", "miniTicker", "ticker", "kline_<interval>", "depth")
    assert {f"<symbol>@{example}" for example in examples} <= {*streams()}
    assert len(streams()) > len(names.Kind)


def test_every_event_is_sent() -> None:
    """At least, its name stands where events are made."""
    sources = [path.read_text() for path in (ROOT / "services" / "trading").rglob("*.py")]
    for event in EVENTS:
        assert any(f'"e": "{event}"' in source for source in sources), event


def test_every_test_that_is_named_is_there() -> None:
    named = re.findall(r"tests/[\w/]+\.py", PAGE.read_text())
    assert named != []
    assert all((ROOT / name).is_file() for name in named)
