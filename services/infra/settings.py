"""What every service must be told. Each service extends ``ServiceSettings`` and passes it down from ``__main__``.

Values come from the environment (``CROSSBOOK_DATABASE_URL`` and so on). There are no defaults for secrets: a service
that is not told one refuses to start and names what is missing.
"""

from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

Secret = Annotated[SecretStr, Field(min_length=32)]


class ServiceSettings(BaseSettings):
    """Frozen; ``internal_token`` is the credential services show each other.

    With ``traces_url`` the traces of that share of requests, ``traces_ratio``, are sent there by OTLP over HTTP.
    With ``sentry_dsn`` errors are reported there, as those of ``release`` (default: this version) in ``environment``.
    """

    # A mistyped secret must not be printed by the error that complains of it.
    model_config = SettingsConfigDict(env_prefix="CROSSBOOK_", frozen=True, extra="ignore", hide_input_in_errors=True)

    host: str = "127.0.0.1"
    port: int = Field(ge=1, le=65535)
    database_url: SecretStr
    database_pool_size: int = Field(default=8, ge=1, le=100)
    redis_url: SecretStr
    internal_token: Secret
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    sentry_dsn: SecretStr | None = None
    release: str = Field(default="", max_length=200, pattern=r"^[A-Za-z0-9._@+-]*$")
    environment: str = Field(default="local", pattern="^[a-z][a-z0-9-]{0,62}$")
    # Who takes part in it is told by a header, where that is needed: OTEL_EXPORTER_OTLP_HEADERS, never by the URL.
    traces_url: str = Field(default="", pattern=r"^(https?://[^\s@?#]+)?$")
    traces_ratio: float = Field(default=0.01, ge=0, le=1)
    # How long a request may take to arrive, and a client to take what does not fit into the buffers of its connection.
    request_timeout_s: int = Field(default=20, ge=1, le=300)
    # How long a connection without a request is kept: longer than those do who call through it, so that they close it.
    # Most proxies let go after 60 s, services among themselves after 20.
    keep_alive_s: int = Field(default=75, ge=1, le=3600)
    shutdown_timeout_s: int = Field(default=10, ge=1, le=300)
