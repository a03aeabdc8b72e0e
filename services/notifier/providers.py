"""Which provider stands behind each channel of this installation, as the settings say."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any

from services.notifier.channels.mail import Mailer, mail
from services.notifier.channels.outbox import Outbox, OutboxTexter, Texter
from services.notifier.channels.smtp import SmtpMailer
from services.notifier.channels.webhook import WebhookSender
from services.notifier.rendering import Message
from services.notifier.settings import NotifierSettings
from typing import Protocol


class Topic(Protocol):
    async def publish(self, kind: str, subject: str, body: dict[str, Any]) -> None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Providers:
    """None where the channel is off. ``close`` them in the end."""

    mailer: Mailer | None
    texter: Texter | None
    webhooks: WebhookSender | None
    topic: Topic | None

    async def close(self) -> None:
        for field in fields(self):
            provider = getattr(self, field.name)
            if provider is not None:
                await provider.close()


def providers(settings: NotifierSettings) -> Providers:
    outbox = None if settings.outbox_directory is None else Outbox(settings.outbox_directory)
    return Providers(
        _mailer(settings, outbox),
        _texter(settings, outbox),
        WebhookSender(
            may_be_local=settings.webhooks_may_be_local,
            timeout_s=settings.attempt_timeout_s,
            width=settings.lane_width,
        ),
        _amazon().SnsTopic(settings) if settings.sns_topic_arn else None,
    )
