"""PyPI's order-matching: a matching engine in Python behind FastAPI, everything in memory.

Its server places orders with one request and matches them with another, which also lets simulated traders act: the time
named to it never moves on, so those act once, and their first orders are cancelled before the tape begins. It is played
in two ways: each order matched before the next is sent on that connection, or all orders matched once a second, as its
own page does while others place.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import httpx
import msgspec

from loadtests.conditions import ROOT
from loadtests.connection import request
from loadtests.rivals.contender import Claims, Contender
from loadtests.rivals.player import Answer, Unexpected
from loadtests.rivals.tape import STEPS_PER_UNIT, TICKS_PER_UNIT, Kind, Step
from loadtests.venue import HOST, START_TIMEOUT_S, VenueFailed, end, free_port

ENVIRONMENT: Final = ROOT / ".venv-order-matching"
LOCK: Final = Path(__file__).parent / "order-matching.lock"
PARCEL: Final = 500
_BEGINNING: Final = datetime(2026, 1, 1)
_JSON: Final = {"Content-Type": "application/json"}


class Trade(msgspec.Struct):
    size: float


class Matched(msgspec.Struct):
    trades: list[Trade]


class Resting(msgspec.Struct):
    order_id: str


class Book(msgspec.Struct):
    bids: dict[str, list[Resting]]
    offers: dict[str, list[Resting]]


_matched: Final = msgspec.json.Decoder(Matched)
_book: Final = msgspec.json.Decoder(Book)
_MATCH: Final = request("POST", "/match", _JSON, msgspec.json.encode({"timestamp": _BEGINNING.isoformat()}))


class PlaceAndMatchDialect:
    """``matches_each`` sends a request to match behind each order, else one does so once a second."""

    def __init__(self, *, matches_each: bool) -> None:
        self._matches_each = matches_each

    def requests(self, step: Step) -> Sequence[bytes]:
        if step.kind is Kind.CANCEL:
            return (request("DELETE", f"/orders/s{step.number}", {}),)
        placing = _placing([step])
        return (placing, _MATCH) if self._matches_each else (placing,)

    def read(self, step: Step, bodies: Sequence[tuple[int, bytes]]) -> Answer:
        for status, body in bodies:
            if status != 200 and not (status == 404 and step.kind is Kind.CANCEL):
                raise Unexpected(f"{status} {body[:200].decode(errors='replace')}")
        if step.kind is Kind.CANCEL:
            return Answer(too_late=bodies[-1][0] == 404)
        if not self._matches_each:
            return Answer()
        if len(bodies) != 2:
            raise Unexpected("placed and not matched")
        return Answer(_executed(bodies[1][1]))

    def batches(self, steps: Sequence[Step]) -> Sequence[bytes] | None:
        return [
            parcel
            for first in range(0, len(steps), PARCEL)
            for parcel in (_placing(steps[first : first + PARCEL]), _MATCH)
        ]

    def beat(self) -> bytes | None:
        return None if self._matches_each else _MATCH

    def read_beat(self, body: bytes) -> int:
        return _executed(body)


class OrderMatching(Contender):
    """Each order is matched by a second request, which is part of what is measured."""

    name = "order-matching, matched at once"
    version = "0.12.0"
    source = (
        "PyPI `order-matching[all]`, locked in `loadtests/rivals/order-matching.lock`; `make side-by-side` installs it"
    )
    conditions = (
        "`uvicorn order_matching.api.app:app` with uvloop and httptools, one process (it keeps state in memory), no log"
    )
    claims = Claims(
        authentication="none",
        filters="type, size and price above zero, id not used",
        balance="none",
        matching="yes (the answer to the second request)",
        durable="no: nothing is stored",
    )
    matches_each = True

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._dialect = PlaceAndMatchDialect(matches_each=self.matches_each)

    @classmethod
    def unavailable(cls) -> str:
        missing = not (ENVIRONMENT / "bin" / "uvicorn").exists()
        return "not installed: `make .venv-order-matching/stamp`" if missing else ""

    def start(self) -> None:
        command = (
            *(str(ENVIRONMENT / "bin" / "uvicorn"), "order_matching.api.app:app", "--host", HOST),
            *("--port", str(self._port), "--no-access-log", "--log-level", "warning"),
        )
        with (self.root / "server.log").open("ab") as log:
            # Its own log writes several lines an order at the level that it begins with.
            environment = {**os.environ, "LOGURU_LEVEL": "ERROR"}
            self._process = subprocess.Popen(command, cwd=self.root, env=environment, stdout=log, stderr=log)
        with self._http() as http:
            _wait(http, self._process)
            http.post("/match", json={"timestamp": _BEGINNING.isoformat()}).raise_for_status()
            for order_id in _order_ids(http):
                http.delete(f"/orders/{order_id}").raise_for_status()

    def stop(self) -> None:
        if self._process is not None:
            end(self._process, signal.SIGTERM)

    def restart(self) -> None:
        assert self._process is not None
        self._process.wait()
        self.start()

    @property
    def port(self) -> int:
        return self._port

    @property
    def dialect(self) -> PlaceAndMatchDialect:
        return self._dialect

    @property
    def roots(self) -> Mapping[str, int]:
        assert self._process is not None
        return {"server": self._process.pid}

    def survivors(self) -> set[int]:
        with self._http() as http:
            return {int(one.removeprefix("s")) for one in _order_ids(http) if one.startswith("s")}

    def settle(self) -> int:
        with self._http() as http:
            response = http.post("/match", json={"timestamp": _BEGINNING.isoformat()})
        if response.status_code != 200:
            raise Unexpected(f"{response.status_code} {response.text[:200]}")
        return _executed(response.content)

    def _http(self) -> httpx.Client:
        return httpx.Client(base_url=f"http://{HOST}:{self._port}", trust_env=False, timeout=60)


class OrderMatchingEachSecond(OrderMatching):
    """As its page does it: place, and match everything once a second."""

    name = "order-matching, matched each second"
    claims = Claims(
        authentication="none",
        filters="type, size and price above zero, id not used",
        balance="none",
        matching="no: once a second",
        durable="no: nothing is stored",
    )
    matches_each = False


def _wait(http: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s and process.poll() is None:
        try:
            http.get("/version").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise VenueFailed("order-matching did not start")


def _placing(steps: Sequence[Step]) -> bytes:
    return request("POST", "/place", _JSON, msgspec.json.encode({"orders": [_order(step) for step in steps]}))


def _order(step: Step) -> dict[str, object]:
    order: dict[str, object] = {
        "order_type": step.kind,
        "order_id": f"s{step.number}",
        "trader_id": f"t{step.trader}",
        "side": "BUY" if step.buys else "SELL",
        "size": step.quantity_steps / STEPS_PER_UNIT,
        "timestamp": (_BEGINNING + timedelta(microseconds=step.number)).isoformat(),
    }
    return order if step.kind is Kind.MARKET else {**order, "price": step.price_ticks / TICKS_PER_UNIT}


def _executed(body: bytes) -> int:
    """Sizes are binary fractions there: what is summed is rounded once."""
    return round(sum(trade.size for trade in _matched.decode(body).trades) * STEPS_PER_UNIT)


def _order_ids(http: httpx.Client) -> list[str]:
    book = _book.decode(http.get("/orders").raise_for_status().content)
    return [order.order_id for side in (book.bids, book.offers) for level in side.values() for order in level]
