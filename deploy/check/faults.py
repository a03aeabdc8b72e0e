"""Whether the checks can fail: mistakes are planted in a copy of the repository, and each must be found and named.

A check that lets one pass, or that fails without a word of it, fails this check.
"""

import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from deploy.check.tools import REPOSITORY, Failed, Missing, run

COPIED: Final = ("deploy", "helm", "kong", "terraform", ".github", "requirements.lock", "services")
RUN_TIMEOUT_S: Final = 900
# Most of a check is one process that computes.
AT_ONCE: Final = 2
CHART: Final = "helm/crossbook"


class Mistake(NamedTuple):
    """In ``file``, ``right`` becomes ``wrong`` where it is first; the check's output must say ``told``."""

    file: str
    right: str
    wrong: str
    told: str


# By the check that must find them. All of one check are planted at once.
PLANTED: Final[dict[str, tuple[Mistake, ...]]] = {
    "kong": (
        Mistake("kong/kong.yml", "limit_by: ip", "limit_by: adress", "adress"),
        Mistake("kong/kong.yml", "size_unit: kilobytes", "size_units: kilobytes", "size_units"),
        Mistake("kong/kong.yml", "- /auth/v1/", "- /internal/", "/internal/ is internal"),
    ),
    "routes": (Mistake("deploy/routes/routes.toml", "bearer = true", "bearer = false", "make routes"),),
    "chart-lint": (Mistake(f"{CHART}/values-prod.yaml", "spread: required", "spred: required", "spred"),),
    "chart-schemas": (
        Mistake(f"{CHART}/templates/engine.yaml", "minReadySeconds:", "minReadySecond:", "minReadySecond"),
        Mistake(f"{CHART}/templates/routes.yaml", "timeouts: {backendRequest:", "timeouts: {backend:", "backend"),
        Mistake(f"{CHART}/templates/monitoring.yaml", "scrapeTimeout:", "scrapeTimeOut:", "scrapeTimeOut"),
        Mistake(f"{CHART}/templates/plugins.yaml", "claims_to_verify: [exp]", "claims_to_verify: [expiry]", "expiry"),
    ),
    "chart-rules": (
        Mistake(f"{CHART}/templates/engine.yaml", "/health/fit", "/health/ready", "hold up rollouts"),
        Mistake(
            f"{CHART}/templates/_pod.tpl", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "write to"
        ),
        Mistake(
            f"{CHART}/templates/deployments.yaml", "CROSSBOOK_AUTH_URL", "CROSSBOOK_AUTH_URI", "CROSSBOOK_AUTH_URI"
        ),
        Mistake(f"{CHART}/templates/routes.yaml", '"crossbook-operators"', '"crossbook-operator"', "no plugin"),
        Mistake(
            f"{CHART}/templates/exporters.yaml", "crossbook-exporters", "crossbook-exporter", "which does not exist"
        ),
    ),
    "argocd": (
        Mistake("deploy/argocd/applications/kong.yaml", 'sync-wave: "2"', 'sync-wave: "4"', "before crossbook"),
        Mistake("deploy/argocd/applications/crossbook.yaml", "yaml, values-prod", "yaml, values-prd", "values-prd"),
        Mistake(
            "deploy/argocd/applications/kong.yaml", "servicePort: 443", "servicePort: 80", "the Gateway listens on 443"
        ),
        Mistake(
            "deploy/argocd/applications/fluent-bit.yaml",
            "value: /crossbook-prod",
            "value: /prod",
            "log lines go to /prod",
        ),
        Mistake(
            "deploy/argocd/argocd-cm.yaml",
            "argoproj.io_Application",
            "argoproj.io_App",
            "all waves would start at once",
        ),
    ),
    "compose": (
        Mistake("deploy/compose.yaml", "CROSSBOOK_ENGINE_URLS", "CROSSBOOK_ENGINES", "knows no CROSSBOOK_ENGINES"),
        Mistake("deploy/compose.yaml", "redis:8.4.0-bookworm", "redis:latest", "not pinned"),
    ),
    "workflows": (
        Mistake(".github/workflows/test.yml", "3d3c42e5aac5ba805825da76410c181273ba90b1", "v7", "not pinned"),
    ),
    "rules": (
        Mistake(f"{CHART}/files/rules/alerts.yaml", "crossbook_engine_unbalanced_assets) > 0", "x) > 0", "MoneyNotC"),
        Mistake(f"{CHART}/files/rules/slo.yaml", "14.4 * 0.001", "144 * 0.001", "FaultBudgetBurnsFast"),
    ),
    "panels": (
        Mistake(f"{CHART}/files/dashboards/engine.json", "count(crossbook_engine_lease", "cuont(crossbook", "cuont"),
    ),
    "prometheus": (Mistake("deploy/monitoring/prometheus.yml", "scrape_configs:", "scrap_configs:", "scrap_configs"),),
    "alertmanager": (
        Mistake("deploy/monitoring/alertmanager.yml", 'severity="page"', 'severity="pages"', "goes to tickets"),
    ),
    "terraform-format": (
        Mistake("terraform/modules/budget/main.tf", "  budget_type  =", "  budget_type =", "modules/budget/main.tf"),
    ),
    "terraform-valid": (
        Mistake(
            "terraform/modules/cache/main.tf", "transit_encryption_mode ", "transit_encription_mode ", "encription"
        ),
    ),
    "terraform-tests": (
        Mistake(
            "terraform/modules/database/main.tf",
            "publicly_accessible    = false",
            "publicly_accessible    = true",
            "encrypted, private and protected",
        ),
    ),
    "checkov": (
        Mistake(
            "terraform/modules/cache/main.tf",
            "at_rest_encryption_enabled = true",
            "at_rest_encryption_enabled = false",
            "CKV_AWS_29",
        ),
    ),
    "dockerfile": (Mistake("deploy/images/Dockerfile", "WORKDIR /opt/crossbook/app", "WORKDIR app", "DL3000"),),
}


