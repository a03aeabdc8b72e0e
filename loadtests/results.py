"""Results: one JSON file per scenario and the plots drawn from them, in one directory per run of the benchmark."""

from pathlib import Path
from typing import Any, Final

import msgspec

from loadtests.conditions import ROOT, Environment

RESULTS: Final = ROOT / "loadtests" / "results"


class Result(msgspec.Struct, frozen=True):
    """What was measured, where, and with which parameters."""

    scenario: str
    environment: Environment
    parameters: dict[str, Any]
    figures: dict[str, Any]


def default_directory(environment: Environment) -> Path:
    return RESULTS / f"{environment.date[:10]}-{environment.commit or 'unknown'}"


def write(directory: Path, result: Result) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{result.scenario}.json"
    path.write_bytes(_compact(msgspec.json.decode(msgspec.json.encode(result))).encode() + b"\n")
    return path


def read(directory: Path, scenario: str) -> dict[str, Any] | None:
    path = directory / f"{scenario}.json"
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Any]) if path.exists() else None


def _compact(value: Any, indent: str = "") -> str:
    """Indented JSON with lists of numbers on one line: histograms would fill pages otherwise."""
    deeper = f"{indent} "
    if isinstance(value, dict) and value:
        members = (f'{deeper}"{key}": {_compact(member, deeper)}' for key, member in value.items())
        return "{\n" + ",\n".join(members) + f"\n{indent}}}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(deeper + _compact(member, deeper) for member in value) + f"\n{indent}]"
    return msgspec.json.encode(value).decode()
