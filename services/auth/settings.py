"""What the auth service must be told, and its limits."""

import base64
import binascii
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic.alias_generators import to_camel
from pydantic_settings import NoDecode, SettingsConfigDict

from services.infra.settings import ServiceSettings

ENCRYPTION_KEY_BYTES = 32
DAY_S = 24 * 60 * 60
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class ExternalIssuer(BaseModel):
    """Whose access tokens are accepted beside our own. ``audiences`` are matched with a token's ``aud``, or with its
    ``client_id`` where it has no audience, as Cognito's have none. Without ``token_use`` that claim is not looked at.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    issuer: str = Field(min_length=1, max_length=512)
    audiences: tuple[str, ...] = Field(min_length=1, max_length=100)
    token_use: str | None = "access"  # noqa: S105  # A claim's value, not a secret.
    # By default where Cognito has it: under the issuer's own address.
    jwks_url: str | None = None
    max_token_lifetime_s: int = Field(default=DAY_S, ge=60, le=30 * DAY_S)

    @model_validator(mode="after")
    def _has_a_safe_address(self) -> "ExternalIssuer":
        parts = urlsplit(self.jwks_url or self.issuer)
        if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
            return self
        raise ValueError("keys must come over https, or over http from this machine")


class AuthSettings(ServiceSettings):
    """``encryption_key`` seals API secrets and signing keys; without it the stored ones cannot be read again."""

    # A refused value may be a mistyped secret; the error must name it, not show it.
    model_config = SettingsConfigDict(hide_input_in_errors=True)

    encryption_key: SecretStr
    statement_timeout_ms: int = Field(default=5_000, ge=100)
    # A request that finds no free database connection for this long is refused as overload.
    pool_timeout_s: float = Field(default=2, gt=0)

    access_token_lifetime_s: int = Field(default=15 * 60, ge=30, le=60 * 60)
    # Refreshing does not extend it: after this long the user signs in again.
    session_lifetime_s: int = Field(default=30 * DAY_S, ge=60, le=365 * DAY_S)
    # A successor is made at half of a key's life.
    signing_key_lifetime_s: int = Field(default=60 * DAY_S, ge=DAY_S)

    max_body_bytes: int = Field(default=16 * 1024, ge=1024)
    max_api_keys_per_account: int = Field(default=30, ge=1)
    # At a new login the oldest session over this is ended.
    max_sessions_per_account: int = Field(default=50, ge=1)
    max_refreshes_per_session: int = Field(default=10_000, ge=1)
    # Each hash takes `password_memory_kib` and most of a core for about a tenth of a second.
    password_threads: int = Field(default=2, ge=1, le=64)
    max_waiting_passwords: int = Field(default=32, ge=1)

    # What a hash costs: RFC 9106's second recommended option. One that cost otherwise is replaced at the next login.
    password_passes: int = Field(default=3, ge=1, le=100)
    password_memory_kib: int = Field(default=64 * 1024, ge=1024, le=4 * 1024 * 1024)
    breached_passwords_file: Path | None = None

    # Whether an account can be used only once the link in the mail was followed.
    require_confirmed_email: bool = True
    # How long answers take that must not tell whether an address has an account: longer than their work.
    even_answer_ms: int = Field(default=50, ge=0, le=1000)
    # How long failed attempts are counted together, and how many there may be.
    throttle_window_s: int = Field(default=15 * 60, ge=1, le=DAY_S)
    max_wrong_codes_per_account: int = Field(default=10, ge=1)
    max_failed_logins_per_account: int = Field(default=10, ge=1)
    max_failed_logins_per_address: int = Field(default=100, ge=1)
    # In an hour.
    max_registrations_per_address: int = Field(default=20, ge=1)
    max_mail_requests_per_address: int = Field(default=20, ge=1)
    max_mails_per_mailbox: int = Field(default=5, ge=1)

    # Whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed.
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    # Where the exchange's pages come from, if not from this host, or if a gateway changes the Host header:
    # ``https://www.exchange.example``. They have to be of one site with the API.
    web_origins: Annotated[tuple[str, ...], NoDecode] = ()

    # In JSON: [{"issuer": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCd", "audiences": ["id"]}]
    external_issuers: tuple[ExternalIssuer, ...] = Field(default=(), max_length=20)

    @field_validator("trusted_proxies", "web_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

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

    def encryption_key_bytes(self) -> bytes:
        return base64.b64decode(self.encryption_key.get_secret_value())
