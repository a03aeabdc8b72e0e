"""What the back office must be told, and its limits."""

from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import NoDecode

from services.infra.settings import Secret, ServiceSettings

PACKAGED_ASSETS_FILE: Final = Path(__file__).with_name("assets.toml")
DAY_S: Final = 24 * 60 * 60


class ProviderSettings(BaseModel):
    """Who moves money on networks. Its requests are signed with any of ``secrets``, so that one can replace another."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    secrets: tuple[Secret, ...] = Field(min_length=1, max_length=4)
    networks: tuple[str, ...] = Field(min_length=1, max_length=100)

    def keys(self) -> list[bytes]:
        return [secret.get_secret_value().encode() for secret in self.secrets]


class BackofficeSettings(ServiceSettings):
    """``engine_urls`` names every engine process, separated by commas. ``assets_file`` says what the wallet handles.

    ``providers`` is JSON: ``{"acme": {"secrets": ["…"], "networks": ["CROSSBOOK"]}}``.
    """

    engine_urls: Annotated[tuple[str, ...], NoDecode, Field(min_length=1)]
    auth_url: str
    # Without one, nobody is asked for notices that could not be delivered.
    notifier_url: str | None = None
    assets_file: Path = PACKAGED_ASSETS_FILE
    providers: dict[str, ProviderSettings] = Field(default_factory=dict)
    statement_timeout_ms: int = Field(default=5_000, ge=100)
    # A request that finds no free database connection for this long is refused as overload.
    pool_timeout_s: float = Field(default=2, gt=0)
    max_body_bytes: int = Field(default=64 * 1024, ge=1024)

    # An engine starts a command within this time or never.
    command_deadline_ms: int = Field(default=2_000, ge=100)
    engine_timeout_ms: int = Field(default=5_000, ge=100)
    # How often it is looked for commands whose outcome is unknown.
    delivery_interval_ms: int = Field(default=500, ge=10)

    # Signed requests of providers may be this old, or this far ahead of this machine's clock.
    replay_window_s: int = Field(default=300, ge=1, le=3600)

    # Off: a code is asked of those only who have a second factor.
    require_second_factor: bool = False
    # How long a new address waits, for accounts that send to their address book only.
    address_cool_down_s: int = Field(default=DAY_S, ge=0, le=30 * DAY_S)
    # How long nothing leaves an account whose password, second factor or list of addresses became weaker.
    security_cool_down_s: int = Field(default=DAY_S, ge=0, le=30 * DAY_S)
    max_address_book_entries: int = Field(default=200, ge=1, le=10_000)
    # A transfer tells whether its recipient exists; nobody finds out for many.
    max_transfers_per_day: int = Field(default=50, ge=1, le=10_000)
    max_statement_days: int = Field(default=366, ge=1, le=3_660)
    max_statements_at_once: int = Field(default=2, ge=1, le=32)
    statement_timeout_s: int = Field(default=60, ge=1, le=600)

    @field_validator("engine_urls", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value
