"""Plots of a results directory, drawn from its JSON files alone, so they can be drawn again at any time."""

import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from loadtests import results

SIZE_INCHES: Final = (7.2, 4.2)
DOTS_PER_INCH: Final = 90
# As in `takeover.py`, which reads no plots.
BUCKET_MS: Final = 10.0
BEFORE_MS: Final = 500.0
AFTER_MS: Final = 1_500.0
_NINES: Final = ((0.0, "0"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.9999, "99.99"))


def draw(directory: Path) -> list[Path]:
    """Draw what the directory has results for."""
    drawn = []
    for scenario, plot in _PLOTS.items():
        result = results.read(directory, scenario)
        if result is not None:
            figure, axes = plt.subplots(figsize=SIZE_INCHES, layout="constrained")
            plot(axes, result)
            path = directory / f"{scenario}.png"
            figure.savefig(path, dpi=DOTS_PER_INCH)
            plt.close(figure)
            drawn.append(path)
    return drawn


def _open_loop(axes: Axes, result: dict[str, Any]) -> None:
    run = result["figures"]["chosen"]
    for name, label in (("order_entry", "orders and cancels"), ("reads", "reads")):
        _percentiles(axes, run[name], label)
    _percentile_axes(axes, f"Open loop, {run['offered_per_s']:.0f} requests/s, half orders and half reads")


def _capacity(axes: Axes, result: dict[str, Any]) -> None:
    figures = result["figures"]
    for name, label in (("placing", "closed loop, new orders"), ("mixed", "closed loop, orders and cancels")):
        throughput = [run["answered_per_s"] for run in figures[name]]
        (line,) = axes.plot(throughput, [run["all"]["p99_ms"] for run in figures[name]], "o-", label=f"{label}: p99")
        axes.plot(
            throughput, [run["all"]["p50_ms"] for run in figures[name]], "o:", color=line.get_color(), label="p50"
        )
        for run in figures[name]:
            axes.annotate(
                str(run["connections"]),
                (run["answered_per_s"], run["all"]["p99_ms"]),
                textcoords="offset points",
                xytext=(4, 4),
                fontsize=7,
            )
    steps = figures["steps"]
    axes.plot(
        [run["answered_per_s"] for run in steps], [run["all"]["p99_ms"] for run in steps], "s-", label="open loop: p99"
    )
    axes.axhline(100, color="grey", linewidth=0.8, linestyle="--")
    axes.set(xlabel="acknowledged per second", ylabel="latency (ms)", yscale="log")
    axes.set_title("Order entry with durable acknowledgement (numbers: connections)", fontsize=10)
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend(fontsize=7)


def _route(axes: Axes, result: dict[str, Any]) -> None:
    figures = result["figures"]
    for name, label in (("empty_route", "an empty FastAPI route"), ("order_route", "the order route")):
        rounds = figures[name]
        axes.plot(
            range(1, len(rounds) + 1),
            [measured["processor_us"] for measured in rounds],
            "o-",
            label=f"{label}: {figures[name.replace('route', 'processor_us')]:.0f} µs",
        )
    axes.set(xlabel="round", ylabel="processor time per request (µs)", ylim=(0, None))
    axes.set_title(f"The same core in turns: {figures['ratio_at_full_core']:.0%} of an empty route's rate", fontsize=10)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize=8)


def _snapshots(axes: Axes, result: dict[str, Any]) -> None:
    figures = result["figures"]
    for name, label in (("without_snapshots", "no snapshots"), ("with_snapshots", "one every 2 s")):
        for number, run in enumerate(figures[name]):
            _percentiles(axes, run["latency"], label if number == 0 else None, colour=f"C{name == 'with_snapshots':d}")
    _percentile_axes(axes, "Commands to an engine with 100,000 open orders")


