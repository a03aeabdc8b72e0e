"""What the notifier must be told, and its limits."""

import base64
import binascii
from pathlib import Path
from typing import Literal, Self

from pydantic import AnyHttpUrl, Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from services.infra.settings import ServiceSettings

ENCRYPTION_KEY_BYTES = 32
DAY_S = 24 * 60 * 60


class NotifierSettings(ServiceSettings):
    """``encryption_key`` seals tokens on their way and webhook secrets; it need not be another service's.

    Amazon's own variables (``AWS_ENDPOINT_URL``, ``AWS_REGION``, credentials) are read by its library.
    """

    model_config = SettingsConfigDict(hide_input_in_errors=True)

    encryption_key: SecretStr
    auth_url: str
    database_pool_size: int = Field(default=6, ge=3, le=100)
    statement_timeout_ms: int = Field(default=5_000, ge=100)
    pool_timeout_s: float = Field(default=2, gt=0)
    max_body_bytes: int = Field(default=16 * 1024, ge=1024)

    # Where links in messages lead: the address that people have of this installation.
    public_base_url: AnyHttpUrl
    venue_name: str = Field(default="Crossbook", min_length=1, max_length=60)

    email_by: Literal["smtp", "ses", "outbox", "off"] = "off"
    sms_by: Literal["sns", "outbox", "off"] = "off"
    email_from: str = Field(default="Crossbook <no-reply@localhost>", max_length=320)
    smtp_host: str = "127.0.0.1"
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_username: str = ""
    smtp_password: SecretStr = SecretStr("")
    # Every notice that accounts can choose about is published there too; empty for no topic.
    sns_topic_arn: str = Field(default="", max_length=256)
    aws_region: str = "us-east-1"
    outbox_directory: Path | None = None

    # Plain http, and addresses of this machine and its network: for the local run and tests only.
    webhooks_may_be_local: bool = False
    max_webhooks_per_account: int = Field(default=10, ge=1, le=100)

    # Per channel and process; a provider that hangs holds up no more than this many deliveries of its own channel.
    lane_width: int = Field(default=8, ge=1, le=64)
    poll_interval_s: float = Field(default=0.5, gt=0, le=60)
    attempt_timeout_s: float = Field(default=10, gt=0, le=300)
    # On top of it: when an attempt is taken for lost, its process with it.
    lease_margin_s: float = Field(default=20, gt=0)
    backoff_base_s: float = Field(default=5, gt=0)
    backoff_max_s: float = Field(default=60 * 60, gt=0)
    # With these: parked after about three hours.
    max_attempts: int = Field(default=12, ge=1, le=100)
    # Confirmation and reset links are not sent, and their tokens not kept, for longer than this.
    secret_lifetime_s: int = Field(default=DAY_S, ge=60, le=7 * DAY_S)

    journal_page_rows: int = Field(default=200, ge=1, le=2_000)
    notices_kept_days: int = Field(default=90, ge=1)
    notices_kept_per_account: int = Field(default=1_000, ge=10)
    deliveries_kept_days: int = Field(default=30, ge=1)

    @field_validator("encryption_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        try:
            decoded = base64.b64decode(value.get_secret_value(), validate=True)
        except binascii.Error:
            decoded = b""
        if len(decoded) != ENCRYPTION_KEY_BYTES:
            raise ValueError(f"must be base64 of {ENCRYPTION_KEY_BYTES} random bytes")
        return value

    @model_validator(mode="after")
    def _has_its_outbox(self) -> Self:
        if "outbox" in {self.email_by, self.sms_by} and self.outbox_directory is None:
            raise ValueError("an outbox needs CROSSBOOK_OUTBOX_DIRECTORY")
        return self

    def encryption_key_bytes(self) -> bytes:
        return base64.b64decode(self.encryption_key.get_secret_value())
