"""The programs that checks run: where they are, which version they are, and running them.

``make deploy-tools`` puts them into ``.tools`` of this repository; what is on PATH does as well.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

REPOSITORY: Final = Path(__file__).parents[2]
TOOLS: Final = REPOSITORY / ".tools"
# Servers of Debian packages that are only unpacked (no service is installed) are under .tools/debian.
_DEBIAN: Final = TOOLS / "debian" / "usr"
_PLACES: Final = (
    *(TOOLS / "bin", TOOLS / "python" / "bin", TOOLS / "aws" / "bin", _DEBIAN / "sbin", _DEBIAN / "bin"),
    REPOSITORY / ".venv" / "bin",
)
_SYSTEM_PLACES: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin")
# Some import for seconds before they tell; on a busy machine for many.
VERSION_TIMEOUT_S: Final = 120
RUN_TIMEOUT_S: Final = 120
MAX_OUTPUT_CHARS: Final = 4_000

_version = re.compile(r"\d+(?:\.\d+)+(?:-[0-9A-Za-z.]+)?")


class Failed(Exception):
    """The check found something wrong; the text says what."""


class Missing(Exception):
    """The check cannot be made here; the text says why and how it could."""


def search_path() -> str:
    return os.pathsep.join([*map(str, _PLACES), os.environ.get("PATH", ""), *_SYSTEM_PLACES])


class Tool(NamedTuple):
    """``version_arguments`` make it print its version; ``remedy`` says where it comes from."""

    name: str
    version_arguments: tuple[str, ...] = ("--version",)
    remedy: str = "make deploy-tools"

    def path(self) -> str:
        found = shutil.which(self.name, path=search_path())
        if found is None:
            raise Missing(f"{self.name} is not installed ({self.remedy})")
        return found

    def version(self) -> str:
        """The first number with a dot that it prints."""
        try:
            told = subprocess.run(
                (self.path(), *self.version_arguments),
                capture_output=True,
                text=True,
                timeout=VERSION_TIMEOUT_S,
                check=False,
                env=environment(),
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Missing(f"{self.name} does not tell its version: {error}") from error
        number = _version.search(told.stdout + told.stderr)
        return f"{self.name} {number.group() if number else '(version unknown)'}"

    def run(
        self,
        *arguments: str | Path,
        cwd: Path | None = None,
        stdin: str | None = None,
        timeout_s: float = RUN_TIMEOUT_S,
        variables: Mapping[str, str] | None = None,
    ) -> str:
        """What it prints on standard output; Failed, with all it prints, when it exits with anything but 0."""
        return run((self.path(), *arguments), cwd=cwd, stdin=stdin, timeout_s=timeout_s, variables=variables)


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    return {**os.environ, "PATH": search_path(), **(variables or {})}


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    stdin: str | None = None,
    timeout_s: float = RUN_TIMEOUT_S,
    variables: Mapping[str, str] | None = None,
) -> str:
    name = Path(command[0]).name
    try:
        ended = subprocess.run(
            command,
            cwd=cwd,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            env=environment(variables),
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{name} did not end within {timeout_s:g} s") from error
    if ended.returncode != 0:
        raise Failed(f"{name} ended with {ended.returncode}:\n{_tail(ended.stdout + ended.stderr)}")
    return ended.stdout


def _tail(output: str) -> str:
    output = output.strip()
    return output if len(output) <= MAX_OUTPUT_CHARS else f"…{output[-MAX_OUTPUT_CHARS:]}"


HELM: Final = Tool("helm", ("version", "--short"))
KUBECTL: Final = Tool("kubectl", ("version", "--client"))
HADOLINT: Final = Tool("hadolint")
YAMLLINT: Final = Tool("yamllint")
NODE: Final = Tool("node", remedy="apt-get install nodejs npm")
KUBERNETES_VALIDATE: Final = Tool("kubernetes-validate", ("--version",))
ACTIONLINT: Final = Tool("actionlint")
CHECK_JSONSCHEMA: Final = Tool("check-jsonschema")
PODMAN_COMPOSE: Final = Tool("podman-compose")
CYCLONEDX: Final = Tool("cyclonedx-py")
ENVOY: Final = Tool("envoy")
NGINX: Final = Tool("nginx", ("-v",))
PODMAN: Final = Tool("podman", remedy="make deploy-tools as root on Debian")
BUILDAH: Final = Tool("buildah", remedy="make deploy-tools as root on Debian")
DEBOOTSTRAP: Final = Tool("debootstrap", remedy="make deploy-tools as root on Debian")
PROMTOOL: Final = Tool("promtool")
PROMETHEUS: Final = Tool("prometheus")
AMTOOL: Final = Tool("amtool")
# Debian calls it so; others just alertmanager.
ALERTMANAGER: Final = Tool("prometheus-alertmanager")
POSTGRES_EXPORTER: Final = Tool("prometheus-postgres-exporter")
REDIS_EXPORTER: Final = Tool("prometheus-redis-exporter")
CHECKOV: Final = Tool("checkov")
MOTO: Final = Tool("moto_server", ("--help",))
TERRAFORM: Final = Tool("terraform", ("version",), remedy="install Terraform 1.11 or newer")
