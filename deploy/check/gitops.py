"""What Argo CD is told: valid, pinned, within its project, in the right order, and about files that there are."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.check.chart import validate_custom
from deploy.check.tools import HELM, Failed

FOLDER: Final = Path("deploy") / "argocd"
# What stands in the repository follows a branch; what others publish is pinned to one version.
_PINNED: Final = re.compile(r"v?\d+\.\d+\.\d+")
_WAVE: Final = "argocd.argoproj.io/sync-wave"
# Each needs all of those before it.
_ORDER: Final = (
    ("gateway-api",),
    ("external-secrets",),
    ("kube-prometheus-stack",),
    ("kong", "prometheus-adapter"),
    ("crossbook",),
)


def is_consistent(root: Path) -> str:
    project = yaml.safe_load((root / FOLDER / "project.yaml").read_text())
    applications = [_load(path) for path in sorted((root / FOLDER / "applications").glob("*.yaml"))]
    everything = [*applications, _load(root / FOLDER / "root.yaml")]
    validate_custom([project, *everything])
    complaints = [
        *(complaint for application in everything for complaint in _outside(application, project["spec"])),
        *_out_of_order(applications),
        *(complaint for application in everything for complaint in _unpinned(application)),
        *(complaint for application in everything for complaint in _dangling(application, root)),
    ]
    if complaints:
        raise Failed("\n".join(complaints))
    return f"a project and {len(everything)} applications"


def _load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text())
    return loaded


def _outside(application: dict[str, Any], project: dict[str, Any]) -> Iterator[str]:
    name, spec = application["metadata"]["name"], application["spec"]
    if spec["source"]["repoURL"] not in project["sourceRepos"]:
        yield f"{name}: the project does not allow {spec['source']['repoURL']}"
    if spec["destination"] not in project["destinations"]:
        yield f"{name}: the project does not allow namespace {spec['destination']['namespace']}"


def _out_of_order(applications: list[dict[str, Any]]) -> Iterator[str]:
    waves = {
        application["metadata"]["name"]: int(application["metadata"]["annotations"][_WAVE])
        for application in applications
    }
    expected = {name for names in _ORDER for name in names}
    if set(waves) != expected:
        yield f"no order is known for {', '.join(sorted(set(waves) ^ expected))}"
        return
    for earlier, later in pairwise(_ORDER):
        if max(waves[name] for name in earlier) >= min(waves[name] for name in later):
            yield f"{', '.join(earlier)} must be synced before {', '.join(later)}"


def _unpinned(application: dict[str, Any]) -> Iterator[str]:
    source = application["spec"]["source"]
    ours = "crossbook" in source["repoURL"]
    if not ours and not _PINNED.fullmatch(source["targetRevision"]):
        yield f"{application['metadata']['name']} is not pinned: {source['targetRevision']}"


def _dangling(application: dict[str, Any], root: Path) -> Iterator[str]:
    source = application["spec"]["source"]
    if "crossbook" not in source["repoURL"]:
        return
    path = root / source["path"]
    if not path.is_dir():
        yield f"{application['metadata']['name']}: there is no {source['path']}"
        return
    files = [path / name for name in source.get("helm", {}).get("valueFiles", [])]
    yield from (f"{application['metadata']['name']}: there is no {file.name}" for file in files if not file.exists())
    if files and all(file.exists() for file in files):
        HELM.run("template", "crossbook", path, *(word for file in files for word in ("--values", str(file))))
