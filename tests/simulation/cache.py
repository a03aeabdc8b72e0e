"""A model of what Redis does here: two keys and one stream, all of which may vanish at any instant.

``ModelRedis`` takes the place of ``redis.asyncio.Redis`` for the few commands that are used; what may go wrong on the
way is decided by ``Mishaps``, which is nothing here and much in ``faults.py``.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from redis.exceptions import ResponseError

T = TypeVar("T")

_LAZY_TRIM = 100
Fields = dict[bytes, bytes]


class Cache:
    """The server's memory. As in Redis, the stream remembers its last id until it is deleted."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.entries: list[tuple[int, Fields]] = []
        self.last_id = 0
        self._readers: list[asyncio.Future[None]] = []

    def flush(self) -> None:
        self.values.clear()
        self.delete_stream()

    def delete_stream(self) -> None:
        self.entries.clear()
        self.last_id = 0

    def add(self, sequence: int, fields: Fields, max_length: int) -> None:
        if sequence <= self.last_id:
            raise ResponseError("The ID specified in XADD is equal or smaller than the target stream top item")
        self.entries.append((sequence, fields))
        self.last_id = sequence
        if len(self.entries) > max_length + _LAZY_TRIM:
            del self.entries[:-max_length]
        for reader in self._readers:
            if not reader.done():
                reader.set_result(None)
        self._readers.clear()

    def after(self, sequence: int, count: int) -> list[tuple[int, Fields]]:
        return [entry for entry in self.entries if entry[0] > sequence][:count]

    def next_entry(self) -> asyncio.Future[None]:
        reader: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._readers.append(reader)
        return reader


class Mishaps(Protocol):
    async def carry_out(self, what: str, effect: Callable[[], T]) -> T:
        """Have the effect happen, or raise a RedisError before or after it."""


class NoMishaps:
    async def carry_out(self, what: str, effect: Callable[[], T]) -> T:
        return effect()


class ModelRedis:
    def __init__(self, cache: Cache, mishaps: Mishaps) -> None:
        self._cache = cache
        self._mishaps = mishaps

    async def get(self, key: str) -> bytes | None:
        return await self._mishaps.carry_out("get", lambda: self._cache.values.get(key))

    async def mset(self, values: dict[str, bytes]) -> None:
        await self._mishaps.carry_out("mset", lambda: self._cache.values.update(values))

    async def delete(self, key: str) -> int:
        def effect() -> int:
            existed = bool(self._cache.entries)
            self._cache.delete_stream()
            return int(existed)

        return await self._mishaps.carry_out("delete", effect)

    async def xrevrange(self, key: str, count: int) -> list[tuple[bytes, Fields]]:
        return await self._mishaps.carry_out(
            "xrevrange", lambda: [_entry(entry) for entry in reversed(self._cache.entries[-count:])]
        )

    async def xread(self, position: dict[str, str], count: int, block: int) -> list[Any]:
        ((key, identifier),) = position.items()
        after = int(identifier.partition("-")[0])
        found = await self._mishaps.carry_out("xread", lambda: self._cache.after(after, count))
        if not found:
            try:
                async with asyncio.timeout(block / 1000):
                    while not found:
                        await self._cache.next_entry()
                        found = self._cache.after(after, count)
            except TimeoutError:
                return []
        return [[key.encode(), [_entry(entry) for entry in found]]]

    def pipeline(self, *, transaction: bool) -> "ModelPipeline":
        assert not transaction, "nothing here needs a transaction of Redis"
        return ModelPipeline(self._cache, self._mishaps)

    async def aclose(self) -> None:
        """Nothing is kept open."""


class ModelPipeline:
    """Commands are carried out one by one; the first error is raised when all have been."""

    def __init__(self, cache: Cache, mishaps: Mishaps) -> None:
        self._cache = cache
        self._mishaps = mishaps
        self._commands: list[Callable[[], Any]] = []

    def xadd(self, key: str, fields: dict[bytes, Any], id: str, maxlen: int, approximate: bool) -> None:
        sequence = int(id.partition("-")[0])
        stored = {name: value if isinstance(value, bytes) else str(value).encode() for name, value in fields.items()}

        def effect() -> bytes:
            self._cache.add(sequence, stored, maxlen)
            return id.encode()

        self._commands.append(effect)

    def xlen(self, key: str) -> None:
        self._commands.append(lambda: len(self._cache.entries))

    async def execute(self) -> list[Any]:
        results = await self._mishaps.carry_out(f"pipeline of {len(self._commands)}", self._carry_out_all)
        for result in results:
            if isinstance(result, Exception):
                raise result
        return results

    def _carry_out_all(self) -> list[Any]:
        results: list[Any] = []
        for command in self._commands:
            try:
                results.append(command())
            except ResponseError as error:
                results.append(error)
        return results


def _entry(entry: tuple[int, Fields]) -> tuple[bytes, Fields]:
    return f"{entry[0]}-0".encode(), entry[1]
