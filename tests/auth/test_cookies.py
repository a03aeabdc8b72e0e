"""Cookie mode: what a browser keeps, what scripts and other sites cannot do with it."""

from http.cookies import SimpleCookie

import httpx
import pytest

from services.auth.settings import AuthSettings

from .conftest import PASSWORD, Join, Serve

ADA = {"email": "ada@example.com", "password": PASSWORD}
MODE = {"X-Crossbook-Session": "cookie"}
FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "https://auth.evil.example"},
    {"Origin": "http://auth:8080"},
    {"Origin": "http://[broken"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
]
OWN: list[dict[str, str]] = [{}, {"Origin": "http://auth"}, {"Sec-Fetch-Site": "same-origin", "Origin": "http://auth"}]


def _cookies(answer: httpx.Response) -> dict[str, dict[str, str]]:
    cookies: dict[str, dict[str, str]] = {}
    for line in answer.headers.get_list("Set-Cookie"):
        for name, morsel in SimpleCookie(line).items():
            attributes = {key: str(value) for key, value in morsel.items() if value}
            cookies[name] = {"value": morsel.value} | attributes
    return cookies


async def test_tokens_are_where_no_script_can_read_them(client: httpx.AsyncClient, join: Join) -> None:
    await join("ada@example.com")
    answer = await client.post("/auth/v1/login", json=ADA, headers=MODE)
    assert set(answer.json()) == {"accessToken", "expiresInS", "tokenType"}
    cookies = _cookies(answer)
    assert set(cookies) == {"crossbook_refresh", "crossbook_device"}
    for cookie in cookies.values():
        kept = {name: cookie.get(name) for name in ("path", "samesite", "httponly", "secure", "domain")}
        assert kept == {
            "path": "/auth/v1",
            "samesite": "strict",
            "httponly": "True",
            "secure": None,
            "domain": None,
        }
    assert 0 < int(cookies["crossbook_refresh"]["max-age"]) <= AuthSettings.model_fields["session_lifetime_s"].default


async def test_over_tls_cookies_never_travel_without(serve: Serve, settings: AuthSettings, join: Join) -> None:
    await join("ada@example.com")
    told = settings.model_dump() | {"trusted_proxies": "127.0.0.1/32"}
    async with serve(AuthSettings.model_validate(told)) as client:
        forwarded = await client.post("/auth/v1/login", json=ADA, headers=MODE | {"X-Forwarded-Proto": "https"})
    async with serve(settings) as client:
        hearsay = await client.post("/auth/v1/login", json=ADA, headers=MODE | {"X-Forwarded-Proto": "https"})
        direct = await client.post("https://auth/auth/v1/login", json=ADA, headers=MODE)
    secure = [_cookies(answer)["crossbook_refresh"].get("secure") for answer in (forwarded, hearsay, direct)]
    assert secure == ["True", None, "True"]


async def test_a_browser_stays_signed_in_and_signs_out(client: httpx.AsyncClient, join: Join) -> None:
    await join("ada@example.com")
    await client.post("/auth/v1/login", json=ADA, headers=MODE)
    first = client.cookies["crossbook_refresh"]
    refreshed = await client.post("/auth/v1/refresh", json={}, headers=MODE)
    assert set(refreshed.json()) == {"accessToken", "expiresInS", "tokenType"}
    assert client.cookies["crossbook_refresh"] != first
    bearer = {"Authorization": f"Bearer {refreshed.json()['accessToken']}"}
    # The device is known now: no second token for it.
    again = await client.post("/auth/v1/login", json=ADA, headers=MODE)
    assert set(_cookies(again)) == {"crossbook_refresh"}
    signed_out = await client.post("/auth/v1/logout", headers=MODE | bearer)
    assert signed_out.status_code == 204
    assert _cookies(signed_out)["crossbook_refresh"]["value"] == ""
    assert "crossbook_refresh" not in client.cookies
    assert (await client.post("/auth/v1/refresh", json={}, headers=MODE)).status_code == 401


