"""How the local exchange serves the terminal: which paths are its own, with which headers, what nobody can reach."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services.local.node import is_new_enough
from services.local.page import SOURCE, Page
from tests.running import RunningSystem

POLICY = json.loads((SOURCE / "security-headers.json").read_text())
DOCUMENT = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def client(system: RunningSystem) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=system.base_url, trust_env=False) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/trade/BTCUSDT", "/sign-in", "/status", "/wallet/deposit", "/no/such/page"])
def test_a_browser_gets_the_page_at_every_address_of_it(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers=DOCUMENT)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.headers["Cache-Control"] == "no-cache"
    assert '<div id="root">' in answer.text


def test_what_the_page_loads_is_its_own_and_kept_for_good(client: httpx.Client) -> None:
    addresses = re.findall(r'(?:src|href)="([^"]+)"', client.get("/").text)
    assert any(address.startswith("/assets/") for address in addresses)
    for address in addresses:
        assert address.startswith("/"), "everything comes from this origin"
        answer = client.get(address)
        assert answer.status_code == 200, address
        immutable = address.startswith("/assets/")
        assert ("immutable" in answer.headers["Cache-Control"]) is immutable or address == "/config.json"


def test_every_answer_of_the_page_has_the_headers_that_cloudfront_sends(client: httpx.Client) -> None:
    for path in ("/", "/theme.js", "/config.json"):
        headers = client.get(path).headers
        for name, value in POLICY["headers"].items():
            assert headers[name] == value.replace("$API_ORIGINS", "")
    policy = POLICY["headers"]["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "http" not in policy, "no third party"


@pytest.mark.parametrize(
    "path", ["/api/v3/no-such", "/auth/v1/no-such", "/internal/accounts", "/wallet/v1/x", "/metricsx"]
)
def test_the_api_answers_its_own_paths_whoever_asks(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers=DOCUMENT)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.status_code == 404


def test_programs_hear_of_a_path_that_is_none(client: httpx.Client) -> None:
    assert client.get("/no-such", headers={"Accept": "application/json"}).status_code == 404
    assert client.post("/trade/BTCUSDT", headers=DOCUMENT).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/../package.json",
        "/..%2fpackage.json",
        "/assets/../../package.json",
        "/%2e%2e/package.json",
        "/..\\package.json",
    ],
)
def test_nothing_outside_of_the_page_can_be_read(system: RunningSystem, path: str) -> None:
    answer = httpx.get(httpx.URL(system.base_url).copy_with(raw_path=path.encode()), trust_env=False)
    assert "devDependencies" not in answer.text


def test_without_a_built_page_a_visitor_is_told_how_to_get_one(tmp_path: Path) -> None:
    (tmp_path / "security-headers.json").write_text((SOURCE / "security-headers.json").read_text())
    page = Page(tmp_path)
    scope = {"type": "http", "method": "GET", "path": "/trade/X", "headers": [(b"accept", b"text/html")]}
    assert page.takes(scope)
    assert b"make web" in bytes(page._answer("/").body)
    assert not page.takes({**scope, "path": "/theme.js", "headers": []})


def test_play_money_is_given_only_where_the_local_run_offers_it(client: httpx.Client) -> None:
    assert client.get("/config.json").json()["demoFunds"] is False
    assert client.post("/local/v1/demo-funds").status_code == 404


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        *(("v20.18.1", False), ("v20.19.0", True), ("v21.9.0", False), ("v22.11.0", False), ("v22.12.0", True)),
        *(("v24.1.0", True), ("v8.0.0", False), ("", False)),
    ],
)
def test_which_node_is_new_enough(version: str, expected: bool) -> None:
    assert is_new_enough(version) is expected
