"""Rate limits of the dialect (compatibility reference section 5): by account for orders, by address for all else.

- Windows are fixed and aligned to UTC: ``now // span``. All trading processes count in the same Redis (``counters``).
- Every request is counted when it arrives, before anyone looks at it: its weight (``weights``) and itself. One over the
  limit is refused with 429. An address that goes on regardless is banned (418), each time for twice as long.
- IPv6 addresses are counted by /64, which is what one customer gets.
- Orders are counted before they are placed and given back if they are not. An order's first fill takes 1 from its
  account's count if it came as a taker, 5 as a maker: ``observe`` sees every fill, since each is in exactly one reply
  to exactly one process.
- When Redis does not answer, requests are let through uncounted (docs/adr/0009).
"""

import asyncio
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network
from typing import Any, Final
from urllib.parse import parse_qsl

from redis.asyncio import Redis

from services.domain.events import OrderFilled
from services.domain.protocol import Applied, Reply
from services.infra.addresses import Address
from services.trading import errors, metrics
from services.trading.counters import ADD, ARRIVE, READ, RESERVE, TAKE, Counters
from services.trading.errors import DialectError, Limited
from services.trading.parameters import MAX_PARAMETERS
from services.trading.weights import PLAIN, Charge

OFF: Final = "off"
BINANCE: Final = "REQUEST_WEIGHT=6000/1M,ORDERS=100/10S,ORDERS=200000/1D,RAW_REQUESTS=300000/5M,CONNECTIONS=300/5M"
PRESETS: Final = {OFF: "", "binance": BINANCE}

WEIGHT: Final = "REQUEST_WEIGHT"
RAW: Final = "RAW_REQUESTS"
CONNECTIONS: Final = "CONNECTIONS"
ORDERS: Final = "ORDERS"

# Refusals within a minute that an address is forgiven.
PATIENCE: Final = 60
PATIENCE_SPAN_S: Final = 60
FIRST_BAN_S: Final = 2 * 60
LONGEST_BAN_S: Final = 3 * 24 * 3600
# An address that has behaved for this long after a ban starts anew.
OFFENCE_MEMORY_S: Final = 3 * 24 * 3600
TAKER_CREDIT: Final = 1
MAKER_CREDIT: Final = 5

