"""Delivery: from a claimed job to a provider. Who gets it and what it says is looked up at the attempt, not before.

So no address lies in the queue for longer than it must, and nobody gets mail at an address that is theirs no more.
"""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from email.message import EmailMessage
from typing import Any, Final

from services.infra.callers import Callers
from services.infra.postgres import Pool
from services.infra.sealing import Seal
from services.notifier import phones, webhooks
from services.notifier.channels.mail import mail
from services.notifier.channels.outcome import NotWanted
from services.notifier.kinds import CONFIRM_PHONE, GROUPS, Channel, Group
from services.notifier.providers import Providers
from services.notifier.queue import Job
from services.notifier.rendering import Message, Messages

# What is left of these without it helps nobody.
_NEEDS_TOKEN: Final = frozenset({"CONFIRM_EMAIL", "RESET_PASSWORD", CONFIRM_PHONE})

Deliver = Callable[[Job], Awaitable[None]]


class Deliveries:
    def __init__(
        self, pool: Pool, seal: Seal, callers: Callers, messages: Messages, providers: Providers, sender: str
    ) -> None:
        self._pool = pool
        self._seal = seal
        self._callers = callers
        self._messages = messages
        self._providers = providers
        self._sender = sender

    def by_channel(self) -> Mapping[Channel, Deliver]:
        """How to deliver by each channel that this installation offers."""
        every: Mapping[Channel, tuple[object, Deliver]] = {
            "EMAIL": (self._providers.mailer, self._email),
            "SMS": (self._providers.texter, self._sms),
            "WEBHOOK": (self._providers.webhooks, self._webhook),
            "TOPIC": (self._providers.topic, self._topic),
        }
        return {channel: deliver for channel, (provider, deliver) in every.items() if provider is not None}

    async def _email(self, job: Job) -> None:
        assert self._providers.mailer is not None, "the channel is offered"
        recipient = job.recipient or await self._address(job)
        made: EmailMessage = mail(self._render(job), self._sender, recipient, str(job.delivery_id))
        await self._providers.mailer.send(made)

    async def _address(self, job: Job) -> str:
        account = await self._callers.account(job.account_id)
        if account is None or account.email is None:
            raise NotWanted("the account has no e-mail address")
        if not account.email_confirmed:
            raise NotWanted("the account's e-mail address is not confirmed")
        return account.email

    async def _sms(self, job: Job) -> None:
        assert self._providers.texter is not None, "the channel is offered"
        number = job.recipient if GROUPS[job.kind] is Group.CODE else await phones.number(self._pool, job.account_id)
        if number is None:
            raise NotWanted("the account has no confirmed phone number")
        await self._providers.texter.send(number, self._render(job).short)

    async def _webhook(self, job: Job) -> None:
        assert job.webhook_id is not None, "a delivery to a webhook names it"
        hook = await webhooks.find(self._pool, self._seal, job.webhook_id)
        if hook is None:
            raise NotWanted("the webhook was deleted")
        await self._providers.webhooks.send(hook.url, hook.secret, content(job, job.delivery_id))

    async def _topic(self, job: Job) -> None:
        assert self._providers.topic is not None, "the channel is offered"
        title = self._messages.title(job.kind, job.data)
        await self._providers.topic.publish(job.kind, title, content(job, job.delivery_id))

    def _render(self, job: Job) -> Message:
        token = None
        if job.secret_sealed is not None:
            token = self._seal.open(job.secret_sealed, belongs_to=str(job.notice_id))
        elif job.kind in _NEEDS_TOKEN:
            raise NotWanted("its token is not kept any more")
        return self._messages.render(job.kind, job.data, job.occurred_at, token)


def content(job: Job, delivery_id: uuid.UUID) -> dict[str, Any]:
    """What programs get. ``noticeId`` is the same at every attempt and in every channel."""
    return {
        "noticeId": str(job.notice_id),
        "deliveryId": str(delivery_id),
        "accountId": job.account_id,
        "kind": job.kind,
        "occurredAt": job.occurred_at.isoformat(),
        "data": job.data,
    }
