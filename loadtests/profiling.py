"""What an order and a read cost: py-spy samples of trading and engine under load, summed up by layer.

Only samples that hold the interpreter lock count: a process that waits for a processor would look busy otherwise. Each
counts for the innermost layer on its stack, so a library's time counts for the library, and the standard library's for
whoever called it. The shares divide the processor time per request that was spent outside the kernel; what was spent
inside (mostly for sockets) is a layer of its own. The sampler costs a little, so compare layers, set no records.
"""

import asyncio
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from loadtests.public import Bench
from loadtests.traffic import Request, Traffic
from loadtests.venue import VenueFailed

CONNECTIONS: Final = 32
SAMPLES_PER_S: Final = 200
FUNCTIONS_SHOWN: Final = 25
PROFILED: Final = ("trading", "engine")

# Parts of file names, and what a sample in such a file counts for. The first that matches a frame wins.
_LAYERS: Final = (
    ("/services/infra/web.py", "body limit, request id"),
    ("/services/infra/direct.py", "direct routes"),
    ("/services/infra/lean_post.py", "client to the engine"),
    ("/structlog/", "structlog"),
    ("/services/local/edge.py", "local edge"),
    ("/services/trading/parameters.py", "parameters (pydantic)"),
    ("/pydantic/", "parameters (pydantic)"),
    ("/services/trading/signing.py", "signature"),
    ("/services/trading/principals.py", "API key lookup"),
    ("/services/trading/limits", "rate limits"),
    ("/services/trading/render.py", "rendering"),
    ("/services/domain/money.py", "rendering"),
    ("/services/trading/gateway.py", "gateway"),
    ("/services/trading/endpoint.py", "endpoint"),
    ("/services/trading/", "trading: routes, views and the rest"),
    ("/services/engine/core/", "core"),
    ("/services/engine/settlement.py", "settlement columns"),
    ("/services/engine/batch.py", "batch (encode, fold)"),
    ("/services/engine/publisher.py", "publisher"),
    ("/services/engine/snapshots.py", "snapshots"),
    ("/services/engine/", "engine: app, inbox and the rest"),
    ("/prometheus_client/", "metrics"),
    ("/httpx/", "httpx client"),
    ("/httpcore/", "httpx client"),
    ("/h11/", "httpx client"),
    ("/anyio/", "httpx client"),
    ("/asyncpg/", "asyncpg"),
    ("/redis/", "redis client"),
    ("/starlette/", "starlette, fastapi"),
    ("/fastapi/", "starlette, fastapi"),
    ("/uvicorn/", "uvicorn"),
    ("/asyncio/", "event loop"),
)
_frame = re.compile(r"^(?P<function>.+) \((?P<path>.+?)(?::\d+)?\)$")


async def measure(bench: Bench, seconds: float) -> dict[str, Any]:
    """Profile order entry and reads apart."""
    loads: tuple[tuple[str, Callable[[Traffic], Callable[[], Request]]], ...] = (
        ("order_entry", lambda traffic: traffic.order_entry),
        ("reads", lambda traffic: traffic.read),
    )
    return {name: await _profile(bench, choose, seconds) for name, choose in loads}


async def _profile(bench: Bench, choose: Callable[[Traffic], Callable[[], Request]], seconds: float) -> dict[str, Any]:
    # Without the sampler: what a request costs. With it: where.
    run = await bench.closed_loop(choose, CONNECTIONS, seconds, seed=1)
    sampled = await bench.sampled(choose, CONNECTIONS, seconds, PROFILED, record)
    cost_us = {name: round(cores / run.answered_per_s * 1e6, 1) for name, cores in run.noise.cores.items()}
    kernel_us = {name: round(cores / run.answered_per_s * 1e6, 1) for name, cores in run.noise.kernel_cores.items()}
    return {
        "answered_per_s": run.answered_per_s,
        "processor_us_per_request": cost_us,
        "foreign_cores": run.noise.foreign_cores,
        **{name: summarize(stacks, cost_us[name], kernel_us[name]) for name, stacks in sampled.items()},
    }


async def record(pid: int, seconds: float) -> list[str]:
    """Collapsed stacks with their counts, as py-spy writes them."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "stacks.txt"
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("py-spy")),
            *("record", "--pid", str(pid), "--duration", str(max(1, round(seconds))), "--rate", str(SAMPLES_PER_S)),
            *("--gil", "--format", "raw", "--full-filenames", "--output", str(path)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await process.communicate()
        if process.returncode != 0:
            raise VenueFailed(f"py-spy: {errors.decode(errors='replace')}")
        return path.read_text().splitlines()


def summarize(stacks: Iterable[str], cost_us: float, kernel_us: float) -> dict[str, Any]:
    layers: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        frames = [match.groupdict() for text in stack.split(";") if (match := _frame.match(text)) is not None]
        if frames:
            layers[_layer(frames)] += int(count)
            functions[f"{_short(frames[-1]['path'])}:{frames[-1]['function']}"] += int(count)
    total = layers.total() or 1
    us_per_sample = (cost_us - kernel_us) / total
    layers_us = {name: count * us_per_sample for name, count in layers.items()} | {"kernel": kernel_us}
    return {
        "samples": total,
        "layers_us": {name: round(one_us, 1) for name, one_us in sorted(layers_us.items(), key=lambda item: -item[1])},
        "functions_us": {
            name: round(count * us_per_sample, 1) for name, count in functions.most_common(FUNCTIONS_SHOWN)
        },
    }


def _layer(frames: list[dict[str, Any]]) -> str:
    for frame in reversed(frames):
        for part, layer in _LAYERS:
            if part in frame["path"]:
                return layer
    return "other"


def _short(path: str) -> str:
    return "/".join(path.split("/")[-2:])