# Counters outlive their window by this much, for processes whose clocks differ.
_SLACK_S: Final = 10
_OBSERVED_LIMIT: Final = 10_000
_SUBNET_BITS: Final = 64
_TOO_MANY: Final = 429
_INTERVALS: Final = {"S": ("SECOND", 1), "M": ("MINUTE", 60), "H": ("HOUR", 3600), "D": ("DAY", 86400)}
_rule = re.compile(
    rf"({WEIGHT}|{RAW}|{CONNECTIONS}|{ORDERS})=([1-9][0-9]{{0,8}})/([1-9][0-9]{{0,3}})([SMHD])", re.ASCII
)
_REFUSALS: Final = {
    WEIGHT: errors.too_much_weight,
    RAW: errors.too_many_requests,
    CONNECTIONS: errors.too_many_connections,
}
# Outcomes of which it is unknown whether anything was done.
_UNKNOWN_OUTCOMES: Final = frozenset({-1006, -1007})


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``limit`` in each interval."""

    kind: str
    limit: int
    number: int
    letter: str

    @property
    def interval(self) -> str:
        return _INTERVALS[self.letter][0]

    @property
    def span_s(self) -> int:
        return self.number * _INTERVALS[self.letter][1]

    def window(self, now_s: float) -> int:
        return int(now_s) // self.span_s

    def ends_in_s(self, now_s: float) -> int:
        """Whole seconds until the next window, at least one."""
        return max(1, math.ceil((self.window(now_s) + 1) * self.span_s - now_s))

    def describe(self) -> dict[str, Any]:
        """As in exchangeInfo."""
        return {
            "rateLimitType": self.kind,
            "interval": self.interval,
            "intervalNum": self.number,
            "limit": self.limit,
        }


# How much of each limit is used.
Counts = tuple[tuple[Limit, int], ...]


def parse_limits(text: str) -> tuple[Limit, ...]:
    """``off``, ``binance``, or a list such as ``REQUEST_WEIGHT=1200/1M,ORDERS=50/10S``; raise ValueError if neither."""
    rules = []
    for part in filter(None, PRESETS.get(text, text).replace(" ", "").split(",")):
        match = _rule.fullmatch(part)
        if match is None:
            raise ValueError(f"{part!r} is not a limit: off, binance, or for example REQUEST_WEIGHT=6000/1M")
        rules.append(Limit(match[1], int(match[2]), int(match[3]), match[4]))
    return tuple(rules)


class Limits:
    """One process's view of the shared counts; ``run`` as a task for the life of the process."""

    def __init__(self, rules: Sequence[Limit], redis: Redis, now_s: Callable[[], float] = time.time) -> None:
        self._rules = tuple(rules)
        self._by_weight = tuple(rule for rule in rules if rule.kind == WEIGHT)
        self._of_request = tuple(rule for rule in rules if rule.kind in (WEIGHT, RAW))
        self._of_connection = tuple(rule for rule in rules if rule.kind == CONNECTIONS)
        self._by_account = tuple(rule for rule in rules if rule.kind == ORDERS)
        self._counters = Counters(redis)
        self._now_s = now_s
        self._observed: asyncio.Queue[list[Reply]] = asyncio.Queue(_OBSERVED_LIMIT)

    def tally(self, charge: Charge = PLAIN) -> "Tally":
        """Open the account of one request."""
        return Tally(self, charge)

    def describe(self, *, of_sockets: bool) -> list[dict[str, Any]]:
        """Return the limits in force, as exchangeInfo shows them: over REST, or over a socket."""
        other = RAW if of_sockets else CONNECTIONS
        return [rule.describe() for rule in self._rules if rule.kind != other]

    async def order_counts(self, account_id: int) -> list[dict[str, Any]]:
        """Return an account's unfilled orders, as ``GET /api/v3/rateLimit/order`` shows them."""
        counts = await self._counters.ask(READ, self._account_keys(account_id, self._now_s()), [])
        known = counts or [0] * len(self._by_account)
        return [rule.describe() | {"count": count} for rule, count in zip(self._by_account, known, strict=True)]

    def observe(self, replies: list[Reply]) -> None:
        """Take note of the engine's replies; what follows from their fills is counted later."""
        if self._by_account and not self._observed.full():
            self._observed.put_nowait(replies)

    def runs(self) -> list[Coroutine[Any, Any, None]]:
        """What goes on for the life of the process, each a task of its own (``services.infra.tasks`` says why)."""
        return [self._counters.run(), self._credit_fills()]

    # What a tally asks

    async def arrive(self, address: Address, weight: int, *, is_raw: bool) -> tuple[Counts, Limited | None]:
        """Count a request; return how much is used, and the refusal if that is too much."""
        return await self._count(address, self._of_request if is_raw else self._by_weight, weight)

    async def connect(self, address: Address, weight: int) -> None:
        """Count an attempt to open a WebSocket; raise Limited if there were too many."""
        rules = (*self._of_connection, *self._by_weight) if weight else self._of_connection
        if rules:
            _, refusal = await self._count(address, rules, weight)
            if refusal is not None:
                raise refusal

    async def _count(self, address: Address, rules: Sequence[Limit], weight: int) -> tuple[Counts, Limited | None]:
        now_s = self._now_s()
        cost = {WEIGHT: weight, RAW: 1, CONNECTIONS: 1}
        windows = [value for rule in rules for value in (cost[rule.kind], rule.limit, rule.span_s + _SLACK_S)]
        answer = await self._counters.ask(
            ARRIVE,
            self._address_keys(address, rules, now_s),
            [int(now_s), PATIENCE, FIRST_BAN_S, LONGEST_BAN_S, OFFENCE_MEMORY_S, PATIENCE_SPAN_S + _SLACK_S, *windows],
        )
        if answer is None:
            return (), None
        banned_until_s, exceeded, *counts = answer
        used = tuple(zip(rules, counts, strict=True))
        if banned_until_s:
            metrics.LIMITS_REFUSED.labels("ban").inc()
            return used, errors.banned(banned_until_s, max(1, math.ceil(banned_until_s - now_s)))
        if exceeded:
            rule = rules[exceeded - 1]
            metrics.LIMITS_REFUSED.labels(rule.kind).inc()
            return used, _REFUSALS[rule.kind](rule.limit, _per(rule), rule.ends_in_s(now_s))
        return used, None

    def add_weight(self, address: Address, weight: int, used: Counts) -> Counts:
        """Count the weight of a request that would have been free; return how much is used now."""
        now_s = self._now_s()
        keys = [_key(_address_tag(address), rule, now_s) for rule in self._by_weight]
        windows = [value for rule in self._by_weight for value in (weight, rule.span_s + _SLACK_S)]
        self._counters.tell(ADD, keys, windows)
        return tuple((rule, count + weight if rule.kind == WEIGHT else count) for rule, count in used)

    async def reserve(self, account_id: int, orders: int) -> tuple[Counts, list[str], Limited | None]:
        """Count orders about to be placed; return how many there are, the counters, for giving back, and a refusal."""
        now_s = self._now_s()
        keys = self._account_keys(account_id, now_s)
        windows = [value for rule in self._by_account for value in (rule.limit, rule.span_s + _SLACK_S)]
        answer = await self._counters.ask(RESERVE, keys, [orders, *windows]) if keys else None
        if answer is None:
            return (), [], None
        exceeded, *counts = answer
        placed = tuple(zip(self._by_account, counts, strict=True))
        if exceeded:
            rule = self._by_account[exceeded - 1]
            metrics.LIMITS_REFUSED.labels(ORDERS).inc()
            return placed, [], errors.too_many_orders(rule.limit, _per(rule), rule.ends_in_s(now_s))
        return placed, keys, None

    def give_back(self, counters: list[str], orders: int) -> None:
        self._counters.tell(TAKE, counters, [orders])

    # Fills

    async def _credit_fills(self) -> None:
        while True:
            replies = await self._observed.get()
            for account_id, credit in first_fill_credits(replies).items():
                self._counters.tell(TAKE, self._account_keys(account_id, self._now_s()), [credit])

    # Names

    def _address_keys(self, address: Address, rules: Sequence[Limit], now_s: float) -> list[str]:
        tag = _address_tag(address)
        minute = int(now_s) // PATIENCE_SPAN_S
        kept = [f"{tag}:ban", f"{tag}:refusals:{minute}", f"{tag}:offences"]
        return kept + [_key(tag, rule, now_s) for rule in rules]

    def _account_keys(self, account_id: int, now_s: float) -> list[str]:
        tag = f"crossbook:limits:{{account:{account_id}}}"
        return [_key(tag, rule, now_s) for rule in self._by_account]


