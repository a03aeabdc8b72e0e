"""Realistic requests in the Binance Spot dialect, ready to send: orders near a moving price, cancels, takers, reads.

Everybody trades three markets around one random walk each. A trader keeps a bounded number of orders open: with few it
places, with many it cancels. ``Traffic`` learns from the answers which orders rest, so it names real orders in cancels
and queries; a maker that was filled meanwhile is not announced, so some cancels come too late, as in life (-2011).
"""

import hmac
import random
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from loadtests.venue import HOST, Trader

DEPOSITS: Final = {"USDT": "20000000", "BTC": "1000", "ETH": "20000"}
MAX_OPEN_PER_TRADER: Final = 60
TOO_LATE: Final = b'"code":-2011,'
# Of -1008 and -1001: not carried out.
REFUSED_STATUS: Final = 503
_SIGNATURE_NAME: Final = b"&signature="


class Kind(StrEnum):
    """What a request asks for; the first three are order entry."""

    LIMIT = "limit"
    TAKER = "taker"
    CANCEL = "cancel"
    ORDER = "order"
    OPEN_ORDERS = "openOrders"
    ACCOUNT = "account"
    DEPTH = "depth"
    TICKER = "ticker"


ORDER_ENTRY: Final = frozenset({Kind.LIMIT, Kind.TAKER, Kind.CANCEL})


class Request(NamedTuple):
    kind: Kind
    content: bytes
    party: "Party"
    client_order_id: str
    symbol: str = ""


class Symbol:
    """A market's grid, and a price that wanders around where it began. Prices in ticks, quantities in steps."""

    def __init__(self, name: str, tick: tuple[int, int], step: tuple[int, int], price: int, quantity: int) -> None:
        self.name = name
        self.price = self._home = price
        self.typical_quantity = quantity
        self._tick_units, self._tick_places = tick
        self._step_units, self._step_places = step

    def wander(self, chance: random.Random) -> None:
        pull = (self._home - self.price) // 400
        self.price += pull + round(chance.gauss(0, self._home / 40_000))

    def price_text(self, ticks: int) -> str:
        return _decimal(ticks * self._tick_units, self._tick_places)

    def quantity_text(self, steps: int) -> str:
        return _decimal(steps * self._step_units, self._step_places)


