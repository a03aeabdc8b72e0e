"""Counters in Redis, shared by every trading process: one script call for each question, many calls in one trip.

Whatever is asked while a trip is under way travels together in the next one. Redis is asked for a short time only. When
it does not answer, everybody waiting hears None ("unknown"), and for a moment nobody asks at all, so a dead Redis costs
a request next to nothing. Each call is atomic; its keys share a hash tag, so a cluster keeps them together.
"""

import asyncio
import time
from collections import deque
from typing import Final, NamedTuple

import structlog
from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from services.trading import metrics

TRIP_TIMEOUT_S: Final = 0.25
PAUSE_S: Final = 1.0
TRIP_LIMIT: Final = 256
WAITING_LIMIT: Final = 10_000

_log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)

# Count a request of one address. Keys: ban, refusals, offences, then the windows; answers the time a ban ends
# (0: none), the number of the exceeded window (0: none), and every window's count.
ARRIVE: Final = """
local now, patience = tonumber(ARGV[1]), tonumber(ARGV[2])
local first_ban, longest_ban, memory, patience_ttl =
    tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local banned_until = tonumber(redis.call('GET', KEYS[1]) or '0')
local banned, exceeded, counts = banned_until > now, 0, {}
for i = 4, #KEYS do
    local base = 7 + 3 * (i - 4)
    local cost, limit = tonumber(ARGV[base]), tonumber(ARGV[base + 1])
    local count
    if banned or cost == 0 then
        count = tonumber(redis.call('GET', KEYS[i]) or '0')
    else
        count = redis.call('INCRBY', KEYS[i], cost)
        if count == cost then redis.call('EXPIRE', KEYS[i], ARGV[base + 2]) end
    end
    counts[#counts + 1] = count
    if count > limit and exceeded == 0 then exceeded = i - 3 end
end
if banned then return {banned_until, 0, unpack(counts)} end
if exceeded == 0 then return {0, 0, unpack(counts)} end
local refusals = redis.call('INCR', KEYS[2])
if refusals == 1 then redis.call('EXPIRE', KEYS[2], patience_ttl) end
if refusals <= patience then return {0, exceeded, unpack(counts)} end
local offences = redis.call('INCR', KEYS[3])
local duration = math.min(first_ban * 2 ^ math.min(offences - 1, 30), longest_ban)
redis.call('EXPIRE', KEYS[3], duration + memory)
redis.call('SET', KEYS[1], now + duration, 'EX', duration)
redis.call('DEL', KEYS[2])
return {now + duration, 0, unpack(counts)}
"""

# Add to every window unless that exceeds one; answers that one's number (0: none) and every window's count.
RESERVE: Final = """
local orders, exceeded, counts = tonumber(ARGV[1]), 0, {}
for i, key in ipairs(KEYS) do
    counts[i] = tonumber(redis.call('GET', key) or '0')
    if counts[i] + orders > tonumber(ARGV[2 * i]) and exceeded == 0 then exceeded = i end
end
if exceeded > 0 then return {exceeded, unpack(counts)} end
for i, key in ipairs(KEYS) do
    counts[i] = redis.call('INCRBY', key, orders)
    if counts[i] == orders then redis.call('EXPIRE', key, ARGV[2 * i + 1]) end
end
return {0, unpack(counts)}
"""

# Add to every window whatever its limit; answers the counts.
ADD: Final = """
local counts = {}
for i, key in ipairs(KEYS) do
    counts[i] = redis.call('INCRBY', key, ARGV[2 * i - 1])
    if counts[i] == tonumber(ARGV[2 * i - 1]) then redis.call('EXPIRE', key, ARGV[2 * i]) end
end
return counts
"""

# Take from every window, but never below 0; answers the counts.
TAKE: Final = """
local counts = {}
for i, key in ipairs(KEYS) do
    local count = tonumber(redis.call('GET', key) or '0')
    local taken = math.min(count, tonumber(ARGV[1]))
    counts[i] = taken > 0 and redis.call('DECRBY', key, taken) or count
end
return counts
"""

