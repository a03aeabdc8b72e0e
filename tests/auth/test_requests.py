"""Requests that are wrong, hostile or too large, and what the service says about itself."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.auth.settings import AuthSettings
from services.local.embedded import EmbeddedPostgres

from .conftest import PASSWORD, Serve

ADA = {"email": "ada@example.com", "password": PASSWORD}
JSON = {"Content-Type": "application/json"}


def _assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/json")
    assert set(answer.json()) == {"code", "message"}
    assert answer.json()["code"] == code
    assert answer.json()["message"].isascii()


DEFECTS: list[tuple[Any, str]] = [
    ({}, "email: Field required; password: Field required"),
    ({"email": "ada@example.com"}, "password: Field required"),
    (ADA | {"email": "ada"}, "email: must look like name@example.com"),
    (ADA | {"email": "ada\x00@example.com"}, "email: must not contain spaces or invisible characters"),
    (ADA | {"email": "a" * 250 + "@b.com"}, "email: must have at most 254 characters"),
    (ADA | {"email": None}, "email: Input should be a valid string"),
    (ADA | {"email": ["ada@example.com"]}, "email: Input should be a valid string"),
    (ADA | {"email": "\ud800@example.com"}, "email: must not contain spaces or invisible characters"),
    (ADA | {"password": "short"}, "password: must have 8 to 128 characters"),
    (ADA | {"password": "x" * 129}, "password: must have 8 to 128 characters"),
    (ADA | {"password": "\ufdfa" * 100}, "password: must have 8 to 128 characters"),
    (ADA | {"password": 12345678}, "password: Input should be a valid string"),
    (ADA | {"password": "\udcff" * 8}, "password: must be valid Unicode"),
    (ADA | {"isAdmin": True}, "an unknown field: Extra inputs are not permitted"),
    (ADA | {"\ud800": 1}, ""),
    ([], "the body: Input should be a valid dictionary"),
    ("text", "the body: Input should be a valid dictionary"),
    (None, "the body: Input should be a valid dictionary"),
]


async def test_the_message_says_what_to_correct(client: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for body, message in DEFECTS:
        for path in ("/auth/v1/register", "/auth/v1/login"):
            with subtests.test(path=path, body=ascii(body)):
                answer = await client.post(path, content=json.dumps(body), headers=JSON)
                _assert_problem(answer, 400, "invalid_request")
                assert answer.json()["message"].startswith(message)
                assert PASSWORD not in answer.text


async def test_bodies_that_are_not_json(client: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    broken = [b"", b"{", b"\x00", b"\xff\xfe{}", b'{"email": "\xff"}', b"[" * 16_000, b"NaN", b'{"email":' * 1_000]
    for content in broken:
        with subtests.test(content=content[:12]):
            answer = await client.post("/auth/v1/login", content=content, headers=JSON)
            _assert_problem(answer, 400, "invalid_request")


async def test_a_body_that_is_not_declared_as_json(client: httpx.AsyncClient) -> None:
    """A foreign page can post text without asking first, but not JSON."""
    answer = await client.post("/auth/v1/login", content=json.dumps(ADA), headers={"Content-Type": "text/plain"})
    _assert_problem(answer, 400, "invalid_request")
    _assert_problem(await client.post("/auth/v1/login", data=ADA), 400, "invalid_request")


async def test_bodies_over_the_limit_with_and_without_a_declared_length(
    client: httpx.AsyncClient, settings: AuthSettings
) -> None:
    content = json.dumps(ADA | {"padding": "x" * settings.max_body_bytes}).encode()
    _assert_problem(await client.post("/auth/v1/login", content=content, headers=JSON), 413, "body_too_large")

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 1000):
            yield content[start : start + 1000]

    _assert_problem(await client.post("/auth/v1/login", content=chunks(), headers=JSON), 413, "body_too_large")


NOWHERE = [
    ("GET", "/", 404, "not_found"),
    ("GET", "/auth/v1/nothing", 404, "not_found"),
    ("GET", "/auth/v1/login/", 404, "not_found"),
    ("GET", "/auth/v1/%00", 404, "not_found"),
    ("GET", "/auth/v1/login", 405, "method_not_allowed"),
    ("PATCH", "/auth/v1/api-keys", 405, "method_not_allowed"),
    ("GET", "/docs", 404, "not_found"),
]


async def test_paths_and_methods_that_do_not_exist(client: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for method, path, status, code in NOWHERE:
        with subtests.test(method=method, path=path):
            answer = await client.request(method, path)
            _assert_problem(answer, status, code)
            assert ("Allow" in answer.headers) == (status == 405)


async def test_every_method_of_a_path_is_named(client: httpx.AsyncClient) -> None:
    assert (await client.options("/auth/v1/api-keys")).headers["Allow"] == "GET, POST"
    assert (await client.get("/auth/v1/login")).headers["Allow"] == "POST"


async def test_every_answer_has_a_request_id(client: httpx.AsyncClient) -> None:
    given = await client.get("/health/live", headers={"X-Request-Id": "abc-1"})
    assert given.headers["X-Request-Id"] == "abc-1"
    assert len((await client.post("/auth/v1/login", content=b"{", headers=JSON)).headers["X-Request-Id"]) == 32


async def test_health_and_metrics(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health/live")).json() == {"status": "live"}
    assert (await client.get("/health/ready")).json() == {"status": "ready"}
    await client.post("/auth/v1/login", json=ADA)
    assert 'crossbook_auth_logins_total{outcome="refused"}' in (await client.get("/metrics")).text


async def test_without_the_database_it_says_so_and_recovers(
    client: httpx.AsyncClient, embedded_postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    embedded_postgres.stop("immediate")
    try:
        assert (await client.get("/health/live")).status_code == 200
        assert (await client.get("/.well-known/jwks.json")).status_code == 200
        for answer in (await client.get("/health/ready"), await client.post("/auth/v1/login", json=ADA)):
            _assert_problem(answer, 503, "unavailable")
    finally:
        embedded_postgres.start(tmp_path / "postgres.log")
    assert (await client.get("/health/ready")).status_code == 200


async def test_a_request_does_not_wait_long_for_a_connection(serve: Serve, settings: AuthSettings) -> None:
    narrow = settings.model_copy(update={"database_pool_size": 1, "pool_timeout_s": 0.1})
    async with serve(narrow) as client:
        app: Any = client._transport
        async with app.app.state.resources.transaction():
            _assert_problem(await client.post("/auth/v1/login", json=ADA), 503, "busy")
        _assert_problem(await client.post("/auth/v1/login", json=ADA), 401, "invalid_credentials")


async def test_openapi_is_complete(client: httpx.AsyncClient) -> None:
    document = (await client.get("/auth/v1/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert "HTTPValidationError" not in document["components"]["schemas"]
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert set(operations) == {
        "POST /auth/v1/register",
        "POST /auth/v1/email/confirm",
        "POST /auth/v1/email/resend",
        "POST /auth/v1/email",
        "POST /auth/v1/password/forgot",
        "POST /auth/v1/password/reset",
        "POST /auth/v1/password",
        "GET /auth/v1/account",
        "GET /auth/v1/audit",
        "POST /auth/v1/login/second-factor",
        "GET /auth/v1/sessions",
        "DELETE /auth/v1/sessions",
        "DELETE /auth/v1/sessions/{sessionId}",
        "GET /auth/v1/second-factor",
        "POST /auth/v1/second-factor",
        "POST /auth/v1/second-factor/confirm",
        "POST /auth/v1/second-factor/disable",
        "POST /auth/v1/second-factor/recovery-codes",
        "POST /auth/v1/login",
        "POST /auth/v1/refresh",
        "POST /auth/v1/logout",
        "POST /auth/v1/api-keys",
        "GET /auth/v1/api-keys",
        "PATCH /auth/v1/api-keys/{apiKey}",
        "DELETE /auth/v1/api-keys/{apiKey}",
        "GET /.well-known/jwks.json",
        "GET /auth/v1/jwks.json",
        "GET /internal/api-keys/{api_key}",
        "GET /internal/sessions/{session_id}",
        "POST /internal/introspect",
        "POST /internal/accounts",
        "GET /internal/accounts",
        "GET /internal/accounts/{accountId}",
        "PUT /internal/accounts/{accountId}/roles",
        "POST /internal/accounts/{accountId}/second-factor",
        "GET /internal/notices",
        "POST /internal/notices/acknowledge",
        "GET /health/live",
        "GET /health/ready",
    }
    assert len({operation["operationId"] for operation in operations.values()}) == len(operations)
    assert {"400", "413", "429", "503", "202"} <= set(operations["POST /auth/v1/register"]["responses"])
    for name, operation in operations.items():
        assert operation["description"], name
        assert (operation["tags"] == ["internal"]) == ("/internal/" in name)
        assert "422" not in operation["responses"], name
        for status, response in operation["responses"].items():
            if status not in {"200", "201", "202", "204"}:
                assert response["content"]["application/json"]["schema"]["$ref"].endswith("/ErrorBody"), name
    assert operations["POST /auth/v1/logout"]["security"] == [{"accessToken": []}]
    assert operations["POST /internal/accounts"]["security"] == [{"internalCredential": []}]