class Party:
    """One trader: its key, and the orders it believes open."""

    def __init__(self, trader: Trader) -> None:
        self.secret_key = trader.secret_key
        self.api_key = trader.api_key.encode()
        self.open: list[tuple[str, str]] = []
        self.known: tuple[str, str] | None = None
        self._headers = f"HTTP/1.1\r\nHost: {HOST}\r\nX-MBX-APIKEY: {trader.api_key}\r\n".encode()

    def post(self, path: bytes, payload: bytes) -> bytes:
        signed = self._sign(payload)
        return b"POST %b %bContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%b" % (
            path,
            self._headers,
            len(signed),
            signed,
        )

    def without_body(self, method: bytes, path: bytes, payload: bytes) -> bytes:
        return b"%b %b?%b %b\r\n" % (method, path, self._sign(payload), self._headers)

    def _sign(self, payload: bytes) -> bytes:
        stamped = b"%btimestamp=%d" % (payload, time.time_ns() // 1_000_000)
        return stamped + _SIGNATURE_NAME + hmac.digest(self.secret_key, stamped, "sha256").hex().encode()


class Traffic:
    """An endless, seeded stream of requests. ``learn`` takes what came back.

    Orders are numbered from ``first_number``: of two streams for the same traders, one begins where no order is open.
    """

    def __init__(self, traders: Sequence[Trader], seed: int, *, first_number: int = 0) -> None:
        self._chance = random.Random(seed)
        self._parties = [Party(trader) for trader in traders]
        self._number = first_number
        self._symbols = (
            Symbol("BTCUSDT", (1, 2), (1, 5), 6_000_000, 400),
            Symbol("ETHUSDT", (1, 2), (1, 4), 300_000, 800),
            Symbol("ETHBTC", (1, 5), (1, 3), 5_000, 80),
        )
        self._reads: tuple[tuple[float, Callable[[], Request]], ...] = (
            (0.30, self._query_order),
            (0.50, self._open_orders),
            (0.65, self._account),
            (0.85, self._depth),
            (1.00, self._ticker),
        )

    def mixed(self) -> Request:
        """Half order entry, half reads."""
        return self.order_entry() if self._chance.random() < 0.5 else self.read()

    def order_entry(self) -> Request:
        """Placing, cancelling and taking; the share of cancels follows from how many orders are open."""
        party = self._chance.choice(self._parties)
        if self._chance.random() < 0.15:
            return self._take(party)
        if self._chance.random() < len(party.open) / MAX_OPEN_PER_TRADER:
            return self._cancel(party)
        return self._limit(party)

    def placing(self) -> Request:
        """New orders only, nearly half of which take: the books neither empty nor fill up."""
        party = self._chance.choice(self._parties)
        return self._take(party) if self._chance.random() < 0.45 else self._limit(party)

    def resting(self) -> Request:
        """New orders, most of which rest: to fill the books before a run."""
        return self._limit(self._chance.choice(self._parties))

    def cancel_all(self) -> list[Request]:
        """Empty the books: one request for each trader and market."""
        requests = []
        for party in self._parties:
            party.open.clear()
            for symbol in self._symbols:
                payload = f"symbol={symbol.name}&recvWindow=30000&".encode()
                content = party.without_body(b"DELETE", b"/api/v3/openOrders", payload)
                requests.append(Request(Kind.CANCEL, content, party, ""))
        return requests

    def read(self) -> Request:
        drawn = self._chance.random()
        return next(build for share, build in self._reads if drawn < share)()

    @staticmethod
    def learn(request: Request, status: int, body: bytes) -> bool:
        """Remember what the answer says; False when it is an error. A cancel that came too late is none."""
        if status == 200:
            if request.kind is Kind.LIMIT:
                symbol = body[11 : body.index(b'"', 11)].decode()
                request.party.known = (symbol, request.client_order_id)
                if b'"status":"NEW"' in body or b'"status":"PARTIALLY_FILLED"' in body:
                    request.party.open.append((symbol, request.client_order_id))
            return True
        if request.kind is Kind.CANCEL and status == REFUSED_STATUS and request.client_order_id:
            # Nothing was carried out, so it is still open.
            request.party.open.append((request.symbol, request.client_order_id))
        return request.kind is Kind.CANCEL and status == 400 and TOO_LATE in body

    # Order entry

    def _limit(self, party: Party) -> Request:
        chance, symbol = self._chance, self._draw_symbol()
        away = 1 + int(chance.expovariate(1000 / symbol.price))
        buys = chance.random() < 0.5
        price = symbol.price - away if buys else symbol.price + away
        terms = f"type=LIMIT&timeInForce=GTC&price={symbol.price_text(price)}"
        return self._place(Kind.LIMIT, party, symbol, buys, terms)

    def _take(self, party: Party) -> Request:
        chance, symbol = self._chance, self._draw_symbol()
        buys = chance.random() < 0.5
        if chance.random() < 0.5:
            return self._place(Kind.TAKER, party, symbol, buys, "type=MARKET")
        reach = symbol.price // 200
        limit = symbol.price_text(symbol.price + reach if buys else symbol.price - reach)
        return self._place(Kind.TAKER, party, symbol, buys, f"type=LIMIT&timeInForce=IOC&price={limit}")

    def _place(self, kind: Kind, party: Party, symbol: Symbol, buys: bool, terms: str) -> Request:
        self._number += 1
        client_order_id = f"b{self._number:x}"
        quantity = symbol.quantity_text(1 + int(symbol.typical_quantity * (0.5 + self._chance.random())))
        side = "BUY" if buys else "SELL"
        payload = (
            f"symbol={symbol.name}&side={side}&{terms}&quantity={quantity}&newClientOrderId={client_order_id}"
            "&recvWindow=30000&"
        )
        return Request(kind, party.post(b"/api/v3/order", payload.encode()), party, client_order_id)

    def _cancel(self, party: Party) -> Request:
        index = self._chance.randrange(len(party.open))
        party.open[index], party.open[-1] = party.open[-1], party.open[index]
        symbol, client_order_id = party.open.pop()
        payload = f"symbol={symbol}&origClientOrderId={client_order_id}&recvWindow=30000&".encode()
        content = party.without_body(b"DELETE", b"/api/v3/order", payload)
        return Request(Kind.CANCEL, content, party, client_order_id, symbol)

    # Reads

    def _query_order(self) -> Request:
        party = self._chance.choice(self._parties)
        if party.known is None:
            return self._account()
        symbol, client_order_id = party.known
        payload = f"symbol={symbol}&origClientOrderId={client_order_id}&recvWindow=30000&".encode()
        return Request(Kind.ORDER, party.without_body(b"GET", b"/api/v3/order", payload), party, client_order_id)

    def _open_orders(self) -> Request:
        party = self._chance.choice(self._parties)
        payload = f"symbol={self._draw_symbol().name}&recvWindow=30000&".encode()
        return Request(Kind.OPEN_ORDERS, party.without_body(b"GET", b"/api/v3/openOrders", payload), party, "")

    def _account(self) -> Request:
        party = self._chance.choice(self._parties)
        return Request(Kind.ACCOUNT, party.without_body(b"GET", b"/api/v3/account", b"recvWindow=30000&"), party, "")

    def _depth(self) -> Request:
        return self._public(Kind.DEPTH, f"/api/v3/depth?symbol={self._draw_symbol().name}&limit=100")

    def _ticker(self) -> Request:
        name = self._chance.choice(("price", "bookTicker"))
        return self._public(Kind.TICKER, f"/api/v3/ticker/{name}?symbol={self._draw_symbol().name}")

    def _public(self, kind: Kind, target: str) -> Request:
        return Request(kind, f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode(), self._parties[0], "")

    def _draw_symbol(self) -> Symbol:
        symbol = self._chance.choices(self._symbols, (6, 3, 1))[0]
        symbol.wander(self._chance)
        return symbol


def _decimal(units: int, places: int) -> str:
    whole, fraction = divmod(units, 10**places)
    return f"{whole}.{fraction:0{places}d}"
