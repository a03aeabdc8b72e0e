"""Locust users of a spot exchange: makers, takers, watchers, readers, readers of history and web sessions.

Half of the requests are writes. Every user sends a fixed number of requests a second, so the number of users is the
rate. ``python -m loadtests.crowd`` (``make load``) starts an exchange, opens accounts and runs this; by hand:

    locust -f loadtests/locustfile.py --host http://127.0.0.1:8080 --accounts accounts.json

The run fails (exit code 1) if anything failed, if p99 is not under ``--p99-ms``, or if the target rate was missed. It
refuses hosts that are not this machine: it is meant to load an exchange of one's own.
"""

import hmac
import itertools
import json
import logging
import random
import threading
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import urlencode, urlsplit

from locust import FastHttpUser, LoadTestShape, constant_throughput, events, task
from locust.env import Environment
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

REQUESTS_PER_USER_S: Final = 5.0
# The rate may fall short by what starting and stopping costs.
RATE_TOLERANCE: Final = 0.03
WARM_UP_S: Final = 10.0
STEP_SHARES: Final = (0.2, 0.4, 0.6, 0.8, 1.0)
MAX_OPEN_PER_USER: Final = 20
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
PRICES: Final = {"BTCUSDT": (60_000.0, 2, "0.00{}"), "ETHUSDT": (3_000.0, 2, "0.0{}"), "ETHBTC": (0.05, 5, "0.{}")}
TOO_LATE: Final = -2011

_log = logging.getLogger(__name__)
_accounts: Iterator[dict[str, str]] = iter(())
_sessions: Iterator[dict[str, str]] = iter(())
_names = itertools.count(1)


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--accounts", default="", help="File with the accounts and web logins to use.")
    parser.add_argument("--rate", type=float, default=500.0, help="Requests per second to reach and hold.")
    parser.add_argument("--seconds", type=float, default=600.0, help="How long to hold the rate.")
    parser.add_argument("--load-shape", choices=("soak", "step"), default="soak", help="Hold one rate, or climb to it.")
    parser.add_argument("--p99-ms", type=float, default=100.0, help="What 99 of 100 requests must be faster than.")


def _begin(environment: Environment, **_: Any) -> None:
    global _accounts, _sessions
    options = environment.parsed_options
    if options is None:
        return
    if urlsplit(environment.host or "").hostname not in LOOPBACK:
        raise SystemExit(f"{environment.host} is not this machine: refusing to load it")
    if not options.accounts:
        raise SystemExit("--accounts names no file; `python -m loadtests.crowd` makes one")
    known = json.loads(Path(options.accounts).read_text())
    _accounts, _sessions = itertools.cycle(known["accounts"]), itertools.cycle(known["sessions"])


def _judge(environment: Environment, **_: Any) -> None:
    """Pass or fail. What was asked before everybody had started is not counted."""
    options, total = environment.parsed_options, environment.stats.total
    assert options is not None
    seconds = max(1.0, (total.last_request_timestamp or 0) - total.start_time)
    rate, p99_ms = total.num_requests / seconds, total.get_response_time_percentile(0.99) or 0.0
    shortcomings = []
    if total.num_failures or not total.num_requests:
        shortcomings.append(f"{total.num_failures} of {total.num_requests} requests failed")
    if p99_ms >= options.p99_ms:
        shortcomings.append(f"p99 is {p99_ms:.0f} ms, not under {options.p99_ms:.0f}")
    if options.load_shape == "soak" and rate < options.rate * (1 - RATE_TOLERANCE):
        shortcomings.append(f"{rate:.0f} requests/s, not {options.rate:.0f}")
    environment.process_exit_code = 1 if shortcomings else 0
    _log.warning(
        "%s: %.0f requests/s for %.0f s, p50 %.0f ms, p99 %.0f ms, %d failures%s",
        "FAILED" if shortcomings else "passed",
        *(rate, seconds, total.median_response_time, p99_ms, total.num_failures),
        "".join(f"; {shortcoming}" for shortcoming in shortcomings),
    )


events.init_command_line_parser.add_listener(_add_options)  # type: ignore[no-untyped-call]
events.init.add_listener(_begin)  # type: ignore[no-untyped-call]
events.quitting.add_listener(_judge)  # type: ignore[no-untyped-call]


