"""What Argo CD is told in each environment: valid, pinned, within its project, in order, about files that there are,
and agreeing with the chart's values and with Terraform where both speak of one thing.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.check.chart import validate_custom
from deploy.check.tools import HELM, KUBECTL, Failed

FOLDER: Final = Path("deploy") / "argocd"
# What stands in the repository follows a branch; what others publish is pinned to one version.
_PINNED: Final = re.compile(r"v?\d+\.\d+\.\d+")
_WAVE: Final = "argocd.argoproj.io/sync-wave"
# Each needs all of those before it.
_ORDER: Final = (
    ("gateway-api",),
    ("external-secrets",),
    ("fluent-bit", "kube-prometheus-stack"),
    ("external-dns", "kong", "prometheus-adapter"),
    ("crossbook",),
)


def is_consistent(root: Path) -> str:
    project = yaml.safe_load((root / FOLDER / "project.yaml").read_text())
    environments = sorted(folder.name for folder in (root / FOLDER / "environments").iterdir())
    complaints = list(_without_health(root))
    count = 0
    for environment in environments:
        rendered = KUBECTL.run("kustomize", root / FOLDER / "environments" / environment)
        applications = list(yaml.safe_load_all(rendered))
        top = yaml.safe_load((root / FOLDER / f"root-{environment}.yaml").read_text())
        validate_custom([project, *applications, top])
        count += len(applications) + 1
        found = [
            *(
                complaint
                for application in [*applications, top]
                for complaint in _outside(application, project["spec"])
            ),
            *_out_of_order(applications),
            *(complaint for application in [*applications, top] for complaint in _unpinned(application)),
            *(complaint for application in [*applications, top] for complaint in _dangling(application, root)),
            *_at_odds({application["metadata"]["name"]: application for application in applications}, root),
        ]
        complaints += [f"{environment}: {complaint}" for complaint in found]
    if complaints:
        raise Failed("\n".join(complaints))
    return f"a project, {count} applications in {', '.join(environments)}"


def _without_health(root: Path) -> Iterator[str]:
    """Waves wait for nothing if Argo CD is not told how an Application is."""
    settings = yaml.safe_load((root / FOLDER / "argocd-cm.yaml").read_text())
    if "resource.customizations.health.argoproj.io_Application" not in settings["data"]:
        yield "argocd-cm.yaml does not say how an Application is: all waves would start at once"


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


def _at_odds(applications: dict[str, dict[str, Any]], root: Path) -> Iterator[str]:
    """What applications and the chart's values say of the same thing: ports, names, secrets and log groups."""
    given = {
        name: application["spec"]["source"].get("helm", {}).get("valuesObject", {})
        for name, application in applications.items()
    }
    source = applications["crossbook"]["spec"]["source"]
    files = [root / source["path"] / name for name in source["helm"]["valueFiles"]]
    values: dict[str, Any] = {}
    for path in filter(Path.exists, files):
        values = _merged(values, yaml.safe_load(path.read_text()))
    proxy = given["kong"]["gateway"]["proxy"]
    if proxy["http"]["servicePort"] != values["gateway"]["port"]:
        yield f"the Gateway listens on {values['gateway']['port']}, Kong's service on {proxy['http']['servicePort']}"
    hostname = proxy["annotations"]["external-dns.alpha.kubernetes.io/hostname"]
    if [hostname] != values["gateway"]["hostnames"]:
        yield f"{hostname} leads to the gateway, and its routes are for {', '.join(values['gateway']['hostnames'])}"
    if not any(hostname.endswith(f".{domain}") for domain in given["external-dns"]["domainFilters"]):
        yield f"external-dns does not write {hostname}"
    prefix = values["secrets"]["prefix"]
    keys = [key for name in applications for key in _keys(applications[name])]
    yield from (f"secret {key} is another environment's" for key in keys if not key.startswith(f"{prefix}/"))
    groups = given["fluent-bit"]["env"][0]["value"]
    if groups != f"/{prefix}":
        yield f"log lines go to {groups}, and Terraform makes /{prefix}"


def _merged(values: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """As Helm does it."""
    nested = {
        key: _merged(values[key], value) for key, value in more.items() if isinstance(value, dict) and key in values
    }
    return {**values, **more, **nested}


def _keys(given: Any) -> Iterator[str]:
    """Of all that is read from the store of secrets."""
    if isinstance(given, dict):
        if "remoteRef" in given:
            yield given["remoteRef"]["key"]
        given = list(given.values())
    if isinstance(given, list):
        for one in given:
            yield from _keys(one)
