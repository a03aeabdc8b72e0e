"""``crossbook up --tls``: one exchange behind two ports, with a certificate that can be trusted and not misused."""

import asyncio
import itertools
import os
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ccxt.async_support as ccxt_async  # type: ignore[import-untyped]
import httpx
import pytest
from cryptography import x509

from services.local import certificate
from services.local.certificate import LIFETIME, RENEW_BEFORE, ensure_certificate
from services.local.data_directory import DataDirectory
from tests.api.trader import Trader
from tests.clients.conftest import ccxt_addresses
from tests.local.test_cli import crossbook
from tests.running import RunningSystem, free_port, wait_until
from tests.streams.stream_socket import open_streams
from tests.streams.test_stream_connections import BUFFER_BYTES, metric, quote, until

TIMEOUT_S = 30


class TlsSystem:
    """A running exchange and its second port."""

    def __init__(self, running: RunningSystem, port: int) -> None:
        self.running = running
        self.port = port
        self.url = f"https://localhost:{port}"
        self.certificate = running.directory.tls_certificate

    def context(self) -> ssl.SSLContext:
        """What a client has that trusts this certificate and no other."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        # As Python does by itself from 3.13 on.
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, verify=self.context(), timeout=TIMEOUT_S, trust_env=False)


@pytest.fixture(scope="module")
def tls(session_directory: Path, wide_markets: Path, migrated_cluster: Path) -> Iterator[TlsSystem]:
    port = free_port()
    environment = {
        "CROSSBOOK_MARKETS_FILE": str(wide_markets),
        "CROSSBOOK_SOCKET_BUFFER_BYTES": str(BUFFER_BYTES),
        "CROSSBOOK_LIMITS": "REQUEST_WEIGHT=1000000/1M",
    }
    arguments = ("--no-demo", "--lean", "--tls", "--tls-port", str(port))
    running = RunningSystem(session_directory / "tls", *arguments, environment=environment, cluster=migrated_cluster)
    try:
        yield TlsSystem(running.start(), port)
    finally:
        running.stop()


@pytest.fixture
def trader(tls: TlsSystem) -> Iterator[Trader]:
    """Over TLS."""
    with tls.client() as http:
        trader = Trader(http, tls.running.create_account({"USDT": "1000000", "BTC": "10"}))
        yield trader
        trader.cancel_everything()


def test_it_trades_and_signs_in_over_tls(tls: TlsSystem, trader: Trader) -> None:
    placed = trader.buy("0.01", "30000")
    with httpx.Client(base_url=tls.running.base_url, trust_env=False) as plain:
        there = plain.get("/api/v3/depth", params={"symbol": "BTCUSDT"}).json()
    assert ["30000.00000000", "0.01000000"] in there["bids"]
    assert trader.get("order", symbol="BTCUSDT", orderId=placed["orderId"])["status"] == "NEW"
    with tls.client() as http:
        answer = http.post("/auth/v1/register", json={"email": "tls@example.com", "password": "a long enough password"})
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text


async def test_both_ports_are_one_application(tls: TlsSystem, trader: Trader) -> None:
    """A plain client and one with TLS are counted together, by sockets and by weight, and hear the same bytes."""
    plain_url = tls.running.base_url
    path = "/ws/btcusdt@depth@100ms"
    async with open_streams(tls.url, path, ssl=tls.context()) as secure, open_streams(plain_url, path) as plain:
        assert await asyncio.to_thread(metric, plain_url, "crossbook_trading_sockets") == 2
        await asyncio.to_thread(trader.buy, "0.02", "31000")
        heard = await secure.until(lambda event: ["31000.00000000", "0.02000000"] in event["b"])
        assert await plain.until(lambda event: bool(event["u"] == heard["u"])) == heard
    weights = []
    async with httpx.AsyncClient(verify=tls.context(), trust_env=False) as http:
        for base_url in (f"https://127.0.0.1:{tls.port}", plain_url) * 2:
            answer = await http.get(f"{base_url}/api/v3/time")
            weights.append(int(answer.headers["X-MBX-USED-WEIGHT"]))
    # Unless the minute ended in between.
    assert all(after == before + 1 or after == 1 for before, after in itertools.pairwise(weights))


async def test_a_slow_client_is_dropped_with_tls_too(tls: TlsSystem, trader: Trader) -> None:
    """What waits behind the encryption is counted."""
    plain_url = tls.running.base_url
    names = ("depth5@100ms", "depth10@100ms", "depth20@100ms", "depth", "depth@100ms", "bookTicker")
    streams = "/".join(f"btcusdt@{name}" for name in names)
    dropped = "crossbook_trading_sockets_dropped_total", 'reason="Slow consumer"'
    before = metric(plain_url, *dropped)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(TIMEOUT_S)
    await asyncio.to_thread(client.connect, ("127.0.0.1", tls.port))
    slow = await asyncio.to_thread(tls.context().wrap_socket, client, server_hostname="localhost")
    request = (
        f"GET /stream?streams={streams} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    slow.sendall(request.encode())
    assert b"101" in slow.recv(64)

    async def trade_until_dropped() -> None:
        while metric(plain_url, *dropped) == before:
            await asyncio.to_thread(quote, trader, 10)
            await asyncio.to_thread(trader.cancel_everything)

    await asyncio.wait_for(trade_until_dropped(), 4 * TIMEOUT_S)
    await until(lambda: metric(plain_url, "crossbook_trading_sockets") == 0)
    slow.close()


async def test_ccxt_with_its_cafile(tls: TlsSystem) -> None:
    urls = ccxt_addresses(tls.url, tls.url.replace("https", "wss", 1))
    exchange = ccxt_async.binance(
        {
            "urls": urls,
            "cafile": str(tls.certificate),
            "options": {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False},
        }
    )
    try:
        assert "BTC/USDT" in await exchange.load_markets()
    finally:
        await exchange.close()


def test_what_is_printed_can_be_pasted(tls: TlsSystem) -> None:
    (trust,) = [line for line in tls.running.printed.splitlines() if "SSL_CERT_FILE" in line]
    program = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).status)"
    fetch = f'{trust.partition("Trust it")[2].strip()} && "{sys.executable}" -c "{program}" {tls.url}/api/v3/ping'
    environment = os.environ | {"no_proxy": "localhost"}
    done = subprocess.run(["sh", "-c", fetch], capture_output=True, text=True, env=environment, timeout=TIMEOUT_S)
    assert done.stdout.strip() == "200", done.stderr
    assert tls.url in tls.running.printed
    status = crossbook("status", "--data-dir", tls.running.directory.root)
    assert f"With TLS on {tls.url}, certificate {tls.certificate}" in status.stdout


def test_who_was_not_told_to_trust_it_does_not(tls: TlsSystem) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{tls.url}/api/v3/ping", trust_env=False)


def test_old_versions_of_tls_and_plain_requests_are_refused(tls: TlsSystem) -> None:
    old = tls.context()
    with pytest.warns(DeprecationWarning):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", tls.port), TIMEOUT_S) as connection, pytest.raises(ssl.SSLError):
        old.wrap_socket(connection, server_hostname="localhost")
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://localhost:{tls.port}/api/v3/ping", trust_env=False)


@pytest.mark.slow
def test_whoever_does_not_shake_hands_keeps_nobody_from_it(tls: TlsSystem) -> None:
    mute = [socket.create_connection(("127.0.0.1", tls.port), TIMEOUT_S) for _ in range(50)]
    with tls.client() as http:
        assert http.get("/api/v3/ping").status_code == httpx.codes.OK
    for connection in mute:
        connection.settimeout(TIMEOUT_S)
        # Within the handshake's own timeout.
        assert connection.recv(1) == b""
        connection.close()


def test_the_certificate_outlives_a_restart_and_a_lost_one_is_replaced(tls: TlsSystem) -> None:
    before = tls.certificate.read_bytes()
    tls.running.restart()
    assert tls.certificate.read_bytes() == before
    tls.certificate.unlink()
    tls.running.kill_process("trading")
    tls.running.wait_ready()
    assert tls.certificate.read_bytes() != before
    with tls.client() as http:
        assert http.get("/api/v3/ping").status_code == httpx.codes.OK


def test_a_process_that_cannot_listen_with_tls_says_so_and_starts_when_it_can(tls: TlsSystem) -> None:
    """Rather than serve half of what it was told to."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tls.running.kill_process("trading")
        taken.bind(("127.0.0.1", tls.port))
        taken.listen()
        log = tls.running.directory.logs / "trading.log"
        wait_until(lambda: "tls_listener_failed" in log.read_text(), 2 * TIMEOUT_S)
        assert tls.running.state.process("trading").state != "ready"
    tls.running.wait_ready(2 * TIMEOUT_S)
    with tls.client() as http:
        assert http.get("/api/v3/ping").status_code == httpx.codes.OK


