"""What the auth service must be told, and its limits."""

import base64
import binascii

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from services.infra.settings import ServiceSettings

ENCRYPTION_KEY_BYTES = 32
DAY_S = 24 * 60 * 60


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
    # Each hash takes 64 MiB and most of a core for about a tenth of a second.
    password_threads: int = Field(default=2, ge=1, le=64)
    max_waiting_passwords: int = Field(default=32, ge=1)

    # What is counted in one window, and how long that is.
    throttle_window_s: int = Field(default=15 * 60, ge=1, le=DAY_S)
    max_wrong_codes_per_account: int = Field(default=10, ge=1)

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
