"""The public routes, under ``/notifier/v1``: inbox, preferences, webhooks and phone number of whoever is signed in."""

import uuid
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Response

from services.infra.callers import Bearer, Caller
from services.infra.problems import (
    BODY_TOO_LARGE,
    BUSY,
    INVALID_ACCESS_TOKEN,
    INVALID_REQUEST,
    UNAVAILABLE,
    Problem,
    Refused,
    documented,
)
from services.notifier import inbox, kinds, phones, preferences, webhooks
from services.notifier.channels.addresses import BadUrl, parse_target
from services.notifier.errors import (
    AUTH_UNAVAILABLE,
    NO_CODE_AWAITED,
    NOTICE_NOT_FOUND,
    PREFERENCE_FIXED,
    SMS_NOT_OFFERED,
    TOO_MANY_CODES,
    TOO_MANY_TESTS,
    TOO_MANY_WEBHOOKS,
    WEBHOOK_NOT_FOUND,
    WRONG_CODE,
)
from services.notifier.notices import NewNotice
from services.notifier.phones import CodeVerdict, Phone
from services.notifier.resources import Held, Resources
from services.notifier.wire import (
    CodeRequest,
    InboxView,
    NewWebhookRequest,
    NewWebhookView,
    NoticeView,
    PhoneRequest,
    PhoneView,
    PreferenceChanges,
    PreferencesView,
    PreferenceView,
    ReadRequest,
    TestView,
    UnreadView,
    WebhookChanges,
    WebhookView,
)

PREFIX: Final = "/notifier/v1"
WAITING_TESTS_MAX: Final = 20
WAITING_TESTS: Final = """
SELECT count(*) FROM notifier.deliveries WHERE webhook_id = $1 AND state = 'WAITING'
"""

_ALWAYS = (INVALID_ACCESS_TOKEN, AUTH_UNAVAILABLE, BUSY, UNAVAILABLE)
_WITH_BODY = (INVALID_REQUEST, BODY_TOO_LARGE, *_ALWAYS)