class Tally:
    """What one request uses up: one of ``arrive`` and ``arrive_by_socket``, then ``reserve``, then one of ``succeeded``
    and ``failed``. These two return headers; ``used`` says the same as a list.
    """

    __slots__ = ("_address", "_charge", "_counters", "_limits", "_placed", "_refusal", "_used", "_weight")

    def __init__(self, limits: Limits, charge: Charge) -> None:
        self._limits = limits
        self._charge = charge
        self._address: Address | None = None
        self._weight = 0
        self._used: Counts = ()
        self._placed: Counts = ()
        self._counters: list[str] = []
        self._refusal: dict[str, str] = {}

    async def arrive(self, address: Address, query: bytes, body: bytes) -> None:
        """Raise Limited if the address has used up what it may."""
        await self._arrive(address, _weigh(self._charge, query, body), is_raw=True)

    async def arrive_by_socket(self, address: Address, parameters: Mapping[str, str]) -> None:
        """As ``arrive``. What comes over a socket has weight, but is no raw request."""
        weight = self._charge.weight
        await self._arrive(address, weight if isinstance(weight, int) else weight(parameters), is_raw=False)

    async def _arrive(self, address: Address, weight: int, *, is_raw: bool) -> None:
        self._weight = weight
        cost = 0 if self._charge.free_on_success else weight
        self._used, refusal = await self._limits.arrive(address, cost, is_raw=is_raw)
        if refusal is not None:
            raise refusal.saying(_weight_headers(self._used))
        self._address = address

    async def reserve(self, account_id: int) -> None:
        """Raise Limited if the account has too many unfilled orders for those this request places."""
        if not self._charge.orders:
            return
        self._placed, self._counters, refusal = await self._limits.reserve(account_id, self._charge.orders)
        if refusal is not None:
            self._refusal = refusal.saying(_order_headers(self._placed)).headers
            raise refusal

    def succeeded(self) -> dict[str, str]:
        """Return the headers of a reply that reports success."""
        return _weight_headers(self._used) | _order_headers(self._placed)

    def failed(self, error: DialectError) -> dict[str, str]:
        """Give back and charge what the failure makes due; return the headers of the reply."""
        if self._counters and not _counts_anyway(error):
            orders = self._charge.orders
            self._limits.give_back(self._counters, orders)
            self._placed = tuple((rule, max(count - orders, 0)) for rule, count in self._placed)
        if isinstance(error, Limited):
            return _weight_headers(self._used) | error.headers
        if error.status == _TOO_MANY:
            # Half of a request was done because it asked for that; the other half met the limit.
            return _weight_headers(self._used) | self._refusal
        if self._charge.free_on_success and self._address is not None:
            self._used = self._limits.add_weight(self._address, self._weight, self._used)
        return _weight_headers(self._used)

    def used(self) -> list[dict[str, Any]]:
        """Return how much of each limit that the request touches is used, as replies over a socket tell it."""
        return [rule.describe() | {"count": count} for rule, count in (*self._placed, *self._used)]


