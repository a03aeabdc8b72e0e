"""The contract of the gateways: the same requests and answers on every gateway that is made from the route table.

A whole Crossbook runs, one gateway after the other is put in front of it, and ``CASES`` are asked of each through the
front door. Kong is not among them, as it cannot be had as a package; its file is checked by ``kong_file.py``.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import httpx
import msgspec
import websockets

from deploy.check.tools import ENVOY, NGINX, Failed, Tool, environment
from deploy.routes import envoy, nginx
from deploy.routes.table import Route, Table, read
from services.local.internal import Account
from tests.running import RunningSystem, free_port, wait_until

ORIGIN: Final = "https://trade.example.com"
# Nobody here is an operator.
OPERATORS: Final = ("192.0.2.0/24",)
# What an answer may take in this test, where the table says 15 to 60 s.
TIMEOUT_S: Final = 4
# And how often an address may ask auth, so that a flood is one on a slow machine too.
AUTH_REQUESTS_PER_S: Final = 2
START_TIMEOUT_S: Final = 30.0
FLOOD: Final = 150
_NGINX_MAIN: Final = """
daemon off;
worker_processes 1;
error_log stderr warn;
pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/crossbook.conf;
}}
"""


class World(NamedTuple):
    """What cases are asked with: the gateway's address, and what runs behind it."""

    base_url: str
    client: httpx.AsyncClient
    system: RunningSystem
    account: Account
    token: str

    @property
    def socket_url(self) -> str:
        return self.base_url.replace("http://", "ws://")

    async def raw(self, request: str) -> int:
        """The status of a request that no honest client would send."""
        host, _, port = self.base_url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request.encode())
        line = await asyncio.wait_for(reader.readline(), 10)
        writer.close()
        return int(line.split()[1])


Case = Callable[[World], Awaitable[None]]


def nginx_keeps_the_contract(root: Path) -> str:
    return _ask_all(root, NGINX, _nginx)


def envoy_keeps_the_contract(root: Path) -> str:
    return _ask_all(root, ENVOY, _envoy)


def _ask_all(root: Path, tool: Tool, configure: Callable[[Table, Path, int, RunningSystem], list[str]]) -> str:
    table = _hastened(read(root))
    with tempfile.TemporaryDirectory(prefix="crossbook-contract-") as name:
        folder = Path(name)
        # Trading must believe the gateway about addresses, and nobody else.
        variables = {"CROSSBOOK_TRUSTED_PROXIES": "127.0.0.0/8"}
        system = RunningSystem(folder / "system", "--no-demo", environment=variables).start()
        try:
            port = free_port()
            command = [tool.path(), *configure(table, folder, port, system)]
            with _running(command, folder, port):
                return asyncio.run(_answers(f"http://127.0.0.1:{port}", system))
        finally:
            system.stop()


def _hastened(table: Table) -> Table:
    def hastened(route: Route) -> Route:
        if route.websocket:
            return route
        requests_per_s = AUTH_REQUESTS_PER_S if route.name == "auth" else route.requests_per_s
        return msgspec.structs.replace(route, timeout_s=TIMEOUT_S, requests_per_s=requests_per_s)

    return msgspec.structs.replace(table, route=tuple(map(hastened, table.route)))


@contextlib.contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    log = folder / "gateway.out"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder, env=environment())
        try:
            wait_until(lambda: process.poll() is not None or _listens(port), START_TIMEOUT_S)
            if process.poll() is not None:
                raise Failed(f"the gateway ended:\n{log.read_text()[-2000:]}")
            yield
        finally:
            process.terminate()
            process.wait(20)


def _listens(port: int) -> bool:
    with socket.socket() as candidate:
        return candidate.connect_ex(("127.0.0.1", port)) == 0


def _upstreams(table: Table, system: RunningSystem) -> dict[str, tuple[str, int]]:
    """Trading's port is the local run's public one."""
    ports = {process.name: process.port for process in system.state.processes}
    ports["trading"] = system.port
    return {name: ("127.0.0.1", ports[name]) for name in table.upstreams()}


def _nginx(table: Table, folder: Path, port: int, system: RunningSystem) -> list[str]:
    upstreams = {name: f"{host}:{port}" for name, (host, port) in _upstreams(table, system).items()}
    listen = nginx.Listen(f"127.0.0.1:{port}", upstreams, (ORIGIN,), OPERATORS)
    (folder / "crossbook.conf").write_text(nginx.configure(table, listen))
    (folder / "nginx.conf").write_text(_NGINX_MAIN.format(folder=folder) + "\n")
    if os.geteuid() == 0:
        # Its workers drop root, and must be able to write bodies down.
        folder.chmod(0o755)
    return ["-p", str(folder), "-c", str(folder / "nginx.conf")]


