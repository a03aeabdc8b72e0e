"""Format and lint: the cheapest checks."""

from pathlib import Path

from deploy.check.tools import HADOLINT, YAMLLINT, Failed

_YAML_RULES = (
    "{extends: default, rules: {line-length: {max: 160}, document-start: disable, "
    "truthy: {check-keys: false}, comments: {min-spaces-from-content: 1}, indentation: {indent-sequences: whatever}, "
    "braces: {max-spaces-inside: 1}}}"
)


def dockerfile(root: Path) -> str:
    files = sorted((root / "deploy" / "images").glob("Dockerfile"))
    if not files:
        raise Failed("deploy/images has no Dockerfile")
    HADOLINT.run("--failure-threshold", "style", *files)
    return f"{len(files)} Dockerfile"


def yaml(root: Path) -> str:
    """All YAML but the chart's templates, which are none before they are rendered."""
    found = [
        path
        for folder in ("deploy", "helm", "kong", ".github")
        for pattern in ("*.yml", "*.yaml")
        for path in sorted((root / folder).rglob(pattern))
        if "templates" not in path.parts and "node_modules" not in path.parts and "snapshots" not in path.parts
    ]
    if not found:
        raise Failed("there is no YAML at all")
    YAMLLINT.run("--strict", "-d", _YAML_RULES, *found)
    return f"{len(found)} files"