def test_a_port_that_is_taken_is_named_with_another_one(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        directory = ("--data-dir", tmp_path / "data")
        result = crossbook("up", *directory, "--port", str(free_port()), "--tls", "--tls-port", str(port))
        assert result.returncode == 1
        assert f"port {port} is in use" in result.stderr
        assert "crossbook up --tls-port " in result.stderr
    same = crossbook("up", *directory, "--port", "9000", "--tls", "--tls-port", "9000")
    assert (same.returncode, "already the other port" in same.stderr) == (2, True)


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    made = DataDirectory(tmp_path / "data")
    made.claim()
    return made


def read(directory: DataDirectory) -> x509.Certificate:
    return x509.load_pem_x509_certificate(directory.tls_certificate.read_bytes())


def test_the_key_is_its_owner_s_alone_and_the_certificate_no_authority(directory: DataDirectory) -> None:
    ensure_certificate(directory)
    assert stat.S_IMODE(directory.tls_key.stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.tls.stat().st_mode) == 0o700
    made = read(directory)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    assert {*names.get_values_for_type(x509.DNSName), *addresses} == {"localhost", "127.0.0.1", "::1"}
    assert made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert made.not_valid_after_utc - made.not_valid_before_utc < timedelta(days=825)


def make_at(directory: DataDirectory, monkeypatch: pytest.MonkeyPatch, age: timedelta) -> bytes:
    """A certificate that was made so long ago."""

    class Then(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) - age

    with monkeypatch.context() as patch:
        patch.setattr(certificate, "datetime", Then)
        ensure_certificate(directory)
    return directory.tls_certificate.read_bytes()


@pytest.mark.parametrize(
    ("left", "is_kept"), [(timedelta(days=1), True), (-timedelta(days=1), False), (-LIFETIME, False)]
)
def test_it_is_replaced_when_it_nears_its_end(
    directory: DataDirectory, monkeypatch: pytest.MonkeyPatch, left: timedelta, is_kept: bool
) -> None:
    """``left`` before it would be."""
    before = make_at(directory, monkeypatch, LIFETIME - RENEW_BEFORE - left)
    ensure_certificate(directory)
    assert (directory.tls_certificate.read_bytes() == before) is is_kept
    assert read(directory).not_valid_after_utc - datetime.now(UTC) > RENEW_BEFORE


@pytest.mark.parametrize(
    "damage", ["key missing", "certificate missing", "not a key", "not a certificate", "another's"]
)
def test_what_cannot_be_used_is_made_anew(directory: DataDirectory, tmp_path: Path, damage: str) -> None:
    ensure_certificate(directory)
    before = directory.tls_certificate.read_bytes()
    if damage == "key missing":
        directory.tls_key.unlink()
    elif damage == "certificate missing":
        directory.tls_certificate.unlink()
    elif damage == "not a key":
        directory.tls_key.write_bytes(b"\x00")
    elif damage == "not a certificate":
        directory.tls_certificate.write_bytes(b"")
    else:
        other = DataDirectory(tmp_path / "other")
        other.claim()
        ensure_certificate(other)
        directory.tls_key.write_bytes(other.tls_key.read_bytes())
    ensure_certificate(directory)
    assert directory.tls_certificate.read_bytes() != before
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory.tls_certificate, directory.tls_key)
