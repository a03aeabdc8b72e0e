"""Building the image and running things from it, on a machine without an engine that is always there.

The base is made by debootstrap where there is none to be pulled: Debian with its own Python, in place of the image that
``Dockerfile`` names. Everything else in the build is what production gets.
"""

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Final

from deploy.check.tools import BUILDAH, CYCLONEDX, DEBOOTSTRAP, PODMAN, TOOLS, Failed, Missing, run

BASE: Final = "localhost/crossbook-base:bookworm"
IMAGE: Final = "localhost/crossbook:check"
SUITE: Final = "bookworm"
PYTHON: Final = "python3-venv"
# What compiles the core on this base.
COMPILER: Final = "gcc libc6-dev python3-dev"
LOCKS: Final = ("requirements.lock", "requirements-compile.lock")
USER: Final = "10001:10001"
BUILD_TIMEOUT_S: Final = 600
MAX_LOG_CHARS: Final = 2_000
# Runs where there is neither systemd nor a cgroup of one's own.
_CONF: Final = """[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
# What is not in an image that only runs: package managers of Python, compilers, what fetches from the net.
_UNWANTED: Final = ("pip", "pip3", "gcc", "cc", "make", "git", "curl", "wget")
_PROBE: Final = """
import importlib.metadata as m, json, os, shutil, sys
found = {d.metadata["Name"].lower().replace("_", "-"): d.version for d in m.distributions()}
writable = [p for p in ("/opt/crossbook", "/opt/crossbook/app", "/etc", "/usr") if os.access(p, os.W_OK)]
print(json.dumps({"packages": found, "uid": os.getuid(), "python": sys.version.split()[0], "writable": writable,
    "unwanted": [n for n in sys.argv[1:] if shutil.which(n)], "pip": "pip" in found}))
"""


def podman(*arguments: str | Path, stdin: str | None = None, timeout_s: float = 120) -> str:
    return PODMAN.run(*arguments, stdin=stdin, timeout_s=timeout_s, variables=_variables())


def logs(container: str) -> str:
    """The end of all that it printed; podman keeps the two streams apart."""
    script = 'exec "$0" logs --tail 15 "$1" 2>&1'
    return run(("sh", "-c", script, PODMAN.path(), container), variables=_variables())[-MAX_LOG_CHARS:]


def is_built(root: Path) -> str:
    """Build it; look into it as it would run."""
    build(root)
    inspected = json.loads(podman("image", "inspect", IMAGE))[0]
    config = inspected["Config"]
    complaints = []
    if config["User"] != USER:
        complaints.append(f"it runs as {config['User'] or 'root'}, not as {USER}")
    if not inspected.get("HealthCheck") and not inspected.get("Healthcheck") and not config.get("Healthcheck"):
        complaints.append("it has no health check")
    seen = json.loads(
        podman(
            *("run", "--rm", "--read-only", "--network", "none", "--no-healthcheck", "--cap-drop", "all"),
            *("--security-opt", "no-new-privileges", "--entrypoint", "python", IMAGE, "-c", _PROBE, *_UNWANTED),
        )
    )
    complaints += [f"it has {name}" for name in seen["unwanted"]]
    complaints += [f"its user can write to {path}" for path in seen["writable"]]
    if seen["pip"]:
        complaints.append("it has pip")
    complaints += _unlike_the_lock(root, seen["packages"])
    complaints += _unhealthy()
    if complaints:
        raise Failed("\n".join(complaints))
    size_mb = inspected["Size"] // 1_000_000
    return f"{len(seen['packages'])} packages as locked, Python {seen['python']}, uid {seen['uid']}, {size_mb} MB"


def _unhealthy() -> list[str]:
    """The health check fails where nothing answers."""
    command = ("run", "--rm", "--read-only", "--network", "none", "--no-healthcheck", "--entrypoint", "python")
    try:
        podman(*command, IMAGE, "healthcheck.py")
    except Failed:
        return []
    return ["its health check passes though nothing answers"]


def _unlike_the_lock(root: Path, packages: dict[str, str]) -> list[str]:
    locked = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", (root / "requirements.lock").read_text(), re.MULTILINE))
    locked = {name.lower().replace("_", "-"): version for name, version in locked.items()}
    return [
        f"it has {name} {version}, and locked is {locked.get(name, 'none')}"
        for name, version in sorted(packages.items())
        if locked.get(name) != version
    ]


def build(root: Path) -> None:
    ensure_base()
    wheels = fetch_wheels(root)
    BUILDAH.run(
        *("build", "--format", "docker", "--layers", "--isolation", "chroot", "--quiet"),
        *(
            "--build-arg",
            f"BASE={BASE}",
            "--build-arg",
            f"COMPILER={COMPILER}",
            "--build-arg",
            "PIP_NO_INDEX=1",
            "--build-arg",
            "PIP_FIND_LINKS=/wheels",
        ),
        *("--volume", f"{wheels}:/wheels:ro"),
        *("--ignorefile", root / "deploy" / "images" / "Dockerfile.dockerignore"),
        *("--file", root / "deploy" / "images" / "Dockerfile", "--tag", IMAGE, root),
        timeout_s=BUILD_TIMEOUT_S,
        variables=_variables(),
    )


def ensure_base() -> None:
    try:
        podman("image", "exists", BASE)
    except Failed:
        with tempfile.TemporaryDirectory(prefix="crossbook-base-") as name:
            tree = Path(name) / "tree"
            packages = f"--include={PYTHON},ca-certificates"
            DEBOOTSTRAP.run("--variant=minbase", packages, SUITE, tree, timeout_s=BUILD_TIMEOUT_S)
            archive = Path(name) / "base.tar"
            run(("tar", "--create", "--file", str(archive), "--directory", str(tree), "."), timeout_s=BUILD_TIMEOUT_S)
            podman("import", "--quiet", archive, BASE, timeout_s=BUILD_TIMEOUT_S)


def fetch_wheels(root: Path) -> Path:
    """All of the locks, with their hashes, for a build without a network; its Python need not be this one."""
    wheels = TOOLS / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    # What depends on the exact version of Python is fetched too: the build decides.
    lock = "".join(
        re.sub(r" ; (python|implementation|platform)[^\\\n]*", " ", (root / name).read_text()) for name in LOCKS
    )
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(lock)
        file.flush()
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check")
        run(
            (*pip, "--only-binary", ":all:", "--require-hashes", "--dest", str(wheels), "--requirement", file.name),
            timeout_s=BUILD_TIMEOUT_S,
        )
    return wheels


def bill_of_materials(root: Path) -> str:
    """The bill that releases carry names every package of the lock."""
    bill = json.loads(CYCLONEDX.run("requirements", root / "requirements.lock", "--output-format", "JSON"))
    listed = {component["name"].lower() for component in bill["components"]}
    text = (root / "requirements.lock").read_text()
    locked = {name.lower() for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}
    if listed != locked:
        raise Failed(f"the bill of materials and the lock differ in {', '.join(sorted(listed ^ locked))}")
    if not all(component.get("purl") for component in bill["components"]):
        raise Failed("a component has no package URL")
    return f"CycloneDX {bill['specVersion']}, {len(listed)} components"


def needs_root() -> None:
    if json.loads(podman("info", "--format", "json"))["host"]["security"]["rootless"]:
        raise Missing("networks between pods need podman as root")


def _variables() -> dict[str, str]:
    conf = TOOLS / "containers.conf"
    if not conf.exists() or conf.read_text() != _CONF:
        TOOLS.mkdir(exist_ok=True)
        conf.write_text(_CONF)
    return {"CONTAINERS_CONF": str(conf)}