class Load(LoadTestShape):
    """``soak`` starts everybody and holds the rate; ``step`` climbs to it in five steps of equal length."""

    reset_time_counter = False

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._is_warm = False

    def tick(self) -> tuple[int, float] | None:
        options = self.runner.environment.parsed_options if self.runner is not None else None
        assert self.runner is not None and options is not None
        users = max(len(USERS), round(options.rate / REQUESTS_PER_USER_S))
        now_s = self.get_run_time()  # type: ignore[no-untyped-call]
        if options.load_shape == "step":
            step = int(now_s / options.seconds * len(STEP_SHARES))
            return (round(users * STEP_SHARES[step]), users) if step < len(STEP_SHARES) else None
        if now_s >= WARM_UP_S and not self._is_warm:
            self._is_warm = True
            self.runner.stats.reset_all()
        return (users, users) if now_s < WARM_UP_S + options.seconds else None


class _User(FastHttpUser):
    """Someone with an account, seeded by the order of starting."""

    abstract = True
    wait_time = constant_throughput(REQUESTS_PER_USER_S)
    connection_timeout = 10.0
    network_timeout = 20.0

    def on_start(self) -> None:
        self.chance = random.Random(next(_names))
        account = next(_accounts)
        self._secret_key = account["secretKey"].encode()
        self._headers = {"X-MBX-APIKEY": account["apiKey"]}

    def signed(self, method: str, path: str, **parameters: object) -> dict[str, Any] | None:
        """The answer; None for an error, of which one is none: to cancel what has just been filled."""
        query = urlencode({**parameters, "recvWindow": 30_000, "timestamp": time.time_ns() // 1_000_000})
        signature = hmac.digest(self._secret_key, query.encode(), "sha256").hex()
        url, name = f"/api/v3/{path}?{query}&signature={signature}", f"/api/v3/{path}"
        with self.client.request(method, url, name=name, headers=self._headers, catch_response=True) as response:
            if response.status_code == 200:
                answer: dict[str, Any] = response.json()
                return answer
            if response.status_code == 400 and response.json().get("code") == TOO_LATE:
                response.success()
            else:
                response.failure(f"{response.status_code} {response.text}")
            return None

    def public(self, path: str, **parameters: object) -> None:
        self.client.get(f"/api/v3/{path}?{urlencode(parameters)}", name=f"/api/v3/{path}")

    def symbol(self) -> str:
        return self.chance.choices(tuple(PRICES), (6, 3, 1))[0]

    def order(self, symbol: str, side: str, **terms: object) -> dict[str, Any] | None:
        quantity = PRICES[symbol][2].format(self.chance.randint(1, 9))
        return self.signed("POST", "order", symbol=symbol, side=side, quantity=quantity, **terms)

    def price(self, symbol: str, side: str, *, away: bool) -> str:
        """Resting a little away from the middle, or reaching across it."""
        middle, places, _ = PRICES[symbol]
        distance = middle * (self.chance.expovariate(1) / 1_000 + 0.0001) if away else -middle / 200
        return f"{middle - distance if side == 'BUY' else middle + distance:.{places}f}"


class Maker(_User):
    """Keeps some orders open around the price."""

    weight = 36

    def on_start(self) -> None:
        super().on_start()
        self._open: list[tuple[str, int]] = []

    @task
    def quote(self) -> None:
        if self.chance.random() < len(self._open) / MAX_OPEN_PER_USER:
            symbol, order_id = self._open.pop(self.chance.randrange(len(self._open)))
            self.signed("DELETE", "order", symbol=symbol, orderId=order_id)
            return
        symbol, side = self.symbol(), self.chance.choice(("BUY", "SELL"))
        price = self.price(symbol, side, away=True)
        placed = self.order(symbol, side, type="LIMIT", timeInForce="GTC", price=price)
        if placed is not None and placed["status"] in ("NEW", "PARTIALLY_FILLED"):
            self._open.append((symbol, placed["orderId"]))


class Taker(_User):
    """Takes what others offer."""

    weight = 14

    @task
    def take(self) -> None:
        symbol, side = self.symbol(), self.chance.choice(("BUY", "SELL"))
        price = self.price(symbol, side, away=False)
        self.order(symbol, side, type="LIMIT", timeInForce="IOC", price=price)


class Reader(_User):
    """A bot that looks before it acts."""

    weight = 26

    @task(4)
    def depth(self) -> None:
        self.public("depth", symbol=self.symbol(), limit=100)

    @task(3)
    def ticker(self) -> None:
        self.public("ticker/bookTicker", symbol=self.symbol())

    @task(2)
    def account(self) -> None:
        self.signed("GET", "account", omitZeroBalances="true")

    @task(2)
    def open_orders(self) -> None:
        self.signed("GET", "openOrders", symbol=self.symbol())


class HistoryReader(_User):
    """Someone who adds up what has been."""

    weight = 12

    @task(3)
    def trades(self) -> None:
        self.signed("GET", "myTrades", symbol=self.symbol(), limit=100)

    @task(2)
    def orders(self) -> None:
        self.signed("GET", "allOrders", symbol=self.symbol(), limit=100)

    @task(3)
    def candles(self) -> None:
        self.public("klines", symbol=self.symbol(), interval=self.chance.choice(("1m", "5m", "1h")), limit=200)

    @task(2)
    def public_trades(self) -> None:
        self.public("aggTrades", symbol=self.symbol(), limit=200)


class WebSession(FastHttpUser):
    """A person at a terminal: signed in with a password, so nothing is signed."""

    weight = 8
    wait_time = constant_throughput(REQUESTS_PER_USER_S)
    connection_timeout = 10.0
    network_timeout = 20.0

    def on_start(self) -> None:
        self.chance = random.Random(next(_names))
        self._login = next(_sessions)
        self._headers = {"Authorization": f"Bearer {self._login['accessToken']}"}

    @task(3)
    def account(self) -> None:
        self._ask("/api/v3/account?omitZeroBalances=true", "/api/v3/account (web)")

    @task(3)
    def open_orders(self) -> None:
        self._ask("/api/v3/openOrders?symbol=BTCUSDT", "/api/v3/openOrders (web)")

    @task(2)
    def candles(self) -> None:
        self._ask("/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=500", "/api/v3/klines (web)")

    def _ask(self, url: str, name: str) -> None:
        with self.client.get(url, name=name, headers=self._headers, catch_response=True) as response:
            if response.status_code == 401:
                # The token has had its time, as it must in a long run.
                response.success()
                self._sign_in()

    def _sign_in(self) -> None:
        credentials = {"email": self._login["email"], "password": self._login["password"]}
        response = self.client.post("/auth/v1/login", json=credentials)
        if response.status_code == 200:
            self._headers = {"Authorization": f"Bearer {response.json()['accessToken']}"}


class Watcher(FastHttpUser):
    """Reads market streams; asks for little, hears much. A stream that ends by itself counts as a failure."""

    weight = 4
    wait_time = constant_throughput(REQUESTS_PER_USER_S)
    STREAMS: ClassVar[str] = "btcusdt@trade/btcusdt@depth@100ms/btcusdt@bookTicker/btcusdt@kline_1m"

    def on_start(self) -> None:
        self._stopping = threading.Event()
        host = (self.host or "").replace("http", "ws", 1)
        self._url = f"{host}/stream?streams={self.STREAMS}"
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def on_stop(self) -> None:
        self._stopping.set()

    @task
    def ticker(self) -> None:
        self.client.get("/api/v3/ticker/24hr?symbol=BTCUSDT", name="/api/v3/ticker/24hr")

    def _read(self) -> None:
        started_s, count, failure = time.time(), 0, None
        try:
            with connect(self._url, open_timeout=20) as socket:
                while not self._stopping.is_set():
                    try:
                        socket.recv(timeout=1)
                        count += 1
                    except TimeoutError:
                        continue
        except (WebSocketException, OSError) as error:
            failure = error
        if failure is not None and not self._stopping.is_set():
            self.environment.events.request.fire(
                request_type="WS",
                name="/stream",
                response_time=(time.time() - started_s) * 1_000,
                response_length=count,
                exception=failure,
                context={},
            )


USERS: Final = (Maker, Taker, Reader, HistoryReader, WebSession, Watcher)
