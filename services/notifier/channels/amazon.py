"""Mail by Amazon SES, SMS and a topic by Amazon SNS.

boto3 blocks, so calls run in a small pool of threads of each channel's own; its time limits are shorter than an
attempt's, so a provider that hangs gives its threads back. It retries nothing itself: the queue does.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from typing import Any, Final, TypeVar

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from services.notifier.channels.outcome import Failed, Refused
from services.notifier.settings import NotifierSettings

CONNECT_TIMEOUT_S: Final = 3.0
SUBJECT_CHARS_MAX: Final = 100
# What Amazon says when the message or its recipient is at fault and not the moment.
_PERMANENT: Final = frozenset(
    {
        *("BadRequestException", "MessageRejected", "InvalidParameter", "InvalidParameterValue", "NotFound"),
        *("MailFromDomainNotVerifiedException", "OptedOut"),
    }
)

T = TypeVar("T")


class _Amazon:
    """One client and its threads."""

    def __init__(self, settings: NotifierSettings, service: str) -> None:
        config = Config(
            connect_timeout=min(CONNECT_TIMEOUT_S, settings.attempt_timeout_s / 2),
            read_timeout=settings.attempt_timeout_s / 2,
            retries={"total_max_attempts": 1},
            max_pool_connections=settings.lane_width,
        )
        self._threads = ThreadPoolExecutor(settings.lane_width, thread_name_prefix=service)
        session = boto3.Session(region_name=settings.aws_region)
        self.client: Any = session.client(service, config=config)  # type: ignore[call-overload]

    async def call(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "unknown"))[:64]
            raise (Refused if code in _PERMANENT else Failed)(f"Amazon answered {code}") from None
        except BotoCoreError as error:
            raise Failed(f"Amazon: {type(error).__name__}") from None

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class SesMailer:
    def __init__(self, settings: NotifierSettings) -> None:
        self._amazon = _Amazon(settings, "sesv2")

    async def send(self, mail: EmailMessage) -> None:
        await self._amazon.call(
            lambda: self._amazon.client.send_email(
                FromEmailAddress=str(mail["From"]),
                Destination={"ToAddresses": [str(mail["To"])]},
                Content={"Raw": {"Data": mail.as_bytes()}},
            )
        )

    async def close(self) -> None:
        self._amazon.close()


class SnsTexter:
    def __init__(self, settings: NotifierSettings) -> None:
        self._amazon = _Amazon(settings, "sns")

    async def send(self, number: str, text: str) -> None:
        await self._amazon.call(lambda: self._amazon.client.publish(PhoneNumber=number, Message=text))

    async def close(self) -> None:
        self._amazon.close()


class SnsTopic:
    """Publishes JSON; ``kind`` is an attribute too, for the filters of subscriptions."""

    def __init__(self, settings: NotifierSettings) -> None:
        self._amazon = _Amazon(settings, "sns")
        self._arn = settings.sns_topic_arn

    async def publish(self, kind: str, subject: str, body: dict[str, Any]) -> None:
        text = msgspec.json.encode(body).decode()
        # Subjects take ASCII only.
        ascii_subject = subject.encode("ascii", "replace").decode()[:SUBJECT_CHARS_MAX]
        await self._amazon.call(
            lambda: self._amazon.client.publish(
                TopicArn=self._arn,
                Subject=ascii_subject,
                Message=text,
                MessageAttributes={"kind": {"DataType": "String", "StringValue": kind}},
            )
        )

    async def close(self) -> None:
        self._amazon.close()
