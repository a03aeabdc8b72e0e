"""The compose file: valid, pinned, whole in its references, and telling each service what it must know."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.check import service_settings
from deploy.check.tools import CHECK_JSONSCHEMA, PODMAN_COMPOSE, Failed

FILE: Final = Path("deploy") / "compose.yaml"
OURS: Final = "${CROSSBOOK_IMAGE:-crossbook}"
# Of the commands that are no service.
_TOOLS: Final = frozenset({"services.local.migrate"})
_variable = re.compile(r"\$\{([A-Z_]+)")


def is_consistent(root: Path) -> str:
    CHECK_JSONSCHEMA.run("--builtin-schema", "vendor.compose-spec", root / FILE)
    made = _made_variables(root)
    PODMAN_COMPOSE.run("--file", root / FILE, "config", cwd=root, variables=made)
    text = (root / FILE).read_text()
    declared = yaml.safe_load(text)
    services = declared["services"]
    complaints = [
        f"nobody makes {name}" for name in sorted(set(_variable.findall(text)) - set(made) - {"CROSSBOOK_IMAGE"})
    ]
    for name, service in services.items():
        complaints += [f"{name}: {complaint}" for complaint in _wrong(service, services, declared["volumes"], root)]
    complaints += _unknown_upstreams(root, set(services))
    if complaints:
        raise Failed("\n".join(complaints))
    return f"{len(services)} services"


def _made_variables(root: Path) -> dict[str, str]:
    script = root / "deploy" / "compose" / "make_env.py"
    printed = subprocess.run((sys.executable, "-I", script), capture_output=True, text=True, check=True).stdout
    return dict(line.split("=", 1) for line in printed.splitlines())


def _wrong(service: dict[str, Any], services: dict[str, Any], volumes: dict[str, Any], root: Path) -> Iterator[str]:
    image = service["image"]
    if image != OURS and not re.fullmatch(r"[a-z0-9._/-]+:v?\d+\.\d+\.?\d*[a-z0-9.-]*", image):
        yield f"image {image} is not pinned"
    yield from (
        f"depends on {name}, which is not there" for name in service.get("depends_on", {}) if name not in services
    )
    for mount in service.get("volumes", []):
        source = mount.split(":")[0]
        if source.startswith("."):
            # Built before the first start.
            if not (root / FILE.parent / source).exists() and source != "../web/dist":
                yield f"there is no {source}"
        elif source not in volumes:
            yield f"volume {source} is not declared"
    module = (service.get("command") or [""])[0]
    if image == OURS and module.startswith("services.") and module not in _TOOLS:
        yield from service_settings.complaints(module, service["environment"])
        if not service.get("read_only") or service.get("cap_drop") != ["ALL"]:
            yield "may write to its root, or has capabilities"


def _unknown_upstreams(root: Path, services: set[str]) -> Iterator[str]:
    kong = yaml.safe_load((root / "kong" / "kong.yml").read_text())
    for service in kong["services"]:
        host = service["url"].removeprefix("http://").split(":")[0]
        if host not in services:
            yield f"Kong leads to {host}, which is not there"
