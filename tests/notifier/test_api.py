"""What people can ask: their inbox, wishes, webhooks and phone, within bounds, and nobody else's."""

import re
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.infra.postgres import Connection
from services.notifier.phones import CODES_PER_DAY_MAX, WRONG_CODES_MAX

from .conftest import Auth, Configure, Serve, eventually
from .journal import append, deposit
from .receiver import receiving

V1 = "/notifier/v1"


async def test_the_inbox_is_paged_and_marked_read(
    configure: Configure, serve: Serve, auth: Auth, database: Connection
) -> None:
    async with serve(configure()) as client:
        ada, eve = await auth.join("ada@example.com"), await auth.join("eve@example.com")
        await eventually(lambda: database.fetchval("SELECT count(*) FROM notifier.journal_position"))
        await append(database, *(deposit(ada.account_id, amount) for amount in range(1, 6)))
        await eventually(lambda: _count(database, 5))
        first = (await client.get(f"{V1}/notices?limit=2", headers=ada.bearer)).json()
        assert [notice["title"] for notice in first["notices"]] == ["Deposit: 5 USDT", "Deposit: 4 USDT"]
        assert first["unread"] == 5
        second = (await client.get(f"{V1}/notices?limit=3&before={first['next']}", headers=ada.bearer)).json()
        assert [notice["title"] for notice in second["notices"]][-1] == "Deposit: 1 USDT"
        third = (await client.get(f"{V1}/notices?before={second['next']}", headers=ada.bearer)).json()
        assert third["notices"] == [] and third["next"] is None

        # What is Ada's is not Eve's: not to read, not to page from, not to mark.
        assert (await client.get(f"{V1}/notices", headers=eve.bearer)).json()["notices"] == []
        stolen = first["notices"][0]["noticeId"]
        assert (await client.get(f"{V1}/notices?before={stolen}", headers=eve.bearer)).status_code == 404
        up_to = await client.post(f"{V1}/notices/read", json={"upTo": stolen}, headers=eve.bearer)
        assert up_to.status_code == 404
        marked = await client.post(f"{V1}/notices/read", json={"noticeIds": [stolen]}, headers=eve.bearer)
        assert marked.json() == {"unread": 0}

        body = {"noticeIds": [stolen]}
        assert (await client.post(f"{V1}/notices/read", json=body, headers=ada.bearer)).json() == {"unread": 4}
        unread = (await client.get(f"{V1}/notices?unread=true", headers=ada.bearer)).json()
        assert len(unread["notices"]) == 4
        everything = {"upTo": stolen}
        assert (await client.post(f"{V1}/notices/read", json=everything, headers=ada.bearer)).json() == {"unread": 0}


async def test_preferences_are_respected_and_security_cannot_be_turned_off(
    configure: Configure, serve: Serve, auth: Auth, database: Connection, tmp_path: Path
) -> None:
    async with serve(configure(email_by="outbox", outbox_directory=tmp_path)) as client:
        ada = await auth.join("ada@example.com")
        await eventually(lambda: database.fetchval("SELECT count(*) FROM notifier.journal_position"))
        found = (await client.get(f"{V1}/preferences", headers=ada.bearer)).json()
        assert found["channels"] == ["INBOX", "EMAIL"]
        by_name = {(one["kind"], one["channel"]): one for one in found["preferences"]}
        assert (
            by_name["PASSWORD_CHANGED", "EMAIL"] | {"enabled": True, "fixed": True}
            == by_name["PASSWORD_CHANGED", "EMAIL"]
        )
        assert not by_name["ORDER_FILLED", "EMAIL"]["enabled"]
        off = [{"kind": "DEPOSIT", "channel": channel, "enabled": False} for channel in ("EMAIL", "INBOX")]
        fixed = {"kind": "PASSWORD_CHANGED", "channel": "EMAIL", "enabled": False}
        refused = await client.put(f"{V1}/preferences", json={"changes": [*off, fixed]}, headers=ada.bearer)
        assert (refused.status_code, refused.json()["code"]) == (409, "preference_fixed")
        assert (await client.get(f"{V1}/preferences", headers=ada.bearer)).json() == found, "nothing was changed"
        changed = await client.put(f"{V1}/preferences", json={"changes": off}, headers=ada.bearer)
        assert changed.status_code == 200
        await append(database, deposit(ada.account_id))
        await auth.tell(ada.account_id, "PASSWORD_CHANGED")
        await eventually(lambda: database.fetchval("SELECT bool_and(state = 'SENT') FROM notifier.deliveries"))
        kinds = [row["kind"] for row in await database.fetch("SELECT kind FROM notifier.notices")]
        assert kinds == ["PASSWORD_CHANGED"]


