"""GitHub's workflows: valid by schema and by actionlint, and every action pinned to a commit."""

import re
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.check.tools import ACTIONLINT, CHECK_JSONSCHEMA, Failed

FOLDER: Final = Path(".github") / "workflows"
_PINNED: Final = re.compile(r"[A-Za-z0-9._/-]+@[0-9a-f]{40}")


def are_sound(root: Path) -> str:
    files = sorted((root / FOLDER).glob("*.yml"))
    CHECK_JSONSCHEMA.run("--builtin-schema", "vendor.github-workflows", *files)
    complaints = [f"{path.name}: {use} is not pinned to a commit" for path in files for use in _unpinned(path)]
    complaints += [f"{path.name} does not say what it may do" for path in files if "permissions" not in _load(path)]
    if complaints:
        raise Failed("\n".join(complaints))
    ACTIONLINT.run("-no-color", "-shellcheck=", "-pyflakes=", *files)
    return f"{len(files)} workflows"


def _load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text())
    return loaded


def _unpinned(path: Path) -> list[str]:
    steps = [step for job in _load(path)["jobs"].values() for step in job.get("steps", [])]
    uses = [step["uses"] for step in steps if "uses" in step]
    return [use for use in uses if not use.startswith("./") and not _PINNED.fullmatch(use)]