READ: Final = """
local counts = {}
for i, key in ipairs(KEYS) do counts[i] = tonumber(redis.call('GET', key) or '0') end
return counts
"""

SCRIPTS: Final = (ARRIVE, RESERVE, ADD, TAKE, READ)

Answer = list[int] | None


class _Call(NamedTuple):
    script: str
    keys: list[str]
    arguments: list[int]
    answer: "asyncio.Future[Answer] | None"


class Counters:
    """``ask`` and ``tell`` at any time; ``run`` as a task for the life of the process."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._digests: dict[str, str] = {}
        self._waiting: deque[_Call] = deque()
        self._arrived = asyncio.Event()
        self._pause_ends_s = 0.0
        self._is_answering = True

    async def ask(self, script: str, keys: list[str], arguments: list[int]) -> Answer:
        """Call a script and return what it answers, or None if nobody knows."""
        if not self._takes_calls():
            return None
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._add(_Call(script, keys, arguments, answer))
        return await answer

    def tell(self, script: str, keys: list[str], arguments: list[int]) -> None:
        """Call a script when there is time; its answer is nobody's business."""
        if self._takes_calls():
            self._add(_Call(script, keys, arguments, None))

    async def run(self) -> None:
        try:
            while True:
                await self._arrived.wait()
                await self._travel(self._take())
        finally:
            _answer_all(self._waiting, None)
            self._pause_ends_s = float("inf")

    def _takes_calls(self) -> bool:
        if len(self._waiting) < WAITING_LIMIT and time.monotonic() >= self._pause_ends_s:
            return True
        metrics.LIMITS_UNKNOWN.inc()
        return False

    def _add(self, call: _Call) -> None:
        self._waiting.append(call)
        self._arrived.set()

    def _take(self) -> list[_Call]:
        calls = [self._waiting.popleft() for _ in range(min(len(self._waiting), TRIP_LIMIT))]
        if not self._waiting:
            self._arrived.clear()
        return calls

    async def _travel(self, calls: list[_Call]) -> None:
        try:
            async with asyncio.timeout(TRIP_TIMEOUT_S):
                answers = await self._execute(calls)
        except Exception as error:
            # Whatever it is: limits are there to protect the exchange, not to stop it.
            self._pause(calls, error)
        except asyncio.CancelledError:
            _answer_all(calls, None)
            raise
        else:
            self._is_answering = True
            for call, answer in zip(calls, answers, strict=True):
                if call.answer is not None and not call.answer.done():
                    call.answer.set_result(answer)

    async def _execute(self, calls: list[_Call]) -> list[list[int]]:
        try:
            return await self._evaluate(calls)
        except NoScriptError:
            # Redis is new or was emptied, and then none of the scripts was there: nothing was counted twice.
            for script in SCRIPTS:
                self._digests[script] = await self._redis.script_load(script)
            return await self._evaluate(calls)

    async def _evaluate(self, calls: list[_Call]) -> list[list[int]]:
        if not self._digests:
            raise NoScriptError
        pipeline = self._redis.pipeline(transaction=False)
        for call in calls:
            pipeline.evalsha(self._digests[call.script], len(call.keys), *call.keys, *call.arguments)
        answers: list[list[int]] = await pipeline.execute()
        return answers

    def _pause(self, calls: list[_Call], error: Exception) -> None:
        self._pause_ends_s = time.monotonic() + PAUSE_S
        if self._is_answering:
            _log.warning("limits_not_counted", error=repr(error))
        self._is_answering = False
        unanswered = [*calls, *self._waiting]
        self._waiting.clear()
        self._arrived.clear()
        metrics.LIMITS_UNKNOWN.inc(len(unanswered))
        _answer_all(unanswered, None)


def _answer_all(calls: "list[_Call] | deque[_Call]", answer: Answer) -> None:
    for call in calls:
        if call.answer is not None and not call.answer.done():
            call.answer.set_result(answer)