async def test_reuse_of_a_cookie_ends_its_session(client: httpx.AsyncClient, join: Join) -> None:
    await join("ada@example.com")
    await client.post("/auth/v1/login", json=ADA, headers=MODE)
    copied = client.cookies["crossbook_refresh"]
    await client.post("/auth/v1/refresh", json={}, headers=MODE)
    newest = client.cookies["crossbook_refresh"]
    for cookie in (copied, newest):
        client.cookies.clear()
        headers = MODE | {"Cookie": f"crossbook_refresh={cookie}"}
        assert (await client.post("/auth/v1/refresh", json={}, headers=headers)).status_code == 401


@pytest.mark.parametrize("path", ["login", "refresh", "logout", "login/second-factor"])
async def test_other_sites_can_do_nothing_with_the_cookies(
    client: httpx.AsyncClient, join: Join, subtests: pytest.Subtests, path: str
) -> None:
    ada = await join("ada@example.com")
    await client.post("/auth/v1/login", json=ADA, headers=MODE)
    cookie = client.cookies["crossbook_refresh"]
    bodies = {"login": ADA, "login/second-factor": {"challengeToken": "x", "code": "123456"}}
    for headers in FOREIGN:
        with subtests.test(headers=headers):
            answer = await client.post(
                f"/auth/v1/{path}", json=bodies.get(path, {}), headers=MODE | ada.bearer | headers
            )
            assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
            assert "Set-Cookie" not in answer.headers
    # A page elsewhere can only leave the header out, and then the cookie is not looked at.
    for content_type in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
        headers = {"Content-Type": content_type, "Origin": "https://evil.example"}
        answer = await client.post("/auth/v1/refresh", content="{}", headers=headers)
        assert answer.status_code in {400, 401}
        assert "Set-Cookie" not in answer.headers
    asked_first = {"Origin": "https://evil.example", "Access-Control-Request-Headers": "x-crossbook-session"}
    preflight = await client.options(f"/auth/v1/{path}", headers=asked_first)
    assert not [name for name in preflight.headers if name.lower().startswith("access-control-")]
    assert client.cookies["crossbook_refresh"] == cookie
    assert (await client.post("/auth/v1/refresh", json={}, headers=MODE)).status_code == 200


async def test_our_own_pages_may(client: httpx.AsyncClient, join: Join, subtests: pytest.Subtests) -> None:
    await join("ada@example.com")
    await client.post("/auth/v1/login", json=ADA, headers=MODE)
    for headers in OWN:
        with subtests.test(headers=headers):
            assert (await client.post("/auth/v1/refresh", json={}, headers=MODE | headers)).status_code == 200


async def test_pages_behind_a_gateway_that_changes_the_host(serve: Serve, settings: AuthSettings, join: Join) -> None:
    await join("ada@example.com")
    told = settings.model_dump() | {"web_origins": "https://exchange.example, https://www.exchange.example"}
    async with serve(AuthSettings.model_validate(told)) as client:
        for origin, status in (("https://exchange.example", 200), ("https://evil.example", 403)):
            answer = await client.post("/auth/v1/login", json=ADA, headers=MODE | {"Origin": origin})
            assert answer.status_code == status


async def test_pages_on_a_sibling_host_only_when_it_is_named(
    serve: Serve, settings: AuthSettings, join: Join, subtests: pytest.Subtests
) -> None:
    """A browser says same-site when www.exchange.example asks api.exchange.example."""
    await join("ada@example.com")
    www = "https://www.exchange.example"
    told = settings.model_dump() | {"web_origins": www}
    asked: list[tuple[dict[str, str], int]] = [
        ({"Sec-Fetch-Site": "same-site", "Origin": www}, 200),
        ({"Sec-Fetch-Site": "same-site", "Origin": "https://blog.exchange.example"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://www.exchange.example"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": f"{www}:8443"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://auth"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": www}, 403),
    ]
    async with serve(AuthSettings.model_validate(told)) as client:
        await client.post("/auth/v1/login", json=ADA, headers=MODE)
        for headers, status in asked:
            with subtests.test(headers=headers):
                answer = await client.post("/auth/v1/refresh", json={}, headers=MODE | headers)
                assert answer.status_code == status


async def test_a_mode_that_does_not_exist(client: httpx.AsyncClient) -> None:
    answer = await client.post("/auth/v1/login", json=ADA, headers={"X-Crossbook-Session": "cookies"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