def _envoy(table: Table, folder: Path, port: int, system: RunningSystem) -> list[str]:
    config = envoy.configure(
        table,
        port=port,
        admin_port=free_port(),
        upstreams=_upstreams(table, system),
        origins=(ORIGIN,),
        operator_networks=OPERATORS,
    )
    (folder / "envoy.json").write_text(json.dumps(config))
    options = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "warn")
    return ["-c", str(folder / "envoy.json"), *options]


async def _answers(base_url: str, system: RunningSystem) -> str:
    account = system.create_account({"USDT": "1000"})
    # Behind the gateway: hashing a password takes its time.
    token = _sign_in(system.auth_url)
    async with httpx.AsyncClient(base_url=base_url, trust_env=False, timeout=30) as client:
        world = World(base_url, client, system, account, token)
        for case in CASES:
            try:
                await case(world)
            except (AssertionError, httpx.HTTPError, OSError, websockets.WebSocketException, TimeoutError) as error:
                raise Failed(f"{case.__name__.replace('_', ' ')}: {type(error).__name__} {error}") from error
    return f"{len(CASES)} parts of the contract kept"


def _sign_in(auth_url: str) -> str:
    credentials = {"email": "contract@example.com", "password": "correct horse battery staple"}
    expect(httpx.post(f"{auth_url}/auth/v1/register", json=credentials, timeout=30, trust_env=False), 201, 202)
    opened = httpx.post(f"{auth_url}/auth/v1/login", json=credentials, timeout=30, trust_env=False)
    expect(opened, 200)
    token: str = opened.json()["accessToken"]
    return token


def expect(answer: httpx.Response, *statuses: int) -> None:
    told = f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:200]}"
    assert answer.status_code in statuses, f"{told}; expected {' or '.join(map(str, statuses))}"


async def public_routes_lead_to_their_service(world: World) -> None:
    expect(await world.client.get("/api/v3/ping"), 200)
    expect(await world.client.get("/.well-known/jwks.json"), 200)
    expect(await world.client.get("/auth/v1/account", headers={"Authorization": f"Bearer {world.token}"}), 200)


async def an_order_is_traded(world: World) -> None:
    seller = await asyncio.to_thread(world.system.create_account, {"BTC": "1"})
    resting = await _order(world, seller, side="SELL")
    assert resting["status"] == "NEW", resting
    taken = await _order(world, world.account, side="BUY")
    assert taken["status"] == "FILLED", taken


async def _order(world: World, account: Account, side: str) -> dict[str, Any]:
    wish = {"symbol": "BTCUSDT", "side": side, "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
    query = urlencode({**wish, "price": "60000", "timestamp": int(time.time() * 1000)})
    signature = hmac.new(account.secret_key.encode(), query.encode(), hashlib.sha256).hexdigest()
    answer = await world.client.post(
        "/api/v3/order",
        content=f"{query}&signature={signature}",
        headers={"X-MBX-APIKEY": account.api_key, "Content-Type": "application/x-www-form-urlencoded"},
    )
    expect(answer, 200)
    placed: dict[str, Any] = answer.json()
    return placed


async def what_is_internal_does_not_exist(world: World) -> None:
    credential = f"Authorization: Bearer {world.system.internal_token}"
    for path in (
        *("/internal/status", "/internal/introspect", "/internal/accounts", "/metrics", "/health/ready"),
        *("/wsx", "/api/v30/ping", "/api", "/auth/v2", "//internal/status"),
        *("/auth/v1/../../internal/introspect", "/auth/v1/%2e%2e/%2e%2e/internal/introspect"),
        *("/api/v3/..%2f..%2fmetrics", "/api/v3/../../metrics", "/.well-known/../internal/introspect"),
    ):
        for method in ("GET", "POST"):
            status = await world.raw(
                f"{method} {path} HTTP/1.1\r\nHost: crossbook\r\n{credential}\r\nContent-Length: 0\r\n\r\n"
            )
            assert status in {400, 404, 405}, f"{method} {path}: {status}"


async def pages_of_allowed_origins_may_ask(world: World) -> None:
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "X-MBX-APIKEY"}
    for path in ("/api/v3/order", "/auth/v1/login", "/wallet/v1/withdrawals"):
        answer = await world.client.options(path, headers={**preflight, "Origin": ORIGIN})
        expect(answer, 200, 204)
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
        assert answer.headers["Access-Control-Allow-Credentials"] == "true", "a session's cookie comes along"
        allowed = answer.headers["Access-Control-Allow-Headers"].lower()
        assert "x-mbx-apikey" in allowed and "x-crossbook-session" in allowed
    answer = await world.client.get("/api/v3/ping", headers={"Origin": ORIGIN})
    assert answer.headers.get_list("Access-Control-Allow-Origin") == [ORIGIN]
    refused = await world.client.get("/auth/v1/account", headers={"Origin": ORIGIN})
    expect(refused, 401)
    assert refused.headers.get_list("Access-Control-Allow-Origin") == [ORIGIN], "a page must see why it was refused"


