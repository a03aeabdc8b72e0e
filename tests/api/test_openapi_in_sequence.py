"""Schemathesis walks through every service along the links of their OpenAPI: what one call gives, the next one takes.

Register, sign in, make a key and take it back; ask for a deposit address, withdraw, have staff decide; place, look,
amend, cancel; make a listen key and give it up. Each answer is held against the document, as in ``test_openapi``.
Where the document says "any text", sensible ones are put in most of the time, or nothing would ever be made.
"""

import contextlib
from typing import Any

import httpx
import pyotp
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.errors import FlakyStrategyDefinition
from requests.auth import AuthBase
from schemathesis import Case, Response, checks

from tests.api import test_openapi as documents
from tests.api.member import PASSWORD, Member
from tests.api.test_openapi import CHECKS, SIGNING, Internal, Signed, map_query
from tests.api.trader import Trader
from tests.running import RunningSystem

STEPS = 8
WALKS = 4
WALKING = settings(
    max_examples=WALKS,
    stateful_step_count=STEPS,
    deadline=None,
    database=None,
    verbosity=Verbosity.quiet,
    # What one walk made is there in the next, so none can be made shorter.
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
# What is put in instead may be right where what was made up was wrong on purpose.
WALK_CHECKS = [check for check in CHECKS if check is not checks.negative_data_rejection]
ROLES = ["support", "treasurer", "operator"]
# By the last part of the pointer to a field that takes any text; every third value stays as it was made up.
SENSIBLE: dict[str, tuple[str, ...]] = {
    "asset": ("BTC", "USDT"),
    "network": ("CROSSBOOK",),
    "address": ("known-place", "another-place"),
    "amount": ("12", "0.01", "25"),
    "email": ("walker@example.com", "runner@example.com"),
    "password": (PASSWORD,),
    "reason": ("because it was asked for",),
    "url": ("https://example.com/hook",),
    "reference": ("one", "two"),
}

trading = documents.schema_of(documents.without_credentials(documents.TRADING))
trading.hook(map_query)
auth, notifier, backoffice = (
    documents.schema_of(documents.without_credentials(one))
    for one in (documents.AUTH, documents.NOTIFIER, documents.BACKOFFICE)
)


def map_body(_context: schemathesis.HookContext, body: Any) -> Any:
    if not isinstance(body, dict):
        return body
    return {name: _sensible(name, value) for name, value in body.items()}


def _sensible(name: str, value: Any) -> Any:
    choices = SENSIBLE.get(name)
    if choices is None or not isinstance(value, str) or len(value) % 3 == 2:
        return value
    return choices[len(value) % len(choices)]


for schema in (auth, notifier, backoffice):
    schema.hook(map_body)


class Town(AuthBase):
    """Services, staff or a member, by what is asked for; whoever signs out or ends sessions is another member."""

    def __init__(self, system: RunningSystem, http: httpx.Client) -> None:
        self._internal = Internal(system)
        self.member, self._leaving = Member(http), Member(http)
        self._staff = _become_staff(Member(http), system)
        for asset in ("BTC", "USDT"):
            system.deposit(self.member.account_id, asset, "1000")

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        path = str(request.path_url).partition("?")[0]
        if path.startswith("/internal/"):
            return self._internal(request)
        ends_sessions = path.endswith("/logout") or (request.method == "DELETE" and "/sessions" in path)
        member = self._leaving if ends_sessions else self.member
        # What staff may do to the whole exchange would reach other tests: a member asks for it, and is refused.
        is_harmless = request.method == "GET" or path.startswith("/admin/v1/withdrawals/")
        token = self._staff if path.startswith("/admin/") and is_harmless else member.access_token
        request.headers["Authorization"] = f"Bearer {token}"
        return request


def _become_staff(member: Member, system: RunningSystem) -> str:
    """An access token whose session was opened with a second factor."""
    secret = member.ask("POST", "second-factor", {"password": PASSWORD})["secret"]
    codes = member.ask("POST", "second-factor/confirm", {"code": pyotp.TOTP(secret).now()})["recoveryCodes"]
    given = httpx.put(
        f"{system.auth_url}/internal/accounts/{member.account_id}/roles",
        json={"roles": ROLES},
        headers={"Authorization": f"Bearer {system.internal_token}"},
        trust_env=False,
    )
    assert given.is_success, given.text
    challenge = member.ask("POST", "login", member.credentials)["challengeToken"]
    answer = {"challengeToken": challenge, "code": codes[0]}
    return str(member.ask("POST", "login/second-factor", answer)["accessToken"])


@pytest.fixture(scope="module")
def town(system: RunningSystem, http: httpx.Client) -> Town:
    return Town(system, http)


@pytest.fixture(scope="module")
def trader(system: RunningSystem, http: httpx.Client) -> Trader:
    return Trader(http, system.create_account({"USDT": "100000", "BTC": "10"}))


def walk(schema: schemathesis.BaseSchema, base_url: str, credentials: AuthBase) -> set[tuple[str, int]]:
    """Return which operations were asked, and how they answered."""
    seen: set[tuple[str, int]] = set()
    failures: list[BaseException] = []

    class Walk(schema.as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, _case: Case[Any]) -> dict[str, Any]:
            return {"base_url": base_url, "auth": credentials}

        def validate_response(self, response: Response, case: Case[Any], **_: Any) -> None:
            seen.add((case.operation.label, response.status_code))
            try:
                case.validate_response(response, checks=WALK_CHECKS)
            except BaseException as failure:
                failures.append(failure)
                raise

    for number in range(documents.examples(WALKS) // WALKS):
        # For the same reason the same beginning may lead elsewhere: Hypothesis then gives up, and another begins.
        with contextlib.suppress(FlakyStrategyDefinition):
            seed(number)(Walk).run(settings=WALKING)
        if failures:
            raise failures[0]
    return seen


def test_auth(town: Town, system: RunningSystem) -> None:
    assert any(status < 300 for _, status in walk(auth, system.auth_url, town))


def test_backoffice(town: Town, system: RunningSystem) -> None:
    assert any(status < 300 for _, status in walk(backoffice, system.state.backoffice_url, town))


def test_notifier(town: Town, system: RunningSystem) -> None:
    assert any(status < 300 for _, status in walk(notifier, system.state.notifier_url, town))


def test_trading(trader: Trader, system: RunningSystem) -> None:
    assert any(status < 300 for _, status in walk(trading, system.base_url, Signed(trader)))
    trader.cancel_everything()


@pytest.mark.parametrize("document", [documents.TRADING, documents.AUTH, documents.NOTIFIER, documents.BACKOFFICE])
def test_links_name_what_there_is(document: dict[str, Any]) -> None:
    """Where they lead, by which parameters, and that the answer has what they point at."""
    operations = {one["operationId"]: one for path in document["paths"].values() for one in path.values()}
    for operation in operations.values():
        for answer in operation["responses"].values():
            for link in answer.get("links", {}).values():
                then = operations[link["operationId"]]
                assert set(link["parameters"]) <= {one["name"] for one in then.get("parameters", ())} - SIGNING
                assert not link.get("requestBody") or "requestBody" in then