def first_fill_credits(replies: list[Reply]) -> Counter[int]:
    """Return what the first fills among these replies take from each account's count of unfilled orders."""
    credits: Counter[int] = Counter()
    for reply in replies:
        if not isinstance(reply, Applied):
            continue
        for event in reply.events:
            if isinstance(event, OrderFilled):
                for order, credit in ((event.taker, TAKER_CREDIT), (event.maker, MAKER_CREDIT)):
                    if order.executed_e8 == event.quantity_e8:
                        credits[order.account_id] += credit
    return credits


def describe(limits: Limits | None, *, of_sockets: bool = False) -> list[dict[str, Any]]:
    """Return the limits in force, if any are."""
    return [] if limits is None else limits.describe(of_sockets=of_sockets)


async def order_counts(limits: Limits | None, account_id: int) -> list[dict[str, Any]]:
    """Return an account's count of unfilled orders for every limit in force."""
    return [] if limits is None else await limits.order_counts(account_id)


def _counts_anyway(error: DialectError) -> bool:
    """Whether orders may have been placed. A cancel-replace counts even one that it did not attempt (section 4.7)."""
    if error.data is not None:
        return error.data.get("newOrderResult") != "FAILURE"
    return error.code in _UNKNOWN_OUTCOMES


def _weigh(charge: Charge, query: bytes, body: bytes) -> int:
    if isinstance(charge.weight, int):
        return charge.weight
    pairs: dict[str, str] = {}
    for raw in (body, query):
        try:
            pairs.update(parse_qsl(raw.decode("latin-1"), max_num_fields=MAX_PARAMETERS))
        except ValueError:
            # Refused in a moment; nobody needs to know what it asked for.
            return charge.weight({})
    return charge.weight(pairs)


def _weight_headers(used: Counts) -> dict[str, str]:
    weights = [(rule, count) for rule, count in used if rule.kind == WEIGHT]
    headers = {f"X-MBX-USED-WEIGHT-{rule.number}{rule.letter}": str(count) for rule, count in weights}
    return {"X-MBX-USED-WEIGHT": str(weights[0][1]), **headers} if weights else {}


def _order_headers(placed: Counts) -> dict[str, str]:
    return {f"X-MBX-ORDER-COUNT-{rule.number}{rule.letter}": str(count) for rule, count in placed}


def _key(tag: str, rule: Limit, now_s: float) -> str:
    return f"{tag}:{rule.kind}:{rule.number}{rule.letter}:{rule.window(now_s)}"


def _address_tag(address: Address) -> str:
    if isinstance(address, IPv6Address):
        return f"crossbook:limits:{{ip:{IPv6Network((address, _SUBNET_BITS), strict=False).network_address}}}"
    return f"crossbook:limits:{{ip:{address}}}"


def _per(rule: Limit) -> str:
    return f"{rule.number} {rule.interval}"