async def test_webhooks_belong_to_their_owner(configure: Configure, serve: Serve, auth: Auth) -> None:
    async with receiving() as receiver, serve(configure(max_webhooks_per_account=2)) as client:
        ada, eve = await auth.join("ada@example.com"), await auth.join("eve@example.com")
        created = await client.post(f"{V1}/webhooks", json={"url": receiver.url}, headers=ada.bearer)
        assert created.status_code == 201
        hook = created.json()
        assert hook["secret"].startswith("whsec_")
        listed = (await client.get(f"{V1}/webhooks", headers=ada.bearer)).json()
        assert [one["webhookId"] for one in listed] == [hook["webhookId"]]
        assert "secret" not in listed[0]

        path = f"{V1}/webhooks/{hook['webhookId']}"
        assert (await client.get(f"{V1}/webhooks", headers=eve.bearer)).json() == []
        for answer in (
            await client.patch(path, json={"url": "https://eve.example/"}, headers=eve.bearer),
            await client.post(f"{path}/test", headers=eve.bearer),
            await client.delete(path, headers=eve.bearer),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "webhook_not_found")
        assert (await client.get(f"{V1}/webhooks", headers=ada.bearer)).json() == listed

        tested = await client.post(f"{path}/test", headers=ada.bearer)
        assert tested.status_code == 202

        async def arrived() -> bool:
            return receiver.notice_ids == [tested.json()["noticeId"]]

        await eventually(arrived)
        assert receiver.is_signed_with(hook["secret"])
        changed = await client.patch(path, json={"kinds": ["DEPOSIT", "DEPOSIT"]}, headers=ada.bearer)
        assert changed.json()["kinds"] == ["DEPOSIT"]
        assert (await client.post(f"{V1}/webhooks", json={"url": receiver.url}, headers=ada.bearer)).status_code == 201
        third = await client.post(f"{V1}/webhooks", json={"url": receiver.url}, headers=ada.bearer)
        assert third.json()["code"] == "too_many_webhooks"
        assert (await client.delete(path, headers=ada.bearer)).status_code == 204


async def test_where_webhooks_may_not_lead_in_production(configure: Configure, serve: Serve, auth: Auth) -> None:
    async with serve(configure(webhooks_may_be_local=False)) as client:
        ada = await auth.join("ada@example.com")
        for url in ("http://example.com/", "https://127.0.0.1/", "https://169.254.169.254/latest/", "https://[::1]/"):
            answer = await client.post(f"{V1}/webhooks", json={"url": url}, headers=ada.bearer)
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
            assert url not in answer.text
        assert (await client.get(f"{V1}/webhooks", headers=ada.bearer)).json() == []


async def test_a_phone_number_counts_once_its_code_was_shown(
    configure: Configure, serve: Serve, auth: Auth, database: Connection, tmp_path: Path
) -> None:
    settings = configure(sms_by="outbox", outbox_directory=tmp_path)
    async with serve(settings) as client:
        ada, eve = await auth.join("ada@example.com"), await auth.join("eve@example.com")
        number = {"number": "+493012345678"}
        assert (await client.put(f"{V1}/phone", json=number, headers=ada.bearer)).json()["number"] is None
        code = await eventually(lambda: _code(tmp_path))
        assert code not in str(await database.fetch("SELECT p::text FROM notifier.phones AS p"))
        other = await client.post(f"{V1}/phone/confirm", json={"code": code}, headers=eve.bearer)
        assert other.json()["code"] == "no_code_awaited"
        wrong = f"{(int(code) + 1) % 1_000_000:06d}"
        for _ in range(WRONG_CODES_MAX - 1):
            answer = await client.post(f"{V1}/phone/confirm", json={"code": wrong}, headers=ada.bearer)
            assert answer.json()["code"] == "wrong_code"
        confirmed = await client.post(f"{V1}/phone/confirm", json={"code": code}, headers=ada.bearer)
        assert confirmed.json()["number"] == number["number"]
        again = await client.post(f"{V1}/phone/confirm", json={"code": code}, headers=ada.bearer)
        assert again.json()["code"] == "no_code_awaited"

        change = {"changes": [{"kind": "DEPOSIT", "channel": "SMS", "enabled": True}]}
        found = (await client.put(f"{V1}/preferences", json=change, headers=ada.bearer)).json()
        assert "SMS" in found["channels"]
        await eventually(lambda: database.fetchval("SELECT count(*) FROM notifier.journal_position"))
        await append(database, deposit(ada.account_id))
        await eventually(lambda: database.fetchval("SELECT count(*) = 2 FROM notifier.deliveries WHERE state = 'SENT'"))
        assert "Deposit: 5 USDT" in _texts(tmp_path)

        for _ in range(CODES_PER_DAY_MAX - 1):
            assert (await client.put(f"{V1}/phone", json=number, headers=ada.bearer)).status_code == 202
        refused = await client.put(f"{V1}/phone", json=number, headers=ada.bearer)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_codes")
        assert (await client.delete(f"{V1}/phone", headers=ada.bearer)).status_code == 204
        assert (await client.put(f"{V1}/phone", json=number, headers=ada.bearer)).status_code == 429


