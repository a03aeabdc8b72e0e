"""Which provider stands behind each channel of this installation, as the settings say."""

import uuid
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, Protocol

from services.notifier.channels.mail import Mailer, mail
from services.notifier.channels.outbox import Outbox
from services.notifier.channels.smtp import SmtpMailer
from services.notifier.channels.webhook import WebhookSender
from services.notifier.rendering import Message
from services.notifier.settings import NotifierSettings


class Texter(Protocol):
    """Sends one SMS, or raises."""

    async def send(self, number: str, text: str) -> None: ...

    async def close(self) -> None: ...


class Topic(Protocol):
    """Publishes to whoever subscribed, or raises."""

    async def publish(self, kind: str, subject: str, body: dict[str, Any]) -> None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Providers:
    """None where the channel is off. ``close`` them in the end."""

    webhooks: WebhookSender
    mailer: Mailer | None = None
    texter: Texter | None = None
    topic: Topic | None = None

    async def close(self) -> None:
        for provider in (self.webhooks, self.mailer, self.texter, self.topic):
            if provider is not None:
                await provider.close()


class OutboxTexter:
    """An SMS in the outbox looks like a mail to the number."""

    def __init__(self, outbox: Outbox, sender: str) -> None:
        self._outbox = outbox
        self._sender = sender

    async def send(self, number: str, text: str) -> None:
        message = Message(text, text, "", text)
        made: EmailMessage = mail(message, self._sender, f"{number}@sms.invalid", str(uuid.uuid4()))
        await self._outbox.send(made)

    async def close(self) -> None:
        """Nothing is kept open."""


def provide(settings: NotifierSettings) -> Providers:
    webhooks = WebhookSender(
        may_be_local=settings.webhooks_may_be_local,
        timeout_s=settings.attempt_timeout_s,
        width=settings.lane_width,
    )
    topic: Topic | None = None
    if settings.sns_topic_arn:
        from services.notifier.channels.amazon import SnsTopic

        topic = SnsTopic(settings)
    return Providers(webhooks, _mailer(settings), _texter(settings), topic)


def _mailer(settings: NotifierSettings) -> Mailer | None:
    match settings.email_by:
        case "smtp":
            return SmtpMailer(settings)
        case "ses":
            # Importing Amazon's library takes a quarter of a second, which only those who use it pay.
            from services.notifier.channels.amazon import SesMailer

            return SesMailer(settings)
        case "outbox":
            return _outbox(settings)
        case "off":
            return None


def _texter(settings: NotifierSettings) -> Texter | None:
    match settings.sms_by:
        case "sns":
            from services.notifier.channels.amazon import SnsTexter

            return SnsTexter(settings)
        case "outbox":
            return OutboxTexter(_outbox(settings), settings.email_from)
        case "off":
            return None


def _outbox(settings: NotifierSettings) -> Outbox:
    assert settings.outbox_directory is not None, "the settings were checked"
    return Outbox(settings.outbox_directory)
