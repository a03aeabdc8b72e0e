"""What strangers type where text goes: nothing breaks, nothing runs, and nothing of it comes back."""

import json
from typing import Any

import httpx
import pytest

from tests.abuse.conftest import PASSWORD, Person
from tests.running import RunningSystem

HOSTILE = {
    "SQL": "' OR '1'='1' --",
    "stacked SQL": "x'; DROP TABLE auth.users; --",
    "sleep": "1; SELECT pg_sleep(30)",
    "dollar quotes": "$$; SELECT 1; $$",
    "Jinja": "{{ 7 * 7 }}{% for x in ().__class__.__base__.__subclasses__() %}",
    "format": "{0.__class__.__mro__}%s%n%x",
    "shell": "$(id) `id` ; id | id",
    "log4j": "${jndi:ldap://127.0.0.1:1/a}",
    "script": "<script>alert(1)</script>",
    "header": "a\r\nSet-Cookie: crossbook_refresh=evil",
    "NUL": "a\u0000b",
    "right to left": "\u202egnp.exe",
    "zero width": "a\u200b\u200db",
    "surrogate": "\ud83d",
    "private use": "\ue000",
    "long grapheme": "e" + "\u0301" * 2000,
    "expands": "\ufdfa" * 500,
    "billion": "\u1e9e" * 3000,
    "path": "../../../../etc/passwd",
    "number": "9" * 4000,
}
JSON = {"Content-Type": "application/json"}
# Every route that takes text from whoever comes, with the fields that hold it.
ROUTES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "register", {"email": "?", "password": "?"}),
    ("POST", "login", {"email": "?", "password": "?", "deviceToken": "?"}),
    ("POST", "login/second-factor", {"challengeToken": "?", "code": "?"}),
    ("POST", "refresh", {"refreshToken": "?"}),
    ("POST", "email/confirm", {"token": "?"}),
    ("POST", "email/resend", {"email": "?"}),
    ("POST", "email", {"email": "?", "password": "?"}),
    ("POST", "password/forgot", {"email": "?"}),
    ("POST", "password/reset", {"token": "?", "password": "?"}),
    ("POST", "second-factor/confirm", {"code": "?"}),
    ("POST", "second-factor/disable", {"code": "?"}),
    ("POST", "api-keys", {"label": "?", "permissions": ["read"], "publicKey": "?"}),
]
HONEST = {"email": "hostile@example.com", "password": PASSWORD, "label": "bot", "token": "x", "code": "123456"}


@pytest.mark.parametrize("name", HOSTILE)
def test_text_is_only_ever_text(ada: Person, name: str, subtests: pytest.Subtests) -> None:
    text = HOSTILE[name]
    for method, path, template in ROUTES:
        for field in (key for key, value in template.items() if value == "?"):
            body = {key: HONEST.get(key, "x") if value == "?" else value for key, value in template.items()}
            body[field] = f"{text}@example.com" if field == "email" else text
            if field != "publicKey":
                body.pop("publicKey", None)
            with subtests.test(path=path, field=field):
                answer = ada.http.request(
                    method, f"/auth/v1/{path}", content=json.dumps(body), headers=JSON | ada.bearer
                )
                assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR, answer.text
                assert "set-cookie" not in answer.headers
                if answer.is_client_error:
                    assert set(answer.json()) == {"code", "message"}
                    assert answer.json()["message"].isascii()
                    assert text not in answer.json()["message"]
    # All tables are where they were.
    assert ada.ask("GET", "/auth/v1/account").status_code == httpx.codes.OK


def test_a_label_comes_back_as_it_was_typed(ada: Person) -> None:
    """Text of people's own is stored and shown unchanged: escaping it is for whoever puts it into a page."""
    for text in ("<script>alert(1)</script>", "{{ 7 * 7 }}", "' OR '1'='1' --", "$(id)"):
        made = ada.ask("POST", "/auth/v1/api-keys", json={"label": text, "permissions": ["read"]})
        assert (made.status_code, made.json()["label"]) == (httpx.codes.CREATED, text)


def test_whatever_is_too_large_or_too_deep(http: httpx.Client, subtests: pytest.Subtests) -> None:
    bodies = {
        "long": b'{"email": "' + b"a" * 200_000 + b'"}',
        "deep": b"[" * 15_000 + b"]" * 1_000,
        "many fields": json.dumps({f"field{number}": 1 for number in range(800)}).encode(),
        "duplicates": b"{" + b",".join([b'"email": "a@b.cd"'] * 500) + b"}",
        "huge number": b'{"email": ' + b"9" * 10_000 + b"}",
        "tiny number": b'{"email": 1e-999999999}',
    }
    for name, body in bodies.items():
        with subtests.test(name):
            answer = http.post("/auth/v1/register", content=body, headers=JSON)
            assert answer.status_code in {400, 413}
            assert len(answer.content) < 1_000


def test_hostile_headers(ada: Person, system: RunningSystem) -> None:
    for value in (b"\xff\xfe", b"{{7*7}}", b"' OR 1=1 --", b"a" * 8_000):
        body = {"email": ada.email, "password": PASSWORD}
        headers = {b"User-Agent": value, b"X-Forwarded-For": value, b"X-Forwarded-Proto": value}
        answer = ada.http.post("/auth/v1/login", json=body, headers=headers)
        assert answer.status_code == httpx.codes.OK, answer.text
        answer = httpx.post(f"{system.auth_url}/auth/v1/login", json=body, headers=headers, trust_env=False)
        assert answer.status_code == httpx.codes.OK, answer.text
    sessions = ada.ask("GET", "/auth/v1/sessions").json()
    assert all(len(session["userAgent"]) <= 256 and session["address"] == "127.0.0.1" for session in sessions)
