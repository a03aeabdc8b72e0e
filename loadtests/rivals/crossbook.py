"""Crossbook itself, as ``make run`` starts it."""

import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import httpx
import msgspec
import psutil

from loadtests.rivals.contender import Claims, Contender
from loadtests.rivals.player import Answer, Unexpected
from loadtests.rivals.tape import DEPOSITS, MAKERS, STEPS_PER_UNIT, TRADERS, Kind, Step
from loadtests.traffic import TOO_LATE, Party
from loadtests.venue import HOST, Trader, Venue, VenueFailed, await_ready, end, launch_exchange
from services.domain.money import ONE_E8, parse_e8
from services.local.data_directory import DataDirectory

SYMBOL: Final = "BTCUSDT"
_REST: Final = b"recvWindow=60000&"


class Placed(msgspec.Struct, rename="camel"):
    executed_qty: str


class OpenOrder(msgspec.Struct, rename="camel"):
    client_order_id: str


_placed: Final = msgspec.json.Decoder(Placed)
_open_orders: Final = msgspec.json.Decoder(list[OpenOrder])


class BinanceDialect:
    def __init__(self, traders: Sequence[Trader], prefix: str = "s") -> None:
        self._parties = [Party(trader) for trader in traders]
        self._prefix = prefix

    def requests(self, step: Step) -> Sequence[bytes]:
        party, order_id = self._parties[step.trader], f"{self._prefix}{step.number}"
        if step.kind is Kind.CANCEL:
            payload = f"symbol={SYMBOL}&origClientOrderId={order_id}&".encode()
            return (party.without_body(b"DELETE", b"/api/v3/order", payload + _REST),)
        side = "BUY" if step.buys else "SELL"
        terms = f"type=LIMIT&timeInForce=GTC&price={step.price}" if step.kind is Kind.LIMIT else "type=MARKET"
        payload = f"symbol={SYMBOL}&side={side}&{terms}&quantity={step.quantity}&newClientOrderId={order_id}&".encode()
        return (party.post(b"/api/v3/order", payload + _REST),)

    def read(self, step: Step, bodies: Sequence[tuple[int, bytes]]) -> Answer:
        status, body = bodies[-1]
        if step.kind is Kind.CANCEL:
            if status == 200 or TOO_LATE in body:
                return Answer(too_late=status != 200)
        elif status == 200:
            if not step.takes:
                return Answer()
            return Answer(parse_e8(_placed.decode(body).executed_qty) * STEPS_PER_UNIT // ONE_E8)
        raise Unexpected(f"{status} {body[:200].decode(errors='replace')}")

    def batches(self, _steps: Sequence[Step]) -> Sequence[bytes] | None:
        return None

    def beat(self) -> bytes | None:
        return None

    def read_beat(self, _body: bytes) -> int:
        return 0

    def resting(self, http: httpx.Client) -> set[int]:
        """The numbers of the makers' orders that are open."""
        found: set[int] = set()
        for party in self._parties[:MAKERS]:
            request = party.without_body(b"GET", b"/api/v3/openOrders", f"symbol={SYMBOL}&".encode() + _REST)
            target, headers = _parts(request)
            answer = http.get(target, headers=headers)
            if answer.status_code != httpx.codes.OK:
                raise VenueFailed(f"open orders: {answer.status_code} {answer.text[:200]}")
            ids = (order.client_order_id for order in _open_orders.decode(answer.content))
            found |= {int(one.removeprefix(self._prefix)) for one in ids if one.startswith(self._prefix)}
        return found


class Crossbook(Contender):
    name = "Crossbook"
    version = "this commit"
    source = "this repository"
    conditions = "`crossbook up`: one trading process, one engine, PostgreSQL with `fsync`, Redis"
    claims = Claims(
        authentication="API key, HMAC signature, time window",
        filters="all of the market's, rate limits",
        balance="yes, reserves it",
        matching="yes",
        durable="yes: order, trades and balances are committed in PostgreSQL",
    )

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._directory = DataDirectory(root / "exchange")
        self._process: subprocess.Popen[bytes] | None = None
        self._venue: Venue | None = None
        self._dialect: BinanceDialect | None = None

    def start(self) -> None:
        self._process = launch_exchange(self._directory)
        self._venue = await_ready(self._directory, self._process)
        if self._dialect is None:
            self._dialect = BinanceDialect(self._venue.open_accounts(TRADERS, DEPOSITS))

    def stop(self) -> None:
        if self._process is not None:
            end(self._process, signal.SIGTERM)

    @property
    def port(self) -> int:
        return self._running.port

    @property
    def dialect(self) -> BinanceDialect:
        assert self._dialect is not None
        return self._dialect

    @property
    def roots(self) -> Mapping[str, int]:
        return self._running.roots

    def processes(self) -> list[psutil.Process]:
        assert self._process is not None
        supervisor = psutil.Process(self._process.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def restart(self) -> None:
        assert self._process is not None
        self._process.wait()
        self.start()

    def survivors(self) -> set[int]:
        with httpx.Client(base_url=f"http://{HOST}:{self.port}", trust_env=False, timeout=30) as http:
            return self.dialect.resting(http)

    @property
    def _running(self) -> Venue:
        assert self._venue is not None
        return self._venue


def _parts(request: bytes) -> tuple[str, dict[str, str]]:
    """Target and headers of a request without a body, for a client that writes them itself."""
    first, *lines = request.decode().rstrip().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    headers.pop("Host")
    return first.split(" ")[1], headers
