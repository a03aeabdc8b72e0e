"""Which processes make up a local exchange, what each is told, and when it counts as ready.

Everything listens on loopback or on a unix socket. Each service gets the database role of its own, so that the local
run has the same rights as production. The environment may tell one process alone something else (``_for_it_alone``).
"""

import os
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

import httpx
import msgspec

from services.domain.money import parse_e8
from services.local.certificate import ensure_certificate
from services.local.data_directory import DataDirectory, Secrets
from services.local.embedded import POSTGRES_START_TIMEOUT_S, REDIS_START_TIMEOUT_S, EmbeddedPostgres, EmbeddedRedis
from services.local.launch import Launch
from services.local.supervisor import ChildSpec

HOST: Final = "127.0.0.1"
# Some clients compare certificates with names only.
TLS_HOST: Final = "localhost"
DATABASE: Final = "crossbook"
# Ctrl-C waits no longer than this for a client that keeps its connection busy.
SHUTDOWN_TIMEOUT_S: Final = 3
PROBE_TIMEOUT_S: Final = 2.0
# An engine is ready when it has recovered: with a million open orders after a minute and more.
RECOVERY_TIMEOUT_S: Final = 300.0
# What auth is told unless the environment says otherwise.
LOCAL_AUTH: Final = {
    "CROSSBOOK_REQUIRE_CONFIRMED_EMAIL": "false",
    "CROSSBOOK_MAX_REGISTRATIONS_PER_ADDRESS": "100000",
    "CROSSBOOK_MAX_MAIL_REQUESTS_PER_ADDRESS": "100000",
    "CROSSBOOK_MAX_FAILED_LOGINS_PER_ADDRESS": "100000",
}
# Which data directory a process works for; in the environment of all but the servers, which clear their own leftovers.
OWNER_VARIABLE: Final = "CROSSBOOK_LOCAL_DIRECTORY"


@dataclass(frozen=True, slots=True)
class Addresses:
    """The ports of one run; only the public ones are the user's choice. Without ``tls_port`` there is no TLS."""

    public_port: int
    tls_port: int | None
    auth_port: int
    backoffice_port: int
    notifier_port: int
    engine_ports: tuple[int, ...]

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self.public_port}"

    @property
    def tls_url(self) -> str:
        """Empty without TLS."""
        return f"https://{TLS_HOST}:{self.tls_port}" if self.tls_port is not None else ""

    @property
    def auth_url(self) -> str:
        return f"http://{HOST}:{self.auth_port}"

    @property
    def backoffice_url(self) -> str:
        return f"http://{HOST}:{self.backoffice_port}"

    @property
    def notifier_url(self) -> str:
        return f"http://{HOST}:{self.notifier_port}"

    @property
    def engine_urls(self) -> list[str]:
        return [f"http://{HOST}:{port}" for port in self.engine_ports]