def _fanout(axes: Axes, result: dict[str, Any]) -> None:
    steps = [step for step in result["figures"]["one_market"] if step["latency"]]
    for share in ("p50", "p90", "p99"):
        axes.plot(
            [step["messages_per_s"] for step in steps],
            [step["latency"][f"{share}_ms"] for step in steps],
            "o-",
            label=share,
        )
    axes.set(xlabel="messages delivered per second", ylabel="from the engine's batch to receipt (ms)", yscale="log")
    axes.set_title(f"Trades of one market to {steps[0]['subscribers']} subscribers", fontsize=10)
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend(fontsize=8)


def _takeover(axes: Axes, result: dict[str, Any]) -> None:
    """Acknowledged orders around the signal, one line for each hand-over, the stages of the log of each marked."""
    takeovers = result["figures"]["takeovers"]
    for row, taken in enumerate(takeovers):
        counts = taken["acknowledged"]
        most = max(counts) or 1
        times_ms = [BUCKET_MS * (number + 0.5) - BEFORE_MS for number in range(len(counts))]
        heights = [row + 0.85 * count / most for count in counts]
        axes.fill_between(times_ms, row, heights, step="mid", color=f"C{taken['kind'] == 'killed':d}", alpha=0.6)
        for moment in taken["timeline"]:
            axes.plot([moment["at_ms"]] * 2, [row, row + 0.9], color="black", linewidth=0.5)
        axes.text(AFTER_MS, row + 0.4, f" {taken['kind']}\n {taken['pause_ms']:.0f} ms", fontsize=7, va="center")
    axes.axvline(0, color="grey", linewidth=0.8, linestyle="--")
    axes.set(xlabel="after the signal (ms)", xlim=(-BEFORE_MS, AFTER_MS), yticks=[])
    axes.set_title(f"Orders acknowledged, {result['parameters']['rate']:.0f} requests/s, lines: what the logs say")


def _overload(axes: Axes, result: dict[str, Any]) -> None:
    for name, phase in result["figures"]["phases"].items():
        if phase["accepted"] is not None:
            _percentiles(axes, phase["accepted"], f"{name}: {phase['accepted_per_s']:,.0f}/s accepted")
    axes.axhline(200, color="grey", linewidth=0.8, linestyle="--")
    _percentile_axes(axes, "What was accepted (dashed: twice the objective)")


def _growth(axes: Axes, result: dict[str, Any]) -> None:
    """Rate and processor time by size, relative to the smallest size; a dashed line grows as the logarithm does."""
    points = result["figures"]["points"]
    sizes, first = [point["size"] for point in points], points[0]
    name = result["scenario"].removeprefix("growth_").replace("_", " ")
    label = f"processor time per command ({first['cpu_us']:,} µs at {sizes[0]:,})"
    axes.plot(sizes, [point["cpu_us"] / first["cpu_us"] for point in points], "o-", label=label)
    label = f"commands per second ({first['per_s']:,} at {sizes[0]:,})"
    axes.plot(sizes, [point["per_s"] / first["per_s"] for point in points], "o:", label=label)
    for read in first.get("reads", {}):
        used_us = [point["reads"][read]["cpu_us"] for point in points]
        label = f"{read} ({used_us[0]:,.0f} µs)"
        axes.plot(sizes, [one_us / used_us[0] for one_us in used_us], linewidth=0.8, label=label)
    axes.plot(sizes, [math.log(size) / math.log(sizes[0]) for size in sizes], "k--", linewidth=0.8, label="logarithm")
    axes.set(xlabel=name, ylabel="relative to the smallest size", xscale="log", ylim=(0, None))
    axes.set_title(f"As an exchange grows: {name}", fontsize=10)
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend(fontsize=6)


