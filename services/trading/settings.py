"""What a trading process must be told, and its limits."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from services.infra.settings import ServiceSettings
from services.trading.limits import OFF, parse_limits


class TradingSettings(ServiceSettings):
    """``engine_urls`` names every engine process, active or standing by, separated by commas.

    ``trusted_proxies`` are the networks (CIDR, separated by commas) whose ``X-Forwarded-For`` is believed.
    ``replica_url`` names a streaming replica of the database, to read history from if there is one (docs/operators.md).
    ``limits`` is ``off``, ``binance``, or a list such as ``REQUEST_WEIGHT=6000/1M,ORDERS=100/10S``.
    """

    engine_urls: Annotated[tuple[str, ...], NoDecode, Field(min_length=1)]
    auth_url: str
    # Without one, nothing can be deposited or withdrawn over `/sapi/v1/capital`.
    backoffice_url: str | None = None
    replica_url: SecretStr | None = None
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    limits: str = OFF
    max_body_bytes: int = Field(default=64 * 1024, ge=1024)
    # What an answer should take; most taking longer is overload. From then on so many requests are under way as are
    # answered within the wait, the rest are refused (shedding.py). Reads have a bound of their own that always holds.
    objective_ms: int = Field(default=100, ge=1)
    overload_wait_ms: int = Field(default=50, ge=1)
    reads_limit: int = Field(default=2_000, ge=1)
    # Commands under way in this process while an engine answers, waiting for one when none does, and of one account;
    # past each, new ones are refused as overload. The first covers two seconds' standstill of the database at 500
    # requests/s, half of them orders; half of it is one caller's (shedding.py), who then is a second ahead. It is
    # answered within 0.2 s by what settles 2,500 a second.
    gateway_busy_limit: int = Field(default=512, ge=1)
    gateway_queue_limit: int = Field(default=2_000, ge=1)
    gateway_account_limit: int = Field(default=400, ge=1)
    gateway_parcel_limit: int = Field(default=256, ge=1, le=512)
    # A command not started by the engine within this time never will be; the client hears -1007 a little later, when
    # a commit that was under way must have ended too.
    command_deadline_ms: int = Field(default=3_000, ge=100)
    gateway_timeout_ms: int = Field(default=6_000, ge=100)
    query_timeout_ms: int = Field(default=5_000, ge=100)
    principal_ttl_s: float = Field(default=30, gt=0)
    # WebSockets open in this process at once; the rest of ``web.MAX_CONNECTIONS`` is for requests.
    max_sockets: int = Field(default=3_000, ge=1)
    # Streams that all of them together may listen to; one may to 1024.
    max_subscriptions: int = Field(default=250_000, ge=1)
    # What may wait for one client that reads too slowly before it is dropped.
    socket_buffer_bytes: int = Field(default=1024 * 1024, ge=16 * 1024)
    # How many journal entries back a client may resume its user data from.
    resume_limit: int = Field(default=100_000, ge=0)
    # The older way to user data: ``/api/v3/userDataStream`` and streams named by its keys.
    listen_keys: bool = True

    @field_validator("engine_urls", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

    @field_validator("limits")
    @classmethod
    def _are_limits(cls, value: str) -> str:
        parse_limits(value)
        return value
