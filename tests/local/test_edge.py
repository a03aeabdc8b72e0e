"""One port for everything: what the edge forwards, what it keeps to itself, and what it says when auth is down."""

import signal
import socket

import httpx
import pytest

from tests.running import RunningSystem


@pytest.mark.parametrize("path", ["/api/v3/ping", "/health/ready", "/openapi.json", "/.well-known/jwks.json"])
def test_both_services_answer_on_one_port(system: RunningSystem, path: str) -> None:
    system.wait_ready()
    assert httpx.get(f"{system.base_url}{path}").status_code == httpx.codes.OK


@pytest.mark.parametrize(
    "path",
    [
        "/internal/accounts",
        "/auth/../internal/accounts",
        "/auth/%2e%2e/internal/accounts",
        "/auth/%2E./internal/accounts",
        "/.well-known/../internal/accounts",
    ],
)
def test_internal_routes_cannot_be_reached_even_with_the_credential(system: RunningSystem, path: str) -> None:
    request = (
        f"POST {path} HTTP/1.1\r\nHost: crossbook\r\nConnection: close\r\n"
        f"Authorization: Bearer {system.internal_token}\r\nContent-Length: 2\r\n\r\n{{}}"
    )
    with socket.create_connection(("127.0.0.1", system.port)) as connection:
        connection.sendall(request.encode())
        answer = connection.makefile("rb").readline()
    assert answer.split()[1] in {b"404", b"405"}


def test_a_forwarded_answer_arrives_whole(system: RunningSystem) -> None:
    direct = httpx.get(f"{system.auth_url}/.well-known/jwks.json")
    forwarded = httpx.get(f"{system.base_url}/.well-known/jwks.json")
    assert forwarded.content == direct.content
    assert forwarded.headers["Cache-Control"] == direct.headers["Cache-Control"]
    assert len(forwarded.headers.get_list("Date")) == 1


def test_a_forwarded_body_and_query_arrive_whole(system: RunningSystem) -> None:
    body = {"email": "edge@example.com", "password": "a long enough password"}
    created = httpx.post(f"{system.base_url}/auth/v1/register?unused=%C3%BC", json=body)
    assert created.status_code == httpx.codes.ACCEPTED, created.text
    refused = httpx.post(f"{system.base_url}/auth/v1/login", json=body | {"password": "not the password"})
    assert refused.json()["code"] == "invalid_credentials"
    assert httpx.post(f"{system.base_url}/auth/v1/login", json=body).status_code == httpx.codes.OK


def test_a_body_over_the_limit_is_refused(system: RunningSystem) -> None:
    answer = httpx.post(f"{system.base_url}/auth/v1/register", content=b" " * 100_000)
    assert answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE
    chunked = httpx.post(f"{system.base_url}/auth/v1/register", content=iter([b" " * 50_000, b" " * 50_000]))
    assert chunked.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE


def test_trading_goes_on_while_auth_hangs_or_is_down(system: RunningSystem) -> None:
    system.kill_process("auth")
    down = httpx.get(f"{system.base_url}/.well-known/jwks.json")
    if down.status_code != httpx.codes.OK:
        assert down.status_code == httpx.codes.BAD_GATEWAY
        assert down.json()["code"] == "auth_unavailable"
    system.wait_ready()
    system.send_signal("auth", signal.SIGSTOP)
    assert httpx.get(f"{system.base_url}/api/v3/time").status_code == httpx.codes.OK
    system.send_signal("auth", signal.SIGCONT)
    assert httpx.get(f"{system.base_url}/.well-known/jwks.json").status_code == httpx.codes.OK