def are_found(root: Path) -> str:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        told = dict(zip(PLANTED, pool.map(lambda check: _tell(root, check), PLANTED), strict=True))
    complaints = []
    for check, output in told.items():
        silent = [mistake for mistake in PLANTED[check] if output is not None and mistake.told not in output]
        if silent:
            names = "\n".join(f"{mistake.file}: {mistake.wrong}" for mistake in silent)
            complaints.append(f"{check} says nothing of\n{names}\nbut\n{(output or '')[-1500:]}")
    if complaints:
        raise Failed("\n".join(complaints))
    untried = [check for check, output in told.items() if output is None]
    found = sum(len(mistakes) for check, mistakes in PLANTED.items() if check not in untried)
    if not found:
        raise Missing(f"nothing could be tried: {', '.join(untried)}")
    return f"{found} planted mistakes found" + (f"; skipped: {', '.join(untried)}" if untried else "")


def _tell(root: Path, check: str) -> str | None:
    """What the check says of a copy with all its mistakes; None if it was skipped."""
    with tempfile.TemporaryDirectory(prefix="crossbook-faults-") as name:
        copy = Path(name)
        _copy(root, copy)
        for mistake in PLANTED[check]:
            _plant(copy, mistake)
        return _run(check, copy)


def _copy(root: Path, copy: Path) -> None:
    ignored = shutil.ignore_patterns("node_modules", "__pycache__", ".terraform", "dist")
    for name in COPIED:
        source = root / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=ignored)
        elif source.exists():
            shutil.copy(source, copy / name)


def _plant(copy: Path, mistake: Mistake) -> None:
    path = copy / mistake.file
    text = path.read_text()
    if mistake.right not in text:
        raise Failed(f"{mistake.file} has no {mistake.right!r} to be mistaken in")
    path.write_text(text.replace(mistake.right, mistake.wrong, 1))


def _run(check: str, copy: Path) -> str | None:
    """What it says; None if it was skipped."""
    command = f'cd "$2" && {{ "$0" -m deploy.check --root "$1" --only {check}; echo "exit $?"; }}'
    told = run(("sh", "-c", command, sys.executable, copy, REPOSITORY), timeout_s=RUN_TIMEOUT_S)
    if told.startswith("skip"):
        return None
    if not told.rstrip().endswith("exit 1"):
        raise Failed(f"{check} lets its planted mistakes pass:\n{told}")
    return told