def choose_addresses(public_port: int, tls_port: int | None, engines: int) -> Addresses:
    """Find a free port for every internal listener."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(engines + 3)]
        for candidate in sockets:
            candidate.bind((HOST, 0))
        auth, backoffice, notifier, *engine = (candidate.getsockname()[1] for candidate in sockets)
    return Addresses(public_port, tls_port, auth, backoffice, notifier, tuple(engine))


def port_is_free(port: int) -> bool:
    with socket.socket() as candidate:
        # As servers do: connections that linger after a stop do not count.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((HOST, port))
        except OSError:
            return False
    return True


class Processes:
    """Builds the child specifications of one run."""

    def __init__(
        self,
        directory: DataDirectory,
        addresses: Addresses,
        client: httpx.AsyncClient,
        *,
        limits: str,
        demo_funds: bool,
    ) -> None:
        self.postgres_server = EmbeddedPostgres(directory.postgres)
        self.redis_server = EmbeddedRedis(directory.redis)
        self._directory = directory
        self._secrets: Secrets = directory.secrets()
        self._addresses = addresses
        self._client = client
        self._limits = limits
        self._demo_funds = demo_funds

    def postgres(self) -> ChildSpec:
        server = self.postgres_server
        return ChildSpec(
            name="postgres",
            prepare=server.prepare,
            launch=server.launch,
            is_ready=_soon(server.is_ready),
            ready_timeout_s=POSTGRES_START_TIMEOUT_S,
            stop_timeout_s=30,
        )

    def redis(self) -> ChildSpec:
        server = self.redis_server
        return ChildSpec(
            name="redis",
            prepare=server.prepare,
            launch=server.launch,
            is_ready=_soon(server.is_ready),
            ready_timeout_s=REDIS_START_TIMEOUT_S,
        )

    def migration(self) -> Launch:
        """Not a child that stays: it ends when the schema is the newest."""
        return self._python("services.local.migrate", {"CROSSBOOK_DATABASE_URL": self.postgres_server.url(DATABASE)})

    def auth(self) -> ChildSpec:
        """Everyone here has the same address, and mails go nowhere unless a notifier runs; so it is less strict."""
        settings = {
            "CROSSBOOK_ENCRYPTION_KEY": self._secrets.encryption_key,
            "CROSSBOOK_TRUSTED_PROXIES": f"{HOST}/32",
            **{name: os.environ.get(name, value) for name, value in LOCAL_AUTH.items()},
        }
        return self._service("auth", "services.auth", self._addresses.auth_port, settings)

    def notifier(self) -> ChildSpec:
        """Mails and SMS become files of the outbox, and webhooks may lead to this machine."""
        settings = {
            "CROSSBOOK_ENCRYPTION_KEY": self._secrets.encryption_key,
            "CROSSBOOK_AUTH_URL": self._addresses.auth_url,
            "CROSSBOOK_PUBLIC_BASE_URL": self._addresses.base_url,
            "CROSSBOOK_WEBHOOKS_MAY_BE_LOCAL": "true",
            "CROSSBOOK_OUTBOX_DIRECTORY": str(self._directory.outbox),
            "CROSSBOOK_EMAIL_BY": os.environ.get("CROSSBOOK_EMAIL_BY", "outbox"),
            "CROSSBOOK_SMS_BY": os.environ.get("CROSSBOOK_SMS_BY", "outbox"),
        }
        return self._service("notifier", "services.notifier", self._addresses.notifier_port, settings)

    def backoffice(self) -> ChildSpec:
        """One provider, who may report on every network; its secret is the directory's."""
        provider = {"secrets": [self._secrets.provider_secret], "networks": ["CROSSBOOK"]}
        providers = msgspec.json.encode({"local": provider}).decode()
        settings = {
            "CROSSBOOK_ENGINE_URLS": ",".join(self._addresses.engine_urls),
            "CROSSBOOK_AUTH_URL": self._addresses.auth_url,
            "CROSSBOOK_NOTIFIER_URL": self._addresses.notifier_url,
            "CROSSBOOK_PROVIDERS": os.environ.get("CROSSBOOK_PROVIDERS", providers),
        }
        return self._service("backoffice", "services.backoffice", self._addresses.backoffice_port, settings)

    def engines(self) -> list[ChildSpec]:
        """The first that gets the lease is the active one; a standby is as alive, but not ready for orders."""
        ports = self._addresses.engine_ports
        names = ["engine"] if len(ports) == 1 else [f"engine{number}" for number in range(1, len(ports) + 1)]
        probe = "/health/ready" if len(ports) == 1 else "/health/live"
        return [
            self._service(
                name,
                "services.engine",
                port,
                {},
                role="engine",
                probe=probe,
                ready_timeout_s=RECOVERY_TIMEOUT_S,
                stop_timeout_s=30,
            )
            for name, port in zip(names, ports, strict=True)
        ]

    async def has_active_engine(self) -> bool:
        return any([await self._answers(f"{url}/health/ready") for url in self._addresses.engine_urls])

    def trading(self) -> ChildSpec:
        settings = {
            "CROSSBOOK_ENGINE_URLS": ",".join(self._addresses.engine_urls),
            "CROSSBOOK_AUTH_URL": self._addresses.auth_url,
            "CROSSBOOK_NOTIFIER_URL": self._addresses.notifier_url,
            "CROSSBOOK_BACKOFFICE_URL": self._addresses.backoffice_url,
            "CROSSBOOK_LIMITS": self._limits,
            "CROSSBOOK_DEMO_FUNDS": str(self._demo_funds).lower(),
        }
        prepare = None
        if self._addresses.tls_port is not None:
            settings |= {
                "CROSSBOOK_TLS_PORT": str(self._addresses.tls_port),
                "CROSSBOOK_TLS_CERTIFICATE_FILE": str(self._directory.tls_certificate),
                "CROSSBOOK_TLS_KEY_FILE": str(self._directory.tls_key),
            }
            prepare = partial(ensure_certificate, self._directory)
        return self._service("trading", "services.local.edge", self._addresses.public_port, settings, prepare=prepare)

    def liquidity(self) -> ChildSpec:
        """The bot is a client like any other: it knows the public address and the keys of its accounts."""
        settings = {"CROSSBOOK_BASE_URL": self._addresses.base_url, "CROSSBOOK_DEMO_FILE": str(self._directory.demo)}
        return ChildSpec(
            name="liquidity",
            launch=partial(self._python, "services.local.liquidity", settings),
            is_ready=self._has_quotes,
            stop_timeout_s=5,
        )

    def _service(
        self,
        name: str,
        module: str,
        port: int,
        settings: dict[str, str],
        *,
        role: str | None = None,
        probe: str = "/health/ready",
        ready_timeout_s: float = 60,
        stop_timeout_s: float = 15,
        prepare: Callable[[], None] | None = None,
    ) -> ChildSpec:
        environment = {
            "CROSSBOOK_HOST": HOST,
            "CROSSBOOK_PORT": str(port),
            "CROSSBOOK_DATABASE_URL": self.postgres_server.url(DATABASE, f"crossbook_{role or name}"),
            "CROSSBOOK_REDIS_URL": self.redis_server.url,
            "CROSSBOOK_INTERNAL_TOKEN": self._secrets.internal_token,
            "CROSSBOOK_LOG_LEVEL": os.environ.get("CROSSBOOK_LOG_LEVEL", "INFO"),
            "CROSSBOOK_SHUTDOWN_TIMEOUT_S": str(SHUTDOWN_TIMEOUT_S),
            **settings,
            **_for_it_alone(name),
        }
        return ChildSpec(
            name=name,
            port=port,
            prepare=prepare,
            launch=partial(self._python, module, environment),
            is_ready=partial(self._answers, f"http://{HOST}:{port}{probe}"),
            ready_timeout_s=ready_timeout_s,
            stop_timeout_s=stop_timeout_s,
        )

    def _python(self, module: str, environment: dict[str, str]) -> Launch:
        # -P: a directory named "services" where the user happens to be must not shadow ours.
        argv = (sys.executable, "-P", "-m", module)
        return Launch(argv, {"PYTHONUNBUFFERED": "1", OWNER_VARIABLE: str(self._directory.root), **environment})

    async def _has_quotes(self) -> bool:
        """Whether every market has a bid and an ask."""
        try:
            response = await self._client.get(f"{self._addresses.base_url}/api/v3/ticker/bookTicker")
        except httpx.HTTPError:
            return False
        if response.status_code != httpx.codes.OK:
            return False
        return all(parse_e8(book["bidPrice"]) and parse_e8(book["askPrice"]) for book in response.json())

    async def _answers(self, url: str) -> bool:
        try:
            response = await self._client.get(url, timeout=PROBE_TIMEOUT_S)
        except httpx.HTTPError:
            return False
        return response.status_code == httpx.codes.OK


def _for_it_alone(name: str) -> dict[str, str]:
    """``CROSSBOOK_ENGINE1__CROSSBOOK_LEASE_TTL_MS`` is what the process engine1 finds as ``CROSSBOOK_LEASE_TTL_MS``."""
    prefix = f"CROSSBOOK_{name.upper()}__"
    return {
        variable.removeprefix(prefix): value for variable, value in os.environ.items() if variable.startswith(prefix)
    }


def _soon(is_ready: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def probe() -> bool:
        return is_ready()

    return probe