def _chaos(axes: Axes, result: dict[str, Any]) -> None:
    scenarios = {name: run for name, run in result["figures"]["scenarios"].items() if "longest_pause_s" in run}
    pauses = [run["longest_pause_s"] for run in scenarios.values()]
    bars = axes.barh(list(scenarios), pauses)
    labels = [f"{run['acknowledged']:,} orders, {run['unknown']:,} unknown" for run in scenarios.values()]
    axes.bar_label(bars, labels, padding=3, fontsize=7)
    axes.set(xlabel="longest time without an acknowledged order (s)", xlim=(0, 1.6 * max(pauses, default=1)))
    axes.set_title("Faults under load: nothing that anybody was told was untrue", fontsize=10)
    axes.grid(visible=True, axis="x", alpha=0.3)


def _side_by_side(axes: Axes, result: dict[str, Any]) -> None:
    for name, rounds in result["figures"]["rounds"].items():
        connections = [run["connections"] for run in rounds[0]]
        medians = [statistics.median(runs[index]["per_s"] for runs in rounds) for index in range(len(connections))]
        axes.plot(connections, medians, "o-", label=name)
    axes.set(xlabel="connections", ylabel="orders and cancels per second", xscale="log", yscale="log")
    axes.set_title("The same tape, side by side (medians of the rounds)", fontsize=10)
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend(fontsize=8)


def _side_by_side_growth(axes: Axes, result: dict[str, Any]) -> None:
    for name, points in result["figures"].items():
        reached = [point for point in points if point["reached"]]
        axes.plot([point["resting"] for point in reached], [point["per_s"] for point in reached], "o-", label=name)
    axes.set(xlabel="resting orders", ylabel="orders and cancels per second", yscale="log")
    axes.set_title("As the book grows, 16 connections", fontsize=10)
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend(fontsize=8)


def _core(axes: Axes, result: dict[str, Any]) -> None:
    forms = result["figures"]["forms"]
    for position, (form, figures) in enumerate(forms.items()):
        rates = [figures["apply_per_s"], figures["engine_work_per_s"]]
        bars = axes.bar([index + 0.4 * position for index in range(len(rates))], rates, width=0.38, label=form)
        axes.bar_label(bars, [f"{rate:,}" for rate in rates], fontsize=8)
    axes.set_xticks([0.2, 1.2], ["the core alone", "with encoding, projection and hash chain"])
    axes.set(ylabel="commands per second")
    axes.set_title("One process, realistic tape, best of several passes", fontsize=10)
    axes.legend(fontsize=8)


def _percentiles(axes: Axes, summary: dict[str, Any], label: str | None, colour: str | None = None) -> None:
    """Latency over the share of requests that were faster, the share drawn in nines."""
    total = sum(count for _, count in summary["histogram_us"])
    nines, latencies_ms, seen = [], [], 0
    for upper_us, count in summary["histogram_us"]:
        # Between two values of the sample there is nothing: half a request keeps the last one on the plot.
        nines.append(_nines(min(seen / total, 1 - 0.5 / total)))
        latencies_ms.append(upper_us / 1000)
        seen += count
    axes.plot(nines, latencies_ms, label=label, color=colour, drawstyle="steps-post", linewidth=1.2)


def _percentile_axes(axes: Axes, title: str) -> None:
    axes.set_xticks([_nines(share) for share, _ in _NINES], [text for _, text in _NINES])
    axes.set(xlabel="percentile", ylabel="latency (ms)", yscale="log")
    axes.set_title(title, fontsize=10)
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend(fontsize=8)


def _nines(share: float) -> float:
    return -math.log10(1 - share)


_PLOTS: Final[dict[str, Callable[[Axes, dict[str, Any]], None]]] = {
    "open_loop": _open_loop,
    "capacity": _capacity,
    "route": _route,
    "snapshots": _snapshots,
    "fanout": _fanout,
    "core": _core,
    "chaos": _chaos,
    "side_by_side": _side_by_side,
    "side_by_side_growth": _side_by_side_growth,
    **{
        f"growth_{axis}": _growth
        for axis in ("core_orders", "core_accounts", "core_markets", "open_orders", "accounts", "history")
    },
    "takeover": _takeover,
    "overload": _overload,
}