async def _never_store(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


router = APIRouter(prefix=PREFIX, dependencies=[Depends(_never_store)])


# Inbox


@router.get("/notices", tags=["inbox"], responses=documented(INVALID_REQUEST, NOTICE_NOT_FOUND, *_ALWAYS))
async def list_notices(
    caller: Bearer,
    held: Held,
    limit: Annotated[int, Query(ge=1, le=inbox.PAGE_MAX)] = 50,
    before: Annotated[uuid.UUID | None, Query(description="The last notice of the page before.")] = None,
    unread: Annotated[bool, Query(description="Only what was not read.")] = False,
) -> InboxView:
    """List what you were told lately, newest first."""
    async with held.transaction_of(caller) as connection:
        position = None
        if before is not None:
            position = await inbox.position(connection, caller.account_id, before)
            if position is None:
                raise Refused(NOTICE_NOT_FOUND)
        page = await inbox.page(connection, caller.account_id, limit, position, unread_only=unread)
        count = await inbox.unread(connection, caller.account_id)
    shown = [
        NoticeView(
            notice_id=notice.notice_id,
            kind=notice.kind,
            occurred_at=notice.occurred_at,
            title=held.messages.title(notice.kind, notice.data),
            text=held.messages.text(notice.kind, notice.data, notice.occurred_at),
            data=notice.data,
            read_at=notice.read_at,
        )
        for notice in page
    ]
    return InboxView(notices=shown, next=page[-1].notice_id if len(page) == limit else None, unread=count)


@router.post("/notices/read", tags=["inbox"], responses=documented(NOTICE_NOT_FOUND, *_WITH_BODY))
async def mark_read(body: ReadRequest, caller: Bearer, held: Held) -> UnreadView:
    """Mark notices as read. Ids that are not yours change nothing."""
    async with held.transaction_of(caller) as connection:
        if body.up_to is not None:
            position = await inbox.position(connection, caller.account_id, body.up_to)
            if position is None:
                raise Refused(NOTICE_NOT_FOUND)
            await inbox.mark_read_up_to(connection, caller.account_id, position)
        if body.notice_ids:
            await inbox.mark_read(connection, caller.account_id, body.notice_ids)
        return UnreadView(unread=await inbox.unread(connection, caller.account_id))


# Preferences


@router.get("/preferences", tags=["preferences"], responses=documented(*_ALWAYS))
async def read_preferences(caller: Bearer, held: Held) -> PreferencesView:
    """Show what you are told of, and how."""
    async with held.transaction_of(caller) as connection:
        found = await preferences.read(connection, caller.account_id)
        phone = await phones.read(connection, caller.account_id)
    return _preferences(held, caller, found, phone)


@router.put("/preferences", tags=["preferences"], responses=documented(PREFERENCE_FIXED, *_WITH_BODY))
async def change_preferences(body: PreferenceChanges, caller: Bearer, held: Held) -> PreferencesView:
    """Change some of it. Either all changes are made, or none."""
    changes = {(change.kind, change.channel): change.enabled for change in body.changes}
    for (kind, channel), enabled in changes.items():
        default = kinds.standing(kind, channel)
        if default.is_fixed and enabled is not default.enabled:
            raise Refused(PREFERENCE_FIXED)
    async with held.transaction_of(caller) as connection:
        rows = [(kind, channel, enabled) for (kind, channel), enabled in changes.items()]
        await preferences.write(connection, caller.account_id, rows)
        found = await preferences.read(connection, caller.account_id)
        phone = await phones.read(connection, caller.account_id)
    return _preferences(held, caller, found, phone)


def _preferences(held: Resources, caller: Caller, found: list[preferences.Preference], phone: Phone) -> PreferencesView:
    reached: list[kinds.PreferenceChannel] = ["INBOX"]
    if held.providers.mailer is not None and caller.email is not None:
        reached.append("EMAIL")
    if held.providers.texter is not None and phone.number is not None:
        reached.append("SMS")
    shown = [
        PreferenceView(kind=one.kind, channel=one.channel, enabled=one.enabled, fixed=one.is_fixed) for one in found
    ]
    return PreferencesView(preferences=shown, channels=reached)


# Webhooks


@router.post("/webhooks", status_code=201, tags=["webhooks"], responses=documented(TOO_MANY_WEBHOOKS, *_WITH_BODY))
async def create_webhook(body: NewWebhookRequest, caller: Bearer, held: Held) -> NewWebhookView:
    """Have a program told. The secret that signs every request to it is in this answer and never shown again."""
    _check_url(held, body.url)
    async with held.transaction_of(caller) as connection:
        created = await webhooks.create(
            connection,
            held.seal,
            caller.account_id,
            body.url,
            body.kinds,
            max_webhooks=held.settings.max_webhooks_per_account,
        )
    if created is None:
        raise Refused(TOO_MANY_WEBHOOKS)
    webhook, secret = created
    return NewWebhookView(
        webhook_id=webhook.webhook_id,
        url=webhook.url,
        kinds=webhook.kinds,
        created_at=webhook.created_at,
        secret=secret,
    )


@router.get("/webhooks", tags=["webhooks"], responses=documented(*_ALWAYS))
async def list_webhooks(caller: Bearer, held: Held) -> list[WebhookView]:
    """List your webhooks, oldest first, without their secrets."""
    async with held.transaction_of(caller) as connection:
        found = await webhooks.list_all(connection, caller.account_id)
    return [WebhookView.model_validate(webhook, from_attributes=True) for webhook in found]


@router.patch("/webhooks/{webhook_id}", tags=["webhooks"], responses=documented(WEBHOOK_NOT_FOUND, *_WITH_BODY))
async def change_webhook(webhook_id: uuid.UUID, body: WebhookChanges, caller: Bearer, held: Held) -> WebhookView:
    """Change where a webhook leads, or what it is told."""
    if body.url is not None:
        _check_url(held, body.url)
    async with held.transaction_of(caller) as connection:
        changed = await webhooks.change(connection, caller.account_id, webhook_id, body.url, body.kinds)
    if changed is None:
        raise Refused(WEBHOOK_NOT_FOUND)
    return WebhookView.model_validate(changed, from_attributes=True)


@router.delete(
    "/webhooks/{webhook_id}", status_code=204, tags=["webhooks"], responses=documented(WEBHOOK_NOT_FOUND, *_ALWAYS)
)
async def delete_webhook(webhook_id: uuid.UUID, caller: Bearer, held: Held) -> None:
    """Delete a webhook, and what is on its way to it."""
    async with held.transaction_of(caller) as connection:
        was_there = await webhooks.delete(connection, caller.account_id, webhook_id)
    if not was_there:
        raise Refused(WEBHOOK_NOT_FOUND)


@router.post(
    "/webhooks/{webhook_id}/test",
    status_code=202,
    tags=["webhooks"],
    responses=documented(WEBHOOK_NOT_FOUND, TOO_MANY_TESTS, *_ALWAYS),
)
async def test_webhook(webhook_id: uuid.UUID, caller: Bearer, held: Held) -> TestView:
    """Send a test there, signed like everything else."""
    notice = NewNotice(
        f"test:{uuid.uuid4()}", caller.account_id, kinds.WEBHOOK_TEST, datetime.now(UTC), {}, webhook_id=webhook_id
    )
    async with held.intake.storing() as storing:
        if not await webhooks.is_owner(storing.connection, caller.account_id, webhook_id):
            raise Refused(WEBHOOK_NOT_FOUND)
        if await storing.connection.fetchval(WAITING_TESTS, webhook_id) >= WAITING_TESTS_MAX:
            raise Refused(TOO_MANY_TESTS)
        await storing.store([notice])
    return TestView(notice_id=notice.notice_id)


def _check_url(held: Resources, url: str) -> None:
    try:
        parse_target(url, may_be_local=held.settings.webhooks_may_be_local)
    except BadUrl as error:
        raise Refused(Problem(INVALID_REQUEST.status, INVALID_REQUEST.code, f"url: {error}")) from None


# Phone number


@router.get("/phone", tags=["phone"], responses=documented(*_ALWAYS))
async def read_phone(caller: Bearer, held: Held) -> PhoneView:
    """Show your phone number."""
    async with held.transaction_of(caller) as connection:
        phone = await phones.read(connection, caller.account_id)
    return PhoneView.model_validate(phone, from_attributes=True)


@router.put(
    "/phone", status_code=202, tags=["phone"], responses=documented(SMS_NOT_OFFERED, TOO_MANY_CODES, *_WITH_BODY)
)
async def set_phone(body: PhoneRequest, caller: Bearer, held: Held) -> PhoneView:
    """Name a phone number. A code is sent there; until it is shown here, the number before stays."""
    if held.providers.texter is None:
        raise Refused(SMS_NOT_OFFERED)
    async with held.intake.storing() as storing:
        begun = await phones.begin(storing.connection, caller.account_id, body.number)
        if begun is None:
            raise Refused(TOO_MANY_CODES)
        code, expires_at = begun
        notice = NewNotice(
            f"phone:{uuid.uuid4()}",
            caller.account_id,
            kinds.CONFIRM_PHONE,
            datetime.now(UTC),
            {},
            recipient=body.number,
            secret=code,
            expires_at=expires_at,
        )
        await storing.store([notice])
        phone = await phones.read(storing.connection, caller.account_id)
    return PhoneView.model_validate(phone, from_attributes=True)


@router.post("/phone/confirm", tags=["phone"], responses=documented(WRONG_CODE, NO_CODE_AWAITED, *_WITH_BODY))
async def confirm_phone(body: CodeRequest, caller: Bearer, held: Held) -> PhoneView:
    """Show the code that was sent to the number."""
    async with held.transaction_of(caller) as connection:
        verdict = await phones.confirm(connection, caller.account_id, body.code)
        phone = await phones.read(connection, caller.account_id)
    if verdict is not CodeVerdict.ACCEPTED:
        raise Refused(WRONG_CODE if verdict is CodeVerdict.WRONG else NO_CODE_AWAITED)
    return PhoneView.model_validate(phone, from_attributes=True)


@router.delete("/phone", status_code=204, tags=["phone"], responses=documented(*_ALWAYS))
async def delete_phone(caller: Bearer, held: Held) -> None:
    """Forget your phone number."""
    async with held.transaction_of(caller) as connection:
        await phones.forget(connection, caller.account_id)
