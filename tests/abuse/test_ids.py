"""Every id that a route of auth takes, in the hands of somebody else.

The table below is compared with the OpenAPI document: a route with a new id fails here until it is listed.
"""

import re
from typing import Any

import httpx
import pytest

from tests.abuse.conftest import Person
from tests.running import RunningSystem

# Which body the owner could send, by route; what a stranger gets is always that there is no such thing.
ROUTES: dict[str, Any] = {
    "PATCH /auth/v1/api-keys/{apiKey}": {"label": "taken over", "ipAllowList": ["203.0.113.7"]},
    "DELETE /auth/v1/api-keys/{apiKey}": None,
    "DELETE /auth/v1/sessions/{sessionId}": None,
}


def _operations(http: httpx.Client) -> dict[str, dict[str, Any]]:
    document = http.get("/auth/v1/openapi.json").json()
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_with_an_id_is_listed(http: httpx.Client) -> None:
    with_ids = {name for name in _operations(http) if "{" in name and " /internal/" not in name}
    assert with_ids == set(ROUTES)
    # Nor is an id hidden in a query or a body: whose it is comes from the token alone.
    for name, operation in _operations(http).items():
        if " /internal/" not in name:
            parameters = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
            assert not [parameter for parameter in parameters if parameter.lower().endswith("id")], name


@pytest.mark.parametrize("route", ROUTES)
def test_what_belongs_to_another_is_not_there(ada: Person, eve: Person, route: str) -> None:
    method, path = route.split(" ")
    before = _belongings(ada)
    target = re.sub(r"\{(\w+)\}", lambda found: ada.ids[found[1]], path)
    missing = re.sub(r"\{(\w+)\}", lambda found: "0" * len(ada.ids[found[1]]), path)
    answers = [eve.ask(method, one, json=ROUTES[route]) for one in (target, missing)]
    assert {answer.status_code for answer in answers} == {httpx.codes.NOT_FOUND}
    # Another's and nobody's cannot be told apart.
    assert answers[0].content == answers[1].content
    assert _belongings(ada) == before


def _belongings(person: Person) -> list[Any]:
    return [person.ask("GET", f"/auth/v1/{path}").json() for path in ("account", "api-keys", "sessions")]


def test_internal_routes_are_not_there_from_outside(http: httpx.Client, ada: Person, system: RunningSystem) -> None:
    """Not even for whoever found the internal credential, nor by any spelling of the path."""
    internal = [name for name in _operations(http) if " /internal/" in name]
    assert internal
    headers = {"Authorization": f"Bearer {system.internal_token}"}
    for name in internal:
        method, path = name.split(" ")
        path = re.sub(r"\{\w+\}", str(ada.account_id), path)
        for spelling in (path, f"/auth/..{path}", f"/auth/v1/../..{path}", f"/auth/%2e%2e{path}", f"/{path}"):
            answer = http.request(method, httpx.URL(f"{system.base_url}{spelling}"), headers=headers, json={})
            assert answer.status_code in {httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED}, (name, spelling)