async def pages_of_other_origins_may_not(world: World) -> None:
    for method in ("GET", "OPTIONS"):
        headers = {"Origin": "https://evil.example.com", "Access-Control-Request-Method": "GET"}
        answer = await world.client.request(method, "/api/v3/ping", headers=headers)
        assert "Access-Control-Allow-Origin" not in answer.headers, method


async def without_a_valid_token_nothing_is_told(world: World) -> None:
    """Whether the gateway verifies it or leaves that to the service."""
    for path in ("/wallet/v1/assets", "/notifier/v1/preferences", "/auth/v1/account"):
        expect(await world.client.get(path), 401)
        for wrong in ("Bearer x.y.z", f"Bearer {world.token}x", f"Basic {world.token}"):
            expect(await world.client.get(path, headers={"Authorization": wrong}), 401)
        expect(await world.client.get(path, headers={"Authorization": f"Bearer {world.token}"}), 200)
    # A provider signs its requests; the service refuses this one.
    expect(await world.client.post("/wallet/v1/deposits/webhook", json={}), 400, 401, 403, 422)


async def operators_come_from_their_networks_only(world: World) -> None:
    # Whatever a client says of its address.
    headers = {"Authorization": f"Bearer {world.token}", "X-Forwarded-For": "192.0.2.7"}
    expect(await world.client.get("/admin/v1/me", headers=headers), 403)
    expect(await world.client.get("/admin/v1/me"), 401, 403)


async def large_requests_are_refused(world: World) -> None:
    for path, size_kib in (("/api/v3/order", 64), ("/auth/v1/login", 16)):
        expect(await world.client.post(path, content=b"x" * (size_kib * 1024 + 1)), 413)
        chunked = await world.client.post(path, content=_chunks(size_kib + 1))
        expect(chunked, 413)
        expect(await world.client.post(path, content=b"x" * (size_kib * 1024 - 100)), 400, 401, 422)


async def _chunks(count: int) -> Any:
    for _ in range(count):
        yield b"x" * 1024


async def every_request_has_an_id(world: World) -> None:
    assert len((await world.client.get("/api/v3/ping")).headers["X-Request-Id"]) >= 32
    answer = await world.client.get("/api/v3/ping", headers={"X-Request-Id": "given-by-a-client"})
    assert answer.headers.get_list("X-Request-Id") == ["given-by-a-client"]


async def sockets_are_upgraded_and_may_be_silent(world: World) -> None:
    async with websockets.connect(f"{world.socket_url}/ws-api/v3", ping_interval=None) as connection:
        await connection.send(json.dumps({"id": "first", "method": "ping"}))
        assert json.loads(await asyncio.wait_for(connection.recv(), 10))["status"] == 200
        await asyncio.sleep(TIMEOUT_S + 1)
        await connection.send(json.dumps({"id": "second", "method": "time"}))
        assert json.loads(await asyncio.wait_for(connection.recv(), 10))["id"] == "second"
    for path in ("/ws/btcusdt@trade", "/ws", "/stream?streams=btcusdt@trade"):
        async with websockets.connect(f"{world.socket_url}{path}") as connection:
            await connection.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 1}))
            assert json.loads(await asyncio.wait_for(connection.recv(), 10))["id"] == 1


async def a_service_that_hangs_is_given_up(world: World) -> None:
    world.system.send_signal("auth", signal.SIGSTOP)
    try:
        started_s = time.monotonic()
        expect(await world.client.get("/auth/v1/account", headers={"Authorization": f"Bearer {world.token}"}), 504)
        assert time.monotonic() - started_s > TIMEOUT_S / 2, "given up too early"
        expect(await world.client.get("/api/v3/ping"), 200)
    finally:
        world.system.send_signal("auth", signal.SIGCONT)


async def floods_are_stopped(world: World) -> None:
    answers = await asyncio.gather(*(world.client.get("/auth/v1/account") for _ in range(FLOOD)))
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {401, 429}, f"unexpected among {sorted(set(statuses))}"
    assert statuses.count(429) >= FLOOD // 3, f"only {statuses.count(429)} of {FLOOD} were stopped"
    assert statuses.count(401) >= FLOOD // 15, "everything was stopped"
    expect(await world.client.get("/api/v3/ping"), 200)


# The flood is last: it takes a while until its route answers again.
CASES: Final[tuple[Case, ...]] = (
    public_routes_lead_to_their_service,
    an_order_is_traded,
    what_is_internal_does_not_exist,
    pages_of_allowed_origins_may_ask,
    pages_of_other_origins_may_not,
    without_a_valid_token_nothing_is_told,
    operators_come_from_their_networks_only,
    large_requests_are_refused,
    every_request_has_an_id,
    sockets_are_upgraded_and_may_be_silent,
    a_service_that_hangs_is_given_up,
    floods_are_stopped,
)