BAD: list[tuple[str, str, Any]] = [
    ("GET", "/notices?limit=0", None),
    ("GET", "/notices?limit=101", None),
    ("GET", "/notices?before=no-id", None),
    ("POST", "/notices/read", {"noticeIds": [str(uuid.uuid4())] * 101}),
    ("POST", "/notices/read", {"noticeIds": ["' OR 1=1 --"]}),
    ("PUT", "/preferences", {"changes": []}),
    ("PUT", "/preferences", {"changes": [{"kind": "NOPE", "channel": "EMAIL", "enabled": True}]}),
    ("PUT", "/preferences", {"changes": [{"kind": "DEPOSIT", "channel": "WEBHOOK", "enabled": True}]}),
    ("PUT", "/preferences", {"changes": [{"kind": "DEPOSIT", "channel": "EMAIL", "enabled": True}], "extra": 1}),
    ("POST", "/webhooks", {"url": "https://example.com/" + "a" * 3000}),
    ("POST", "/webhooks", {"url": "https://exa\u0000mple.com/"}),
    ("POST", "/webhooks", {"url": "https://example.com/", "kinds": []}),
    ("POST", "/webhooks", {"url": "https://example.com/", "kinds": ["CONFIRM_EMAIL"]}),
    ("PATCH", "/webhooks/none", {}),
    ("PUT", "/phone", {"number": "0301234"}),
    ("PUT", "/phone", {"number": "+4930" + "1" * 40}),
    ("POST", "/phone/confirm", {"code": "12345\u0661"}),
]


async def test_bad_input_is_refused_and_nobody_gets_in_unsigned(
    configure: Configure, serve: Serve, auth: Auth, database: Connection
) -> None:
    async with serve(configure()) as client:
        ada = await auth.join("ada@example.com")
        for method, path, body in BAD:
            answer = await client.request(method, V1 + path, json=body, headers=ada.bearer)
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), (path, answer.text)
            unsigned = await client.request(method, V1 + path, json=body)
            assert unsigned.status_code == 401, path
        for token in ("", "x", "a.b.c", ada.bearer["Authorization"][7:] + "x"):
            answer = await client.get(f"{V1}/notices", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 401
        large = await client.put(f"{V1}/preferences", content=b" " * 100_000, headers=ada.bearer)
        assert large.status_code == 413
        assert (await client.put(f"{V1}/phone", json={"number": "+493012345678"}, headers=ada.bearer)).json()[
            "code"
        ] == "sms_not_offered"
        assert await database.fetchval("SELECT count(*) FROM notifier.webhooks") == 0


async def test_every_id_in_the_openapi_was_tried_by_somebody_else(configure: Configure, serve: Serve) -> None:
    async with serve(configure()) as client:
        document = (await client.get(f"{V1}/openapi.json")).json()
    named = {path for path in document["paths"] if "{" in path and path.startswith(V1)}
    assert named == {f"{V1}/webhooks/{{webhook_id}}", f"{V1}/webhooks/{{webhook_id}}/test"}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path.startswith(V1):
                assert operation["security"], path
                assert "401" in operation["responses"], path


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost:8080"}, 200),
        ({"Host": "127.0.0.1:8080", "X-Forwarded-For": "127.0.0.1"}, 200),
        ({"Host": "evil.example"}, 404),
        ({"Host": "localhost", "X-Forwarded-Host": "evil.example:8080"}, 404),
        ({"Host": "localhost", "X-Forwarded-For": "203.0.113.7"}, 404),
    ],
)
async def test_the_outbox_is_for_this_machine_only(
    configure: Configure, serve: Serve, auth: Auth, tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    async with serve(configure(email_by="outbox", outbox_directory=tmp_path)) as client:
        for path in ("/outbox", "/outbox.json"):
            answer: httpx.Response = await client.get(path, headers=headers)
            assert answer.status_code == status
    async with serve(configure()) as client:
        assert (await client.get("/outbox", headers=headers)).status_code == 404


async def _count(database: Connection, count: int) -> bool:
    return bool(await database.fetchval("SELECT count(*) = $1 FROM notifier.notices", count))


async def _code(outbox: Path) -> str:
    found = re.findall(r"code is ([0-9]{6})", _texts(outbox))
    return found[0] if found else ""


def _texts(outbox: Path) -> str:
    return "".join(path.read_text() for path in outbox.glob("*.eml"))
