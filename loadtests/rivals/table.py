"""The Markdown tables of a comparison, from its JSON file: what each does before it answers, and the figures."""

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from loadtests import results

TABLE: Final = "side_by_side.md"
SCENARIO: Final = "side_by_side"


def write_table(directory: Path) -> Path:
    result = results.read(directory, SCENARIO)
    assert result is not None
    path = directory / TABLE
    path.write_text(markdown(result["figures"], result["parameters"]))
    return path


def markdown(figures: dict[str, Any], parameters: dict[str, Any]) -> str:
    """Two tables with a row for each contender; figures are medians over the rounds."""
    about = figures["contenders"]
    claims = [(name, f"{one['version']}", *(one["claims"][field] for field in _CLAIMS)) for name, one in about.items()]
    measured = [(name, *_measured(name, figures, parameters)) for name in about]
    counts = [f"{count} connection{'s' if count > 1 else ''}" for count, _ in parameters["steps"]]
    sizes = f"{parameters['sizes'][0]:,} → {parameters['sizes'][-1]:,} resting orders"
    acknowledged = f"lost of {parameters['acknowledged']:,} acknowledged"
    notes = [f"- {name}: {one['source']}. {one['conditions']}." for name, one in about.items()]
    notes += [f"- Left out: {name} ({reason})." for name, reason in figures.get("skipped", {}).items()]
    notes += [f"- **Difference**: {difference}." for difference in figures["differences"]]
    return "\n".join(
        [
            *_table(("before it answers", "version", *_CLAIMS.values()), claims),
            "",
            *_table(("orders and cancels/s (p50, p99)", *counts, "processor time each", sizes, acknowledged), measured),
            "",
            *notes,
            "",
        ]
    )


def _measured(name: str, figures: dict[str, Any], parameters: dict[str, Any]) -> Iterable[str]:
    rounds = figures["rounds"][name]
    for index, _ in enumerate(parameters["steps"]):
        runs = [runs[index] for runs in rounds]
        errors = sum(sum(run["errors"].values()) for run in runs)
        latency = [_median(run["latency"][share] for run in runs if run["latency"]) for share in ("p50_ms", "p99_ms")]
        text = f"{_median(run['per_s'] for run in runs):,.0f} ({latency[0]:.1f}, {latency[1]:.1f} ms)"
        text += f", {errors:,} errors" if errors else ""
        yield text + (", matching failed" if any(run["unmatched"] for run in runs) else "")
    yield f"{_median(run['processor_us'] for runs in rounds for run in runs):,.0f} µs"
    first, last = figures["growth"][name][0], figures["growth"][name][-1]
    yield f"{_rate(first)} → {_rate(last)}"
    kill = figures["kills"][name]
    yield f"{kill['lost']:,} (in {kill['seconds']:.1f} s)"


def _rate(point: dict[str, Any]) -> str:
    return f"{point['per_s']:,.0f}/s" if point["reached"] else f"{point['resting']:,} not reached"


def _median(values: Iterable[float]) -> float:
    found = list(values)
    return statistics.median(found) if found else 0.0


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [_row(head), _row(["---"] * len(head)), *map(_row, rows)]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


_CLAIMS: Final = {
    "authentication": "authentication",
    "filters": "filters",
    "balance": "balance check",
    "matching": "matching",
    "durable": "durable commit",
}
