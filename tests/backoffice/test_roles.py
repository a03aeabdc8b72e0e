"""Who among the staff may do what: every role at every route, as the one table says, and no way around it."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from services.backoffice import admin_money_routes, admin_routes
from services.backoffice.roles import MATRIX, Action, Role
from tests.backoffice.people import ADMIN, Person, Town

NOTHING = "999999999"
ROUTES = [route for routes in (admin_routes, admin_money_routes) for route in routes.router.routes]


def action_of(route: APIRoute) -> Action | None:
    """What the route's dependency asks for."""
    found = [getattr(one.call, "action", None) for one in route.dependant.dependencies]
    return next((action for action in found if action is not None), None)


def routes() -> Iterator[tuple[str, str, Action]]:
    for route in ROUTES:
        assert isinstance(route, APIRoute)
        action = action_of(route)
        for method in route.methods or ():
            if action is not None:
                yield method, re.sub(r"\{[^}]+\}", NOTHING, route.path), action


@pytest.fixture(scope="module")
def staff(town: Town) -> dict[Role, Person]:
    return {role: town.staff(role.value) for role in Role}


def test_every_route_names_its_action_and_every_action_has_a_route() -> None:
    without = [route.path for route in ROUTES if isinstance(route, APIRoute) and action_of(route) is None]
    assert without == [f"{ADMIN}/me"]
    assert {action for _, _, action in routes()} == set(MATRIX) == set(Action)


@pytest.mark.parametrize("role", Role)
def test_a_role_reaches_what_the_table_says_and_nothing_else(staff: dict[Role, Person], role: Role) -> None:
    for method, path, action in routes():
        # With nothing in it, so that what is let through changes nothing.
        response = staff[role].ask(method, path, json=None if method == "GET" else {})
        code = response.json()["code"] if not response.is_success else ""
        assert (code == "role_missing") is (role not in MATRIX[action]), f"{method} {path}: {response.text}"
    assert set(staff[role].get(f"{ADMIN}/me")["actions"]) == {
        action.value for action, roles in MATRIX.items() if role in roles
    }


@pytest.mark.parametrize("route", list(routes()), ids=lambda route: " ".join(map(str, route[:2])))
def test_without_a_role_there_is_nothing(town: Town, strangers: dict[str, dict[str, str]], route: Any) -> None:
    method, path, _ = route
    for who, headers in strangers.items():
        response = town.http.request(method, path, headers=headers, json=None if method == "GET" else {})
        assert response.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}, who
        assert response.json()["code"] in {"role_missing", "invalid_access_token", "invalid_internal_credential"}


@pytest.fixture(scope="module")
def strangers(town: Town) -> dict[str, dict[str, str]]:
    user, former = town.join(second_factor=True), town.staff("operator")
    town.query("UPDATE auth.users SET roles = '{}' WHERE account_id = $1", former.account_id)
    unproven = town.staff("operator", "treasurer", "support")
    town.query("UPDATE auth.sessions SET second_factor = false WHERE account_id = $1", unproven.account_id)
    gone = town.staff("operator")
    town.query("UPDATE auth.sessions SET ended_at = now() WHERE account_id = $1", gone.account_id)
    account = town.system.create_account()
    return {
        "nobody": {},
        "a user": user.bearer,
        "whose role was taken away": former.bearer,
        "whose session has no second factor": unproven.bearer,
        "whose session was ended": gone.bearer,
        "an API key": {"X-MBX-APIKEY": account.api_key},
        "a token that is none": {"Authorization": "Bearer x.y.z"},
        "a name without the credential": {"X-Crossbook-Actor": "root", "Authorization": f"Bearer {account.api_key}"},
        "the credential without a name": {"Authorization": f"Bearer {town.system.internal_token}"},
        "the credential and what is no name": {
            "Authorization": f"Bearer {town.system.internal_token}",
            "X-Crossbook-Actor": "ada lovelace",
        },
    }


def test_no_role_can_make_itself_another(staff: dict[Role, Person]) -> None:
    for role, person in staff.items():
        for roles in ([other.value for other in Role], [role.value], []):
            path = f"{ADMIN}/users/{person.account_id}/roles"
            assert person.refused("PUT", path, roles=roles, reason="because I can") == "role_missing"
        assert person.get(f"{ADMIN}/me")["roles"] == [role.value]


def test_every_change_wants_a_reason(town: Town, staff: dict[Role, Person]) -> None:
    user = town.join()
    operator = staff[Role.OPERATOR]
    for reason in ("", "x", None, "  ", "a\u0000b", "x" * 501):
        body = {} if reason is None else {"reason": reason}
        assert operator.refused("POST", f"{ADMIN}/users/{user.account_id}/freeze", **body) == "invalid_request"
    changing = [(method, path) for method, path, _ in routes() if method != "GET"]
    everything = town.staff(*(role.value for role in Role))
    for method, path in changing:
        assert everything.refused(method, path) in {"invalid_request", "role_missing"}


def test_the_audit_tells_who_did_what_and_why(town: Town, staff: dict[Role, Person]) -> None:
    user, operator, treasurer = town.join(), staff[Role.OPERATOR], town.staff("treasurer")
    reason = "'; DROP TABLE backoffice.audit; -- {{7*7}} =1+1 ${jndi:x}"
    operator.ask("POST", f"{ADMIN}/users/{user.account_id}/freeze", json={"reason": reason})
    treasurer.refused("POST", f"{ADMIN}/users/{user.account_id}/unfreeze", reason="not mine to do")
    subject = f"user:{user.account_id}"
    done, asked = treasurer.get(f"{ADMIN}/audit", subject=subject, action="freeze_account")
    assert [one["outcome"] for one in (asked, done)] == ["ASKED", "DONE"]
    assert done["reason"] == reason, "as it was"
    assert (done["actor"], done["roles"]) == (f"user:{operator.account_id}", ["operator"])
    assert len(done["requestId"]) == 32
    denied = treasurer.get(f"{ADMIN}/audit", actor=f"user:{treasurer.account_id}", action="unfreeze_account")
    assert [one["outcome"] for one in denied] == ["DENIED"]
    older = treasurer.get(f"{ADMIN}/audit", before=done["auditId"], limit=1)
    assert older[0]["auditId"] < done["auditId"]
