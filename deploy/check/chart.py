"""The chart: rendered for every environment and the corners of its values, and held against schemas and house rules.

Kubernetes' own kinds are validated strictly (a field it does not know is an error). Custom resources are validated by
the models of their definitions, and a compiler finds fields that those do not have; Kong's have schemas of ours.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import yaml

from deploy.check import chart_rules
from deploy.check.kong_file import SCHEMAS
from deploy.check.tools import HELM, KUBERNETES_VALIDATE, NODE, TOOLS, Failed, Missing

CHART: Final = Path("helm") / "crossbook"
# The oldest that the chart supports, and the one that terraform/ asks of EKS for.
KUBERNETES_VERSIONS: Final = ("1.32", "1.33")
MODELLED: Final = {
    "gateway.networking.k8s.io": "gateway-api",
    "monitoring.coreos.com": "prometheus-operator",
    "argoproj.io": "argo-cd",
    "external-secrets.io": "external-secrets",
}
KONG_GROUP: Final = "configuration.konghq.com"
SNAPSHOTS: Final = CHART / "ci" / "snapshots"
Manifest = Mapping[str, Any]


def is_linted(root: Path) -> str:
    files = values_files(root)
    for path in files:
        HELM.run("lint", "--strict", "--quiet", root / CHART, "--values", path)
    return f"{len(files)} values files"


def fits_schemas(root: Path) -> str:
    """Every values file with every version of Kubernetes."""
    seen: list[Manifest] = []
    failures = []
    for version in KUBERNETES_VERSIONS:
        rendered = [manifest for path in values_files(root) for manifest in render(root, path, version)]
        seen = list({json.dumps(manifest, sort_keys=True): manifest for manifest in rendered}.values())
        failures += _failures(partial(validate_builtin, seen, version))
    failures += [*_failures(partial(validate_kong, seen)), *_failures(partial(validate_custom, seen))]
    if failures:
        raise Failed("\n".join(failures))
    kinds = {manifest["kind"] for manifest in seen}
    return f"{len(values_files(root))} values files, {len(seen)} manifests of {len(kinds)} kinds, Kubernetes " + (
        " and ".join(KUBERNETES_VERSIONS)
    )


def _failures(validate: Callable[[], None]) -> list[str]:
    try:
        validate()
    except Failed as failed:
        return [str(failed)]
    return []


def keeps_house_rules(root: Path) -> str:
    complaints = []
    for path in values_files(root):
        manifests = render(root, path, KUBERNETES_VERSIONS[-1])
        complaints += [f"{path.stem}: {complaint}" for rule in chart_rules.RULES for complaint in rule(manifests)]
    if complaints:
        raise Failed("\n".join(complaints))
    return f"{len(chart_rules.RULES)} rules in {len(values_files(root))} renderings"


def is_as_last_agreed(root: Path) -> str:
    """What a change of the chart changes must be seen in review: `python -m deploy.check.snapshots` writes it anew."""
    stale = [name for name, text in snapshots(root).items() if _read(root / SNAPSHOTS / name) != text]
    if stale:
        raise Failed(f"renders otherwise than {', '.join(stale)}; if it should: python -m deploy.check.snapshots")
    return f"{len(snapshots(root))} snapshots"


def snapshots(root: Path) -> dict[str, str]:
    """The smallest installation in full, and of production what there is."""
    smallest = HELM.run(
        "template", "crossbook", root / CHART, "--values", root / CHART / "ci" / "existing-secrets.yaml"
    )
    production = render(root, root / CHART / "values-prod.yaml", KUBERNETES_VERSIONS[-1])
    names = sorted(f"{manifest['kind']}/{manifest['metadata']['name']}" for manifest in production)
    return {"existing-secrets.yaml": smallest, "prod.txt": "\n".join(names) + "\n"}


def values_files(root: Path) -> list[Path]:
    chart = root / CHART
    return [*sorted(chart.glob("values-*.yaml")), *sorted((chart / "ci").glob("*.yaml"))]


@cache
def render(root: Path, values: Path, version: str) -> list[dict[str, Any]]:
    text = HELM.run(
        *("template", "crossbook", root / CHART, "--namespace", "crossbook", "--kube-version", f"{version}.0"),
        *("--values", values),
    )
    return [manifest for manifest in yaml.safe_load_all(text) if manifest]


def validate_builtin(manifests: list[Manifest], version: str) -> None:
    """Kubernetes' own kinds, strictly."""
    with tempfile.TemporaryDirectory(prefix="crossbook-manifests-") as name:
        paths = []
        for number, manifest in enumerate(manifests):
            if "." in _group(manifest) and not _group(manifest).endswith("k8s.io"):
                continue
            if _group(manifest) in MODELLED:
                continue
            path = Path(name) / f"{number}-{manifest['kind']}-{manifest['metadata']['name']}.yaml"
            path.write_text(yaml.safe_dump(dict(manifest)))
            paths.append(path)
        if paths:
            KUBERNETES_VALIDATE.run("--strict", "--quiet", "--kubernetes-version", version, *paths)


def validate_kong(manifests: list[Manifest]) -> None:
    validator = jsonschema_rs.validator_for(json.loads((SCHEMAS / "kong-plugin.json").read_text()))
    complaints = [
        f"{_named(manifest)}: {'/'.join(map(str, error.instance_path))}: {error.message[:300]}"
        for manifest in manifests
        if _group(manifest) == KONG_GROUP and manifest["kind"] in {"KongPlugin", "KongClusterPlugin"}
        for error in validator.iter_errors(manifest)
    ]
    if complaints:
        raise Failed("\n".join(complaints))


def validate_custom(manifests: list[Manifest]) -> None:
    """By value, then by name: validators let fields pass that a definition does not have, and the compiler does not."""
    modelled = [manifest for manifest in manifests if _group(manifest) in MODELLED]
    if not modelled:
        return
    packages = TOOLS / "npm"
    if not (packages / "node_modules").exists():
        raise Missing("the npm packages are not installed (make deploy-tools)")
    script = (Path(__file__).parent / "custom_resources.mjs").read_text()
    complaints = json.loads(NODE.run("--input-type=module", "--eval", script, cwd=packages, stdin=json.dumps(modelled)))
    failures = [*complaints, *_failures(partial(_compile, modelled, packages))]
    if failures:
        raise Failed("\n".join(failures))


def _compile(manifests: list[Manifest], packages: Path) -> None:
    source = packages / "manifests.ts"
    source.write_text("\n".join(_typed(manifests)))
    options = ("--noEmit", "--skipLibCheck", "--strict", "--module", "nodenext", "--moduleResolution", "nodenext")
    compiler = packages / "node_modules" / "typescript" / "bin" / "tsc"
    try:
        NODE.run(compiler, *options, "--target", "es2022", source, cwd=packages)
    finally:
        source.unlink()


def _typed(manifests: list[Manifest]) -> Iterator[str]:
    for manifest in manifests:
        package = f"@kubernetes-models/{MODELLED[_group(manifest)]}/{manifest['apiVersion']}"
        yield f"// {_named(manifest)}"
        yield f'({json.dumps(manifest)}) satisfies import("{package}").I{manifest["kind"]};'
    yield "export {};"


def _group(manifest: Manifest) -> str:
    group, slash, _ = str(manifest["apiVersion"]).partition("/")
    return group if slash else ""


def _named(manifest: Manifest) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""
