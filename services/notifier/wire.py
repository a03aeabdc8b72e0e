"""What the clients of this service send and receive, in JSON. Everything is bounded and checked here, once."""

import uuid
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool
from pydantic.alias_generators import to_camel

from services.notifier.channels.addresses import URL_CHARS_MAX
from services.notifier.inbox import PAGE_MAX
from services.notifier.kinds import CHOSEN, PREFERENCE_CHANNELS, PreferenceChannel

PHONE_PATTERN: Final = r"^\+[1-9][0-9]{6,14}$"
CODE_PATTERN: Final = r"^[0-9]{6}$"


def _known(kind: str) -> str:
    if kind not in CHOSEN:
        raise ValueError(f"must be one of {', '.join(CHOSEN)}")
    return kind


def _distinct(kinds: list[str]) -> list[str]:
    return [kind for kind in CHOSEN if kind in kinds]


Kind = Annotated[str, Field(max_length=64, json_schema_extra={"enum": list(CHOSEN)}), AfterValidator(_known)]
Kinds = Annotated[list[Kind], Field(min_length=1, max_length=len(CHOSEN)), AfterValidator(_distinct)]
Url = Annotated[str, Field(min_length=1, max_length=URL_CHARS_MAX, examples=["https://example.com/crossbook"])]


class _Wire(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", hide_input_in_errors=True
    )


class PreferenceView(_Wire):
    """A fixed one cannot be changed."""

    kind: str
    channel: PreferenceChannel
    enabled: bool
    fixed: bool


class PreferencesView(_Wire):
    """``channels`` are those that can reach the account: this exchange offers them, and there is an address."""

    preferences: list[PreferenceView]
    channels: list[PreferenceChannel]


class PreferenceChange(_Wire):
    kind: Kind
    channel: PreferenceChannel
    enabled: StrictBool


class PreferenceChanges(_Wire):
    """What is left out stays as it is. Of two changes of the same, the later counts."""

    changes: Annotated[list[PreferenceChange], Field(min_length=1, max_length=len(CHOSEN) * len(PREFERENCE_CHANNELS))]


class NoticeView(_Wire):
    """``title`` and ``text`` are plain text in English; ``data`` is for programs."""

    notice_id: uuid.UUID
    kind: str
    occurred_at: datetime
    title: str
    text: str
    data: dict[str, Any]
    read_at: datetime | None


class InboxView(_Wire):
    """Newest first. ``next`` is what to ask ``before`` for the next page; null at the end."""

    notices: list[NoticeView]
    next: uuid.UUID | None
    unread: int


class ReadRequest(_Wire):
    """Some notices, or everything up to one and it."""

    notice_ids: Annotated[list[uuid.UUID], Field(max_length=PAGE_MAX)] = []
    up_to: uuid.UUID | None = None


class UnreadView(_Wire):
    unread: int


class NewWebhookRequest(_Wire):
    url: Url
    kinds: Kinds = list(CHOSEN)


class WebhookChanges(_Wire):
    """What is left out stays as it is."""

    url: Url | None = None
    kinds: Kinds | None = None


class WebhookView(_Wire):
    webhook_id: uuid.UUID
    url: str
    kinds: list[str]
    created_at: datetime


class NewWebhookView(WebhookView):
    """The only answer that ever shows the secret, which signs what is sent."""

    secret: str = Field(repr=False)


class TestView(_Wire):
    """The notice that is on its way."""

    notice_id: uuid.UUID


class PhoneRequest(_Wire):
    number: Annotated[str, Field(pattern=PHONE_PATTERN, max_length=16, examples=["+493012345678"])]


class CodeRequest(_Wire):
    code: Annotated[str, Field(pattern=CODE_PATTERN, max_length=6, examples=["123456"])]


class PhoneView(_Wire):
    """``pendingNumber`` awaits its code."""

    number: str | None
    confirmed_at: datetime | None
    pending_number: str | None


class ParkedView(_Wire):
    delivery_id: uuid.UUID
    channel: str
    attempts: int
    created_at: datetime
    parked_at: datetime
    last_error: str | None
    notice_id: uuid.UUID
    account_id: int
    kind: str


class Health(BaseModel):
    status: Literal["live", "ready"]
